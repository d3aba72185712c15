"""The sizes and choices that make a bridge segmenter. Free of torch, so that the card can name them.

All of it is an interpretation of the abstract of arXiv 2310.07394: no paper body, code or weights could be read. "The design"
below is shared/reference/methods/lightweight-bridge.md, section 3, ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchbed.clip_sizes import CLIP_SIZES, VIT_B16, ClipSize
from benchbed.errors import UsageError
from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from methods.parts.keywords import keywords_of, one_of

# Channels of each backbone's four stages, at strides 4, 8, 16 and 32.
CHANNELS: Final = {
    "mobilenetv2": (24, 32, 96, 320),  # mmsegmentation's, width 1
    "mobilenetv2-half": (16, 16, 48, 160),  # the same, width 0.5
    "efficientformer-l1": (48, 96, 224, 448),  # timm's efficientformer_l1
    "xception": (128, 256, 728, 2048),  # timm's xception41, the one DeepLab v3+ made for dense tasks
}
STRIDES: Final = (4, 8, 16, 32)
HALF: Final = (
    127.5,
    127.5,
    127.5,
)  # mean and std 0.5 of 0..1, as xception41.tf_in1k was trained (its timm card)
PAD_MULTIPLE: Final = 32
TEMPLATES: Final = ("a photo of a {}.",)  # CLIP's own single template; the abstract names none


@dataclass(frozen=True)
class BridgeSize:
    """All numbers and choices; the defaults are the design's.

    Attributes:
        backbone: one of `CHANNELS`.
        stages: which of the backbone's stages (1 to 4) enter; coarser ones are added at the finest one's resolution.
        layers: of the bridge; 0 is the plain text classifier on the same backbone, with nothing else changed.
        width: channels of the visual branch (C) and of a text token (D).
        heads: of every attention.
        expansion: of the convolutional branch's inverted bottleneck and of the tokens' MLP.
        visual_to_text, text_to_visual: the bridge's two directions.
        convolutions: the convolutional branch (inverted bottleneck).
        tokens: the transformer branch (self-attention and MLP over tokens).
        class_self_attention: class tokens see each other in it; without, only its MLP is left.
        null_token: one learned token that pixels may attend to instead of any class.
        upsample: the similarities are enlarged by this before the shared 3x3 convolution refines them.
        text: the frozen CLIP whose text tower embeds class names.
        templates: prompt templates for that tower.
        short_side, longest_side: the input's size rule, pixels.
    """

    backbone: str = "mobilenetv2"
    stages: tuple[int, ...] = (4,)
    layers: int = 2
    width: int = 256
    heads: int = 4
    expansion: int = 2
    visual_to_text: bool = True
    text_to_visual: bool = True
    convolutions: bool = True
    tokens: bool = True
    class_self_attention: bool = True
    null_token: bool = False
    upsample: int = 4
    text: ClipSize = VIT_B16
    templates: tuple[str, ...] = TEMPLATES
    short_side: int = 512
    longest_side: int = 2048

    def __post_init__(self) -> None:
        one_of("backbone", self.backbone, CHANNELS)
        if not self.stages or sorted(set(self.stages) & {1, 2, 3, 4}) != list(self.stages):
            raise UsageError(
                f"stages={self.stages}: expected some of 1, 2, 3, 4, rising, e.g. (4,) or (3, 4)"
            )
        if self.layers < 0:
            raise UsageError(f"layers={self.layers}: expected 0 (no bridge) or more")
        if self.heads < 1 or self.width % self.heads:
            raise UsageError(f"heads={self.heads} does not divide width={self.width}; give a divisor")
        if self.upsample < 1:
            raise UsageError(f"upsample={self.upsample}: expected 1 or more")
        if not self.templates or any("{}" not in template for template in self.templates):
            raise UsageError(
                f"templates={self.templates}: expected at least one, each with {{}} for the name"
            )

    @property
    def channels(self) -> tuple[int, ...]:
        """Of the stages that enter."""
        return tuple(CHANNELS[self.backbone][stage - 1] for stage in self.stages)

    @property
    def stride(self) -> int:
        """Pixels between neighbours of the finest stage that enters, where text and image meet."""
        return STRIDES[self.stages[0] - 1]

    @property
    def inputs(self) -> InputSpec:
        """The backbone's own ImageNet normalisation; sizes as DenseCLIP's test pipeline; padded to a multiple of 32."""
        mean, std = (HALF, HALF) if self.backbone == "xception" else (IMAGENET_MEAN, IMAGENET_STD)
        return InputSpec(self.short_side, self.longest_side, mean, std, PAD_MULTIPLE)


def plain(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords as a user or a card writes them, made into `BridgeSize`'s: a CLIP's name, lists.

    Raises:
        UsageError: a keyword or a CLIP that there is none of; the message has the nearest names.
    """
    return keywords_of("the bridge", BridgeSize, keywords, "text", CLIP_SIZES)
