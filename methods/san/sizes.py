"""The sizes that make a SAN. Free of torch, so that the card can name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchbed.clip_sizes import CLIP_SIZES, HEAD_WIDTH, VIT_B16, ClipSize
from benchbed.errors import UsageError
from benchbed.input_spec import InputSpec
from methods.parts.keywords import keywords_of

PAD_MULTIPLE: Final = 32  # SIZE_DIVISIBILITY of the released configurations


@dataclass(frozen=True)
class SanSize:
    """All numbers of one SAN; the defaults are the released ViT-B/16 (configs/san_clip_vit_res4_coco.yaml).

    Attributes:
        clip: the frozen CLIP.
        shallow: how many of CLIP's blocks feed the side network; the rest recognise (FEATURE_LAST_LAYER_IDX).
        clip_resolution: CLIP's input is the side network's, scaled by this factor (CLIP_RESOLUTION).
        side_width, side_layers, side_heads: of the side network's transformer.
        side_patch: pixels a side.
        side_image: pixels a side of the square image that the position table is made for.
        unit_positions: whether what the side network learns of positions starts at about unit size, patches' as sines and
            cosines of row and column, queries' as normal numbers, not as small random numbers as the authors' do. Both are
            learnt either way, so that sizes which differ in this alone are equal: no checkpoint tells.
        queries: mask proposals an image.
        fusion: pairs (CLIP block, side block): the first's output is added after the second; 0: before block 1. The released
            ones take shallow blocks alone.
        mask_width: channels in which queries and pixels meet.
        mask_hidden: hidden channels of the mask decoder's three MLPs.
        short_side, longest_side: the input's size rule, pixels.
    """

    clip: ClipSize = VIT_B16
    shallow: int = 9
    clip_resolution: float = 0.5
    side_width: int = 240
    side_layers: int = 8
    side_heads: int = 6
    side_patch: int = 16
    side_image: int = 640
    unit_positions: bool = field(default=False, compare=False)
    queries: int = 100
    fusion: tuple[tuple[int, int], ...] = ((0, 0), (3, 1), (6, 2), (9, 3))
    mask_width: int = 256
    mask_hidden: int = 256
    short_side: int = 640
    longest_side: int = 2560

    def __post_init__(self) -> None:
        if self.side_heads < 1 or self.side_width % self.side_heads:
            raise UsageError(
                f"side_heads={self.side_heads} does not divide side_width={self.side_width}; give a divisor"
            )
        if self.unit_positions and self.side_width % 4:
            raise UsageError(
                f"unit_positions with side_width={self.side_width}: expected a multiple of 4, sine and cosine of row and column"
            )
        if not 0 < self.shallow < self.clip.layers:
            raise UsageError(
                f"shallow={self.shallow}: expected 1 to {self.clip.layers - 1} of CLIP's {self.clip.layers} "
                "blocks, so that at least one is left to recognise"
            )
        if self.clip_resolution <= 0:
            raise UsageError(f"clip_resolution={self.clip_resolution}: expected a positive factor, e.g. 0.5")
        self._check_fusion()

    def _check_fusion(self) -> None:
        sides = [side for _, side in self.fusion]
        inside = all(
            0 <= clip <= self.clip.layers and 0 <= side < self.side_layers for clip, side in self.fusion
        )
        if not inside or sides != sorted(set(sides)):
            raise UsageError(
                f"fusion={self.fusion}: expected pairs (CLIP block 0 to {self.clip.layers}, side block 0 to "
                f"{self.side_layers - 1}), the side blocks rising"
            )

    @property
    def clip_heads(self) -> int:
        """Attention heads of CLIP's image tower, each with a bias of its own (ATTN_BIAS.NUM_HEADS)."""
        return self.clip.width // HEAD_WIDTH

    @property
    def side_grid(self) -> int:
        """Patches a side in the side network's position table."""
        return self.side_image // self.side_patch

    @property
    def inputs(self) -> InputSpec:
        """CLIP's mean and std; padded to a multiple of 32."""
        return InputSpec(self.short_side, self.longest_side, pad_multiple=PAD_MULTIPLE)


def plain(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords as a user or a card writes them, made into `SanSize`'s: a CLIP's name, lists of pairs.

    Raises:
        UsageError: a keyword or a CLIP that there is none of; the message has the nearest names.
    """
    values = keywords_of("SAN", SanSize, keywords, "clip", CLIP_SIZES)
    if "fusion" in values:
        values["fusion"] = tuple((int(clip), int(side)) for clip, side in values["fusion"])
    return values
