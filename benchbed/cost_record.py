"""The cost record: what one `benchbed cost` measured, of several subjects side by side. JSON, immutable, free of torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from benchbed.cost.conditions import Conditions, axis_number, conditions_from
from benchbed.sealed_json import Sealed, digest

SCHEMA: Final = 1
KIND: Final = "benchbed cost record"
FORM: Final = Sealed(KIND, SCHEMA, "cost record", "benchbed cost")


@dataclass(frozen=True)
class Point:
    """Latency of one subject under one set of conditions.

    Attributes:
        subject: key of `CostRecord.subjects`.
        conditions: `proposals` is None where the subject proposes none.
        input_size: height and width of the network's input, padding included, pixels.
        latency: `total_ms` and `stage_ms` (raw, one entry a round, of the whole batch), `first_call_ms`, `image_index`, `unit`.
    """

    subject: str
    conditions: Conditions
    input_size: tuple[int, int]
    latency: dict[str, Any]

    @property
    def total_ms(self) -> list[float]:
        """Raw samples of the whole batch, ms."""
        return list(self.latency["total_ms"])


@dataclass(frozen=True)
class CostRecord:
    """What one command measured, on photos that benchbed draws: no dataset is in it.

    Attributes:
        protocol: `name`, `fingerprint` over it, `text`, `resize`, `labels`, `timed`, `threads`, `device`.
        conditions: the base conditions as they were asked for; `proposals` None means as published.
        sweeps: axis -> values; empty where none was asked for.
        subjects: key -> method, options, weights, and what was counted and measured of it at the base conditions.
        points: latencies, all interleaved in one run: entry i of every list is of round i.
        null: the A/A run: `subject`, `first_ms`, `second_ms`; {} where there is none.
        stopping: `rounds`, `why` (`narrow`, `time`, `most` or `interrupted`), and the rule: `until`, `seconds`, `least_rounds`,
            `most_rounds`.
        matmul_peak: precision -> `flops_per_s`, `side`, `samples_ms`.
        run_id: marks what was interleaved.
        environment, bench, warnings, failures, created: as in a `Record`.
    """

    protocol: dict[str, Any]
    conditions: Conditions
    sweeps: dict[str, list[Any]]
    subjects: dict[str, dict[str, Any]]
    points: tuple[Point, ...]
    null: dict[str, Any]
    stopping: dict[str, Any]
    matmul_peak: dict[str, Any]
    run_id: str
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

    def label(self, subject: str) -> str:
        """`method/variant` of a subject, without its options."""
        return str(self.subjects[subject]["label"])

    def base_of(self, subject: str) -> Conditions:
        """The base conditions as this subject meets them: with its own number of proposals, or None."""
        published = self.subjects[subject]["proposals"]
        asked = self.conditions.proposals
        return self.conditions.at("proposals", published if published is None else asked or published)

    def base(self, subject: str) -> Point | None:
        """The subject's point at the base conditions; None where it could not be timed."""
        return self.point(subject, self.base_of(subject))

    def point(self, subject: str, conditions: Conditions) -> Point | None:
        """The subject's point under these conditions."""
        fitting = (p for p in self.points if p.subject == subject and p.conditions == conditions)
        return next(fitting, None)

    def sweep(self, axis: str, subject: str) -> list[tuple[Any, Point]]:
        """(value, point) where nothing but this axis differs from the base, which is one of them; rising."""
        base = self.base_of(subject)
        found = [
            (getattr(point.conditions, axis), point)
            for point in self.points
            if point.subject == subject and point.conditions.at(axis, getattr(base, axis)) == base
        ]
        if any(value is None for value, _ in found):
            return found
        return sorted(found, key=lambda pair: axis_number(axis, pair[0]))


def law_samples(record: CostRecord, axis: str) -> dict[str, dict[float, list[float]]]:
    """subject -> x -> ms an image (along `batch` ms a call, which grows evenly there), for `benchbed.cost.scaling.fit_laws`.

    A subject on which the axis has no effect (no proposals) has its base alone, which makes a constant law. Those that were
    not timed are left out.
    """
    found: dict[str, dict[float, list[float]]] = {}
    for subject in record.subjects:
        points = record.sweep(axis, subject)
        highest = max((axis_number(axis, value) for value in record.sweeps.get(axis, ())), default=1.0)
        samples = {
            highest if value is None else axis_number(axis, value): point.total_ms
            if axis == "batch"
            else _an_image(point)
            for value, point in points
        }
        if samples:
            found[subject] = samples
    return found


def _an_image(point: Point) -> list[float]:
    return [ms / point.conditions.batch for ms in point.total_ms]


def to_json(record: CostRecord) -> str:
    """A cost record as JSON text."""
    content = {"kind": KIND, **_plain(record), "id": record.id}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(record: CostRecord) -> dict[str, Any]:
    content = {each.name: getattr(record, each.name) for each in fields(record) if each.name != "id"}
    content["conditions"] = record.conditions.as_dict()
    content["points"] = [
        {**asdict(point), "conditions": point.conditions.as_dict(), "input_size": list(point.input_size)}
        for point in record.points
    ]
    return content


def from_json(text: str, source: str) -> CostRecord:
    """Read a cost record back and check that nobody changed it.

    Args:
        text: the file's content.
        source: the file's name, for messages.

    Raises:
        StoreError: not a cost record, torn, of a newer schema, or altered since it was written.
    """
    content = FORM.decode(text, source)
    try:
        record = _build(content)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise FORM.damaged(error, source) from error
    FORM.check(record.id, content.get("id"), source)
    return record


def _build(content: Mapping[str, Any]) -> CostRecord:
    values = {name: value for name, value in content.items() if name not in ("kind", "id")}
    values["conditions"] = conditions_from(values["conditions"])
    values["points"] = tuple(_point(each) for each in values["points"])
    values["warnings"] = tuple(values["warnings"])
    values["failures"] = tuple(values["failures"])
    return CostRecord(**values)


def _point(content: Mapping[str, Any]) -> Point:
    height, width = content["input_size"]
    return Point(
        content["subject"], conditions_from(content["conditions"]), (height, width), content["latency"]
    )


def stage_medians(point: Point) -> dict[str, float]:
    """Median ms of each stage of a point, `unaccounted` among them."""
    import numpy as np

    return {name: float(np.median(times)) for name, times in point.latency["stage_ms"].items() if times}


def paired_samples(record: CostRecord, subjects: Sequence[str]) -> dict[str, list[float]]:
    """subject -> ms an image at the base conditions, round by round; those not timed are left out."""
    bases = {subject: record.base(subject) for subject in subjects}
    return {subject: _an_image(point) for subject, point in bases.items() if point is not None}
