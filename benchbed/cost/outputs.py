"""Whether speed belongs to the same predictions: digests of timed label maps, and how far they agree with the accuracy pass's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from torch import Tensor

AGAINST: Final = "the pass that accuracy is measured with: float32, eager, one image at a time"


def digest(maps: Sequence[Tensor]) -> str:
    """16 hexadecimal digits of the SHA-256 over label maps [H, W], their sizes and types; waits for the device."""
    content = hashlib.sha256()
    for each in maps:
        array = each.cpu().numpy()
        content.update(f"{array.dtype}{array.shape}".encode())
        content.update(array.tobytes())
    return content.hexdigest()[:16]


@dataclass
class TimedOutputs:
    """Digests of what a subject returned while the clock ran, by picture.

    Attributes:
        seen: picture -> all digests that its rounds gave; more than one means that a pass does not repeat itself.
        kept: picture -> the label maps of its first round.
    """

    seen: dict[int, set[str]] = field(default_factory=dict)
    kept: dict[int, list[Tensor]] = field(default_factory=dict)

    def add(self, picture: int, maps: Sequence[Tensor]) -> None:
        """Note a round's label maps; call it while no clock runs."""
        self.seen.setdefault(picture, set()).add(digest(maps))
        if picture not in self.kept:
            self.kept[picture] = [each.cpu() for each in maps]

    def against(self, reference: dict[int, list[Tensor]]) -> dict[str, Any]:
        """Compare with the accuracy pass's label maps of the same pictures.

        Returns:
            `sha256`: of the timed label maps, picture by picture; `timed_same`: whether every timed round of a picture gave the
            same; `same`: whether they are the accuracy pass's to the last pixel; `agreement`: the share of pixels;
            `classes`: how many classes the label maps hold: with one alone, as random weights may give, agreement says little.
        """
        equal = total = 0
        for index, maps in self.kept.items():
            for mine, theirs in zip(maps, reference[index], strict=True):
                equal += int((mine == theirs.cpu()).sum())
                total += mine.numel()
        digests = [digest(self.kept[index]) for index in sorted(self.kept)]
        return {
            "sha256": digests,
            "timed_same": all(len(each) == 1 for each in self.seen.values()),
            "same": equal == total,
            "agreement": equal / total if total else None,
            "classes": len({int(c) for maps in self.kept.values() for each in maps for c in each.unique()}),
            "against": AGAINST,
        }
