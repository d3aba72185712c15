"""The record: one measured (variant, dataset, protocol). Schema-versioned, immutable, free of torch.

Every accuracy number is derived from `counts`, every time from raw samples; nothing derived is stored alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from benchbed.metrics.counts import Counts
from benchbed.packed_array import pack, unpack
from benchbed.sealed_json import Sealed, digest

SCHEMA: Final = 1
KIND: Final = "benchbed record"
FORM: Final = Sealed(KIND, SCHEMA, KIND, "benchbed run")


@dataclass(frozen=True)
class Record:
    """What was measured, under what, on what.

    Attributes:
        label: `method/variant`.
        method: the card's facts, the variant's configuration, and `weights` (kind, file, digest, note, what they were trained on
            and must not be used for; `training` where `benchbed train` made them).
        dataset: name, split, `images` used and `full_size`, identity, class names, seen flags, prompts.
        protocol: all fields of `Protocol` and its fingerprint; `resolved` holds what "as published" meant here.
        counts: per image and class integers, or None where accuracy was not measured.
        cost: `params`, `flops`, `latency` (raw samples, ms), `memory` (bytes), `text` (ms); a missing key was not measured.
        environment: machine, versions, threads, load.
        bench: version and commit of benchbed.
        warnings: what a reader must know of these measurements, each with what to do.
        failures: what could not be measured, and why.
        created: ISO 8601, UTC.
        schema: version of this layout.
    """

    label: str
    method: dict[str, Any]
    dataset: dict[str, Any]
    protocol: dict[str, Any]
    counts: Counts | None
    cost: dict[str, Any]
    environment: dict[str, Any]
    bench: dict[str, Any]
    created: str
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    schema: int = SCHEMA
    id: str = field(default="")

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", digest(_plain(self)))

    @property
    def random_weights(self) -> bool:
        """Whether accuracy means nothing here."""
        return bool(self.method["weights"]["kind"] == "random")

    @property
    def group(self) -> tuple[str, str, str]:
        """Records of one group may stand in one table: dataset, its content as used, protocol."""
        return self.dataset["name"], self.dataset["used_identity"], self.protocol["fingerprint"]


def to_json(record: Record) -> str:
    """A record as JSON text; counts are packed, everything else is plain."""
    content = {"kind": KIND, **_plain(record), "id": record.id}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(record: Record) -> dict[str, Any]:
    content = asdict(replace(record, counts=None, id="-"))
    del content["id"]
    content["counts"] = None if record.counts is None else _pack_counts(record.counts)
    return content


def _id_of(content: Mapping[str, Any]) -> str:
    """The id that a file's content gives. Its counts stay packed: packing them anew costs most of a reading's time, and
    another zlib may pack them otherwise."""
    return digest({name: value for name, value in content.items() if name not in ("kind", "id")})


def _pack_counts(counts: Counts) -> dict[str, Any]:
    return {
        "ids": list(counts.image_ids),
        "intersection": pack(counts.intersection),
        "predicted": pack(counts.predicted),
        "labelled": pack(counts.labelled),
    }


def from_json(text: str, source: str) -> Record:
    """Read a record back and check that nobody changed it.

    Args:
        text: the file's content.
        source: the file's name, for messages.

    Raises:
        StoreError: not a record, torn, of a newer schema, or altered since it was written.
    """
    content = FORM.decode(text, source)
    try:
        record, found = _build(content), _id_of(content)
    except (KeyError, TypeError, ValueError) as error:
        raise FORM.damaged(error, source) from error
    FORM.check(found, record.id, source)
    return record


def _build(content: dict[str, Any]) -> Record:
    packed = content["counts"]
    counts = None
    if packed is not None:
        counts = Counts(
            image_ids=tuple(packed["ids"]),
            intersection=unpack(packed["intersection"]),
            predicted=unpack(packed["predicted"]),
            labelled=unpack(packed["labelled"]),
        )
    fields = {name: value for name, value in content.items() if name not in ("kind", "counts")}
    if not isinstance(fields["id"], str) or not fields["id"]:
        raise ValueError("no id")
    fields["warnings"] = tuple(fields["warnings"])
    fields["failures"] = tuple(fields["failures"])
    return Record(**fields, counts=counts)
