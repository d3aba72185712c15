"""Which images a gallery shows: some by lot, so that nobody picked them, and those on which two methods differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchbed.kept import stem
from benchbed.metrics import Counts
from benchbed.report.rows import Row

BY_LOT: Final = "drawn by lot"


@dataclass(frozen=True)
class Choice:
    """An image and why it is shown, in words."""

    image_id: str
    why: str


def choose_images(rows: Sequence[Row], candidates: Sequence[str], images: int) -> list[Choice]:
    """Half of the images by lot (the order of their stems), half by how much two methods differ there.

    Args:
        rows: of one group, with counts. Rows with random weights differ by chance, so pairs are made of the others
            where there are two of them.
        candidates: ids of images that can be shown; the rows have counted all of them.
        images: how many to choose; fewer if there are no more.
    """
    drawn = sorted(candidates, key=stem)
    found = _most_different(rows, drawn, images // 2)
    others = [name for name in drawn if name not in found]
    lot = [Choice(name, BY_LOT) for name in others[: images - len(found)]]
    return lot + [Choice(name, why) for name, why in found.items()]


def difference(first: Counts, second: Counts, image_ids: Sequence[str]) -> NDArray[np.float64]:
    """[N] for each image, the share of labelled pixels that, at the least, one of two methods has right and the other has not.

    From counts alone: of every class, the difference of the pixels that were predicted right.
    """
    one, two = first.select(image_ids), second.select(image_ids)
    labelled = np.maximum(one.labelled.sum(1), 1)
    apart: NDArray[np.float64] = np.abs(one.intersection - two.intersection).sum(1) / labelled
    return apart


def _most_different(rows: Sequence[Row], candidates: Sequence[str], most: int) -> dict[str, str]:
    """Image id -> why, at most `most`, the greatest difference first; no pair comes again before every other has come."""
    table = _differences(rows, candidates)
    found: dict[str, str] = {}
    waiting = dict(table)
    while waiting and len(found) < most:
        pair = max(waiting, key=lambda each: float(waiting[each].max()))
        shares = waiting.pop(pair)
        place = int(shares.argmax())
        if shares[place] > 0:
            found[candidates[place]] = (
                f"{pair[0]} and {pair[1]} differ most: in {_at_least(shares[place])} of the labelled pixels"
            )
            for each in table.values():
                each[place] = 0  # shown once
        waiting = waiting or {each: left for each, left in table.items() if left.max() > 0}
    return found


def _at_least(share: float) -> str:
    return "all" if share >= 1 else f"at least {min(99, round(100 * share))} %"


def _differences(
    rows: Sequence[Row], candidates: Sequence[str]
) -> dict[tuple[str, str], NDArray[np.float64]]:
    trained = [row for row in rows if not row.random]
    chosen = trained if len(trained) > 1 else list(rows)
    counts: Mapping[str, Counts] = {
        row.label: row.record.counts for row in chosen if row.record and row.record.counts
    }
    if not candidates:
        return {}
    return {(a, b): difference(counts[a], counts[b], candidates) for a, b in combinations(counts, 2)}
