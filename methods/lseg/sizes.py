"""The sizes and choices that make an LSeg. Free of torch, so that the card can name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchbed.clip_sizes import CLIP_SIZES, HEAD_WIDTH, ClipSize
from benchbed.errors import UsageError
from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from methods.parts.keywords import keywords_of, one_of

# OpenAI's ViT-B/32, whose text tower LSeg uses (open_clip model config ViT-B-32-quickgelu).
VIT_B32: Final = ClipSize(512, 224, 32, 768, 12, 512, 12)
TEXT_SIZES: Final = {"vit-b32": VIT_B32, **CLIP_SIZES}

STRIDES: Final = (4, 8, 16, 32)  # pixels between neighbours of the decoder's four levels
PAD_MULTIPLE: Final = STRIDES[-1]  # level 4 doubled must meet level 3 exactly
HALF: Final = (127.5, 127.5, 127.5)  # mean and std 0.5 of 0..1 (modules/lseg_module.py)

ENCODERS: Final = ("vit", "resnet101", "resnet17")
REGULARISATIONS: Final = ("none", "bottleneck", "depthwise")  # arch_option 0, 1, 2
ACTIVATIONS: Final = ("lrelu", "tanh", "relu")
SIMILARITIES: Final = ("fp32", "fp16")
EVALUATIONS: Final = ("whole", "multi-scale")


@dataclass(frozen=True)
class OriginalSize(InputSpec):
    """No resizing on the way in: the multi-scale evaluator resizes for itself, from the original pixels."""

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The size itself."""
        return height, width

    def at(self, short_side: int, longest_side: int) -> InputSpec:
        """An ordinary rule with this normalisation."""
        return InputSpec(short_side, longest_side, self.mean, self.std, PAD_MULTIPLE)


@dataclass(frozen=True)
class LSegSize:
    """All numbers and choices of one LSeg; the defaults are the released ViT-L/16 (`clip_vitl16_384`).

    Attributes:
        encoder: `vit`, `resnet101` (ImageNet's, four stages; the ViT fields below then mean nothing), or `resnet17` (ours).
        width, layers, heads, patch: of the ViT.
        table_image: pixels a side of the square image that the position table is made for.
        hooks: the four blocks, counted from 0, whose outputs are read.
        pyramid: channels of the four levels before the decoder.
        features: channels inside the decoder.
        text: the CLIP whose text tower is used; pixel embeddings have its `embed_dim`.
        regularisation: `none`, `bottleneck` (arch_option 1) or `depthwise` (arch_option 2).
        depth: how often the regularisation block runs; 0 and 1 both mean once (block_depth).
        activation: between its runs: `lrelu`, `tanh` or `relu`.
        similarity: `fp32`, or `fp16` as the official code rounds on CUDA.
        evaluation: `whole` image, or the official `multi-scale` sliding evaluator.
        base_size, crop_size, scales, flip: of that evaluator, in pixels (Cityscapes: 2048, 768, 0.75 to 2.25).
        short_side, longest_side: the input's size rule in evaluation `whole`, pixels.
    """

    encoder: str = "vit"
    width: int = 1024
    layers: int = 24
    heads: int = 16
    patch: int = 16
    table_image: int = 384
    hooks: tuple[int, ...] = (5, 11, 17, 23)
    pyramid: tuple[int, ...] = (256, 512, 1024, 1024)
    features: int = 256
    text: ClipSize = VIT_B32
    regularisation: str = "none"
    depth: int = 0
    activation: str = "lrelu"
    similarity: str = "fp32"
    evaluation: str = "whole"
    base_size: int = 520
    crop_size: int = 480
    scales: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
    flip: bool = True
    short_side: int = 480
    longest_side: int = 480

    def __post_init__(self) -> None:
        one_of("encoder", self.encoder, ENCODERS)
        one_of("regularisation", self.regularisation, REGULARISATIONS)
        one_of("activation", self.activation, ACTIVATIONS)
        one_of("similarity", self.similarity, SIMILARITIES)
        one_of("evaluation", self.evaluation, EVALUATIONS)
        if len(self.pyramid) != len(STRIDES):
            raise UsageError(f"pyramid={self.pyramid}: expected {len(STRIDES)} channel counts, one a level")
        if self.encoder == "vit":
            self._check_vit()
        self._check_evaluator()

    def _check_vit(self) -> None:
        if self.heads < 1 or self.width % self.heads:
            raise UsageError(
                f"heads={self.heads} does not divide width={self.width}; give a number that does"
            )
        rising = list(self.hooks) == sorted(set(self.hooks))
        if (
            len(self.hooks) != len(STRIDES)
            or not rising
            or not 0 <= self.hooks[0] <= self.hooks[-1] < self.layers
        ):
            raise UsageError(
                f"hooks={self.hooks}: expected {len(STRIDES)} rising block numbers from 0 to {self.layers - 1}"
            )
        if self.patch not in (8, 16, 32):
            raise UsageError(
                f"patch={self.patch}: expected 8, 16 or 32, from which strides 4 to 32 can be made"
            )

    def _check_evaluator(self) -> None:
        if self.crop_size < PAD_MULTIPLE or self.crop_size % PAD_MULTIPLE:
            raise UsageError(f"crop_size={self.crop_size}: expected a multiple of {PAD_MULTIPLE}, e.g. 480")
        if self.base_size < 1 or not self.scales or min(self.scales) <= 0:
            raise UsageError(
                f"base_size={self.base_size}, scales={self.scales}: expected positive numbers, one or more scales"
            )

    @property
    def inputs(self) -> InputSpec:
        """How images enter: ViTs with mean and std 0.5, the ResNet with ImageNet's; multi-scale takes original sizes."""
        mean, std = (HALF, HALF) if self.encoder == "vit" else (IMAGENET_MEAN, IMAGENET_STD)
        if self.evaluation == "multi-scale":
            return OriginalSize(self.base_size, self.base_size, mean, std, pad_multiple=1)
        return InputSpec(self.short_side, self.longest_side, mean, std, PAD_MULTIPLE)


def even_hooks(layers: int) -> tuple[int, ...]:
    """The last block of each quarter: (5, 11, 17, 23) of 24 and (2, 5, 8, 11) of 12, as released."""
    return tuple(quarter * layers // len(STRIDES) - 1 for quarter in range(1, len(STRIDES) + 1))


def usual_heads(width: int) -> int:
    """64 channels a head, as in timm's ViTs."""
    return max(1, width // HEAD_WIDTH)


def plain(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords as a user or a card writes them, made into `LSegSize`'s: a CLIP's name, lists.

    Raises:
        UsageError: a keyword or a CLIP that there is none of; the message has the nearest names.
    """
    return keywords_of("LSeg", LSegSize, keywords, "text", TEXT_SIZES)
