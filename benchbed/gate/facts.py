"""What is exact about one method in one source tree, as the child tells it and as baselines keep it. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchbed.metrics.counts import Counts
from benchbed.packed_array import unpack


@dataclass(frozen=True)
class Facts:
    """Attributes:
    weights: SHA-256 of the weights.
    flops: by stage, of `segment` on image 0 (torch's counter).
    parameters: `total` and `trainable`.
    operators: dispatched by a whole call, by name; `operators_by_stage` the same by stage.
    accuracy: `ids`, packed `intersection`, `predicted`, `labelled`; `seen`, `rule`; `sha256` of the label maps; {} where none was
        made.
    """

    weights: str
    flops: dict[str, int]
    parameters: dict[str, int]
    operators: dict[str, int]
    operators_by_stage: dict[str, int]
    accuracy: dict[str, Any]

    @property
    def counts(self) -> Counts:
        """Per image and class.

        Raises:
            ValueError, KeyError: the packed arrays are damaged.
        """
        return Counts(
            image_ids=tuple(self.accuracy["ids"]),
            intersection=unpack(self.accuracy["intersection"]),
            predicted=unpack(self.accuracy["predicted"]),
            labelled=unpack(self.accuracy["labelled"]),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def facts_from(content: Mapping[str, Any]) -> Facts:
    """Read back what `as_dict` gave.

    Raises:
        TypeError, KeyError: fields are missing or unknown.
    """
    return Facts(**content)
