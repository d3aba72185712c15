"""How a method wants its images: resize rule, normalisation, padding. Free of torch, so that `--dry-run` can show it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

IMAGENET_MEAN: Final = (123.675, 116.28, 103.53)
IMAGENET_STD: Final = (58.395, 57.12, 57.375)
# OpenAI CLIP's mean and std times 255 (open_clip.constants.OPENAI_DATASET_MEAN / _STD).
CLIP_MEAN: Final = (0.48145466 * 255, 0.4578275 * 255, 0.40821073 * 255)
CLIP_STD: Final = (0.26862954 * 255, 0.26130258 * 255, 0.27577711 * 255)


@dataclass(frozen=True)
class InputSpec:
    """What one variant's published evaluation feeds its network.

    Attributes:
        short_side: the resized image's shorter side, pixels.
        longest_side: cap on the longer side, pixels; the whole image shrinks to meet it.
        mean: per RGB channel, in 0..255 units, subtracted first.
        std: per RGB channel, in 0..255 units, divided by.
        pad_multiple: right and bottom are padded with zeros, after normalisation, to a multiple of this, pixels.
    """

    short_side: int
    longest_side: int
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
    pad_multiple: int = 32

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The size (height, width) an image is resized to, as detectron2's `ResizeShortestEdge` computes it."""
        scale = self.short_side / min(height, width)
        wide = height < width
        new_height = float(self.short_side) if wide else scale * height
        new_width = scale * width if wide else float(self.short_side)
        longest = max(new_height, new_width)
        if longest > self.longest_side:
            shrink = self.longest_side / longest
            new_height, new_width = new_height * shrink, new_width * shrink
        return max(1, int(new_height + 0.5)), max(1, int(new_width + 0.5))

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """The network input's size (height, width) for a resized image of this size."""
        multiple = self.pad_multiple
        return -(-height // multiple) * multiple, -(-width // multiple) * multiple

    def at(self, short_side: int, longest_side: int) -> InputSpec:
        """The same normalisation and padding at another size (protocol `matched`)."""
        return replace(self, short_side=short_side, longest_side=longest_side)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return asdict(self)
