"""The sizes and choices that make an SPNet. Free of torch, so that the card can name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchbed.clip_sizes import CLIP_SIZES, VIT_B16, ClipSize
from benchbed.errors import UsageError
from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from methods.parts.keywords import keywords_of

SIDE: Final = 513  # IMAGE.SIZE.TEST, with WARP_IMAGE True (config/voc12/ZLSS.yaml)
# IMAGE.MEAN of the same file, red first; Caffe's ResNets have no standard deviation.
CAFFE_MEAN: Final = (122.675, 116.669, 104.008)
CAFFE_STD: Final = (1.0, 1.0, 1.0)
DEPTHS: Final = (18, 34, 50, 101)  # ResNets of mmsegmentation; the paper's is 101
# As ZegFormer's pixel-level baseline, SPNet with CLIP's text tower, fills in class names (zeroshot_per_pixel_baseline).
TEMPLATES: Final = ("A photo of a {} in the scene",)


@dataclass(frozen=True)
class WarpedInput(InputSpec):
    """Images at their own size: the network warps each to a square of `short_side` pixels, from the original pixels."""

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The size itself."""
        return height, width

    def at(self, short_side: int, longest_side: int) -> InputSpec:
        """An ordinary rule with this normalisation: nothing is warped then (protocol `matched`)."""
        return InputSpec(short_side, longest_side, self.mean, self.std, self.pad_multiple)


@dataclass(frozen=True)
class SpnetSize:
    """All numbers and choices of one SPNet; the defaults are the released code's (subhc/SPNet at 292ff5a).

    Attributes:
        depth: of mmsegmentation's ResNet; 18 and 34 have blocks of two convolutions.
        width: channels of the stem; ResNets have 64.
        rates: dilations of the four 3x3 convolutions whose sum is the pixel embedding (PYRAMIDS).
        pyramid: further scales of the input; the greatest logit of all scales counts (MSC).
        gamma: taken from the probability of each seen class (`--threshold`); 0 leaves plain logits.
        text: the CLIP whose text tower embeds class names where no word vectors are given.
        templates: prompt templates for that tower.
        frozen_norm: batch norms keep ImageNet's statistics and scales (`freeze_bn`; none is in the optimiser).
        caffe: as Caffe's ResNets: images enter blue first, mean subtracted, and pooling rounds sizes up; else red first,
            ImageNet's mean and std, and it rounds down.
        warp: images are warped to a square; else `side` is the shorter one's length.
        side: pixels.
    """

    depth: int = 101
    width: int = 64
    rates: tuple[int, ...] = (6, 12, 18, 24)
    pyramid: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.0
    text: ClipSize = VIT_B16
    templates: tuple[str, ...] = TEMPLATES
    frozen_norm: bool = True
    caffe: bool = True
    warp: bool = True
    side: int = SIDE

    def __post_init__(self) -> None:
        if self.depth not in DEPTHS:
            raise UsageError(f"depth={self.depth}: expected one of {', '.join(map(str, DEPTHS))}")
        if not self.rates or min(self.rates) < 1:
            raise UsageError(f"rates={self.rates}: expected dilations of at least 1, e.g. (6, 12, 18, 24)")
        if any(not share > 0 for share in self.pyramid):
            raise UsageError(f"pyramid={self.pyramid}: expected positive scales, e.g. (0.5, 0.75), or none")
        if not 0 <= self.gamma <= 1:
            raise UsageError(
                f"gamma={self.gamma}: expected 0 (no calibration) to 1, since it is a probability"
            )
        if not self.templates or any("{}" not in template for template in self.templates):
            raise UsageError(
                f"templates={self.templates}: expected at least one, each with {{}} for the name"
            )

    @property
    def channels(self) -> int:
        """Of the ResNet's last stage."""
        return self.width * 8 * (1 if self.depth < 50 else 4)

    @property
    def inputs(self) -> InputSpec:
        """How images enter; no padding is needed."""
        mean, std = (CAFFE_MEAN, CAFFE_STD) if self.caffe else (IMAGENET_MEAN, IMAGENET_STD)
        if self.warp:
            return WarpedInput(self.side, self.side, mean, std, pad_multiple=1)
        return InputSpec(self.side, 2 * self.side, mean, std, pad_multiple=1)


def plain(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords as a user or a card writes them, made into `SpnetSize`'s: a CLIP's name, lists.

    Raises:
        UsageError: a keyword or a CLIP that there is none of; the message has the nearest names.
    """
    return keywords_of("SPNet", SpnetSize, keywords, "text", CLIP_SIZES)
