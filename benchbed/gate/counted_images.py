"""Accuracy of one method in one tree, gathered image by image while it is timed. Free of torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from benchbed.packed_array import pack

COUNTS: Final = ("intersection", "predicted", "labelled")


@dataclass
class CountedImages:
    """Attributes:
    rows: by place in the dataset: `id`, the numbers of `COUNTS` by class, `sha256` of the label map.
    """

    rows: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def accuracy(self, images: Iterable[int], seen: Iterable[bool], rule: str) -> dict[str, Any]:
        """What `Facts.accuracy` holds, of these images.

        Args:
            images: places, all of them counted, one or more.
            seen: of each class.
            rule: for absent classes.
        """
        rows = [self.rows[place] for place in sorted(images)]
        every = "".join(str(row["sha256"]) for row in rows)
        return {
            "ids": [row["id"] for row in rows],
            **{name: pack(np.array([row[name] for row in rows], np.int64)) for name in COUNTS},
            "seen": list(seen),
            "rule": rule,
            "sha256": hashlib.sha256(every.encode()).hexdigest(),
        }


def accuracy_of(rows: Iterable[Mapping[str, Any]], seen: Iterable[bool], rule: str) -> dict[str, Any]:
    """The same of a whole list, as the verb `counts` replies it."""
    counted = CountedImages(dict(enumerate(rows)))
    return counted.accuracy(counted.rows, seen, rule)
