"""One row a record or published result: label, figures by name, caveats, provenance. Tables, plots and pages are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Literal

from benchbed.records import Record
from benchbed.report.collect import Collection, Entry
from benchbed.report.cost_figures import cost_figures
from benchbed.report.figures import Figure, accuracy_figures

Kind = Literal["measured", "published"]
About = Literal["all", "accuracy", "speed"]
FEW_IMAGES: Final = 10
SHOWN_SKIPPED: Final = 3  # ids in a sentence; the record has all
TEXT_AGAIN: Final = (
    "latency includes the text tower, which the official evaluation runs again for every image"
)


@dataclass(frozen=True)
class Caveat:
    """A sentence that a reader needs to not misread a row.

    Attributes:
        text: the sentence.
        about: which of the row's figures it is about.
        varies: its numbers were read from the machine, so that several rows may be told of in one sentence.
        at_row: said at each row, in every format, even where all rows of a table share it.
    """

    text: str
    about: About = "all"
    varies: bool = False
    at_row: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Provenance:
    """Where a row comes from; empty strings where it does not apply.

    Attributes:
        record: id of the record. file: where it was read. created: ISO 8601, UTC.
        commit: of benchbed's checkout, "+" appended where it had uncommitted changes; version: of benchbed.
        machine: hash that tells machines apart. processor: what did the work, with threads or the card's name.
        protocol, fingerprint: name and fingerprint. dataset, coverage: name, and "20 of 400 images".
        weights: what they are. weights_sha256: their digest.
        source: of a published result: the paper's table, the file or page it was read from.
    """

    record: str = ""
    file: str = ""
    created: str = ""
    commit: str = ""
    version: str = ""
    machine: str = ""
    processor: str = ""
    protocol: str = ""
    fingerprint: str = ""
    dataset: str = ""
    coverage: str = ""
    weights: str = ""
    weights_sha256: str = ""
    source: str = ""


@dataclass(frozen=True)
class Row:
    """What a table has one line of.

    Attributes:
        label: `method/variant`, or what a paper calls itself.
        kind: `measured` here, or `published`.
        dataset: name.
        weights: what they are, one phrase; random ones say that accuracy means nothing.
        provenance: see there.
        caveats: each becomes a footnote of the tables that show figures it is about.
        record: the record, None for a published result.
        given: figures of a published result.
        random, supervised: never ranked on accuracy.
    """

    label: str
    kind: Kind
    dataset: str
    weights: str
    provenance: Provenance
    caveats: tuple[Caveat, ...] = ()
    record: Record | None = None
    given: Mapping[str, Figure] = field(default_factory=lambda: MappingProxyType({}))
    random: bool = False
    supervised: bool = False

    @property
    def key(self) -> str:
        """Unique: the record's id, or what stands for it."""
        said = self.provenance
        return said.record or f"{self.label}:{self.dataset}:{said.weights}:{said.source}"

    @property
    def method(self) -> str:
        """The method's name, without variant."""
        return self.label.partition("/")[0]

    @property
    def family(self) -> str:
        """`pixel`, `two-stream`, `single-pass`, or "" where unknown."""
        return "" if self.record is None else str(self.record.method["card"].get("family", ""))

    @property
    def colour(self) -> str:
        """What its card says, "" where nothing."""
        return "" if self.record is None else str(self.record.method["card"].get("colour", ""))

    @property
    def group(self) -> tuple[str, ...]:
        """Rows of one group may be ranked on accuracy and counts; published rows are alone in theirs."""
        return ("published", self.key) if self.record is None else self.record.group

    @property
    def speed_group(self) -> tuple[str, ...]:
        """Rows of one group may be ranked on time and memory: as `group`, and on one machine."""
        return (*self.group, self.provenance.machine, self.provenance.processor)

    @property
    def ranked(self) -> bool:
        """Whether its accuracy may be called best: measured, trained weights, zero-shot."""
        return self.kind == "measured" and not self.random and not self.supervised

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """By name (see `benchbed.report.figure_names`); what was not measured is not in it. Bootstraps at first use."""
        if self.record is None:
            return self.given
        return {**accuracy_figures(self.record), **cost_figures(self.record)}

    def figure(self, name: str, rule: str | None = None) -> Figure | None:
        """One figure; with `rule`, an accuracy under that rule for absent classes; "" is what a source does not say."""
        if rule is None:
            return self.figures.get(name)
        if self.record is None:
            return self.given.get(under(name, rule))
        return accuracy_figures(self.record, rule).get(name) if rule else None


def under(name: str, rule: str) -> str:
    """Key in `Row.given` of a published accuracy whose source states the rule for absent classes."""
    return f"{name} {rule}".strip()


def rows(collection: Collection) -> tuple[Row, ...]:
    """One row a record, in the collection's order."""
    disputed: dict[str, list[Caveat]] = {}
    for each in collection.contradictions:
        for name in (each.first, each.second):
            disputed.setdefault(name, []).append(Caveat(each.text, "accuracy"))
    return tuple(_row(entry, tuple(disputed.get(entry.record.id, ()))) for entry in collection.entries)


def _row(entry: Entry, disputed: tuple[Caveat, ...]) -> Row:
    record = entry.record
    return Row(
        label=record.label,
        kind="measured",
        dataset=str(record.dataset["name"]),
        weights=weights_phrase(record.method["weights"]),
        provenance=_provenance(entry),
        caveats=(*_caveats(record), *disputed),
        record=record,
        random=record.random_weights,
        supervised=bool(record.method["card"].get("supervised")),
    )


def weights_phrase(weights: Mapping[str, Any]) -> str:
    """What a row says of its weights: "random weights: ...", "packaged: FILE" or "file: FILE"."""
    if weights["kind"] == "random":
        return str(weights.get("note") or "random weights")
    return f"{weights['kind']}: {weights['file']}"


def _provenance(entry: Entry) -> Provenance:
    record = entry.record
    bench, weights = record.bench, record.method["weights"]
    return Provenance(
        record=record.id,
        file=entry.file,
        created=record.created,
        commit=f"{bench.get('commit') or ''}{'+' if bench.get('dirty') else ''}",
        version=str(bench.get("version", "")),
        machine=str(record.environment.get("machine", "")),
        processor=processor(record),
        protocol=str(record.protocol["name"]),
        fingerprint=str(record.protocol["fingerprint"]),
        dataset=str(record.dataset["name"]),
        coverage=str(record.dataset["coverage"]),
        weights=weights_phrase(weights),
        weights_sha256=str(weights["sha256"]),
    )


def processor(record: Record) -> str:
    """What did the work: "AMD EPYC, 2 threads" or the graphics card's name."""
    gpu = record.environment.get("gpu") or {}
    if record.protocol["device"] != "cpu":
        return str(gpu.get("name", "CUDA device"))
    threads = record.protocol["threads"]
    return f"{record.environment.get('cpu') or 'unknown processor'}, {threads} thread{'' if threads == 1 else 's'}"


def _caveats(record: Record) -> tuple[Caveat, ...]:
    return (
        *[Caveat(text, at_row=True) for text in [skipped_words(record)] if text],
        *[Caveat(text, "accuracy") for text in _of_accuracy(record)],
        *[Caveat(f"not measured: {failure}") for failure in record.failures],
        *([Caveat(TEXT_AGAIN, "speed")] if record.protocol.get("resolved", {}).get("text_per_image") else []),
        *[Caveat(text, "speed", varies=True) for text in record.warnings],
    )


def skipped_words(record: Record) -> str:
    """What every table says where bad images were left out; "" where none were."""
    skipped = record.dataset.get("skipped") or []
    if not skipped:
        return ""
    named = ", ".join(map(str, skipped[:SHOWN_SKIPPED])) + (", ..." if len(skipped) > SHOWN_SKIPPED else "")
    bad = f"{len(skipped):,} bad image{'s were' if len(skipped) > 1 else ' was'}"
    return f"{bad} skipped ({named}): figures are of the other {record.dataset['images']:,}"


def _of_accuracy(record: Record) -> list[str]:
    dataset, weights = record.dataset, record.method["weights"]
    found = []
    if record.random_weights:
        found.append(weights_phrase(weights))
    if record.method["card"].get("supervised"):
        found.append("trained with masks of all classes: a supervised reference, never a zero-shot result")
    if dataset["images"] < FEW_IMAGES:
        found.append(f"{dataset['images']} images: too few for an interval that means much")
    if dataset["images"] < dataset["full_size"]:
        found.append(f"{dataset['coverage']}: not the official {dataset['split']} split as a whole")
    if dataset.get("embedded"):
        found.append(f"{dataset['name']} is drawn by benchbed: its figures rank nothing in the real world")
    reason = not_for_words(record)
    return [*found, reason] if reason else found


def not_for_words(record: Record) -> str:
    """Why the weights must not be used for the record's dataset; "" where nothing is known against it."""
    return str((record.method["weights"].get("not_for") or {}).get(record.dataset["name"]) or "")
