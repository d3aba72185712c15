"""Numbers that papers and authors published, each with its source: quoted, never measured here, never ranked.

The files lie in `benchbed/data/published` and in other distributions' packages, one line a number; the same number read from two
copies of one table becomes one entry with both sources. Names of datasets and metrics are turned into the bench's own, those of
methods into those of the installed methods whose cards say so.
"""

from __future__ import annotations

import csv
import importlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from benchbed.errors import StoreError, UsageError
from benchbed.registry import METHOD_GROUP, find, names
from benchbed.report.published_names import DATASETS, METRICS, TRAIN_SETS

HEADER: Final = (
    "method",
    "year",
    "venue",
    "train_set",
    "dataset",
    "backbone",
    "clip_model",
    "metric",
    "value",
    "source",
)
GROUP: Final = "benchbed.published"
ALSO: Final = "; also "  # between the sources of one number
Setting = Literal["zs3", "all classes", "other"]


@dataclass(frozen=True)
class Published:
    """One published number.

    Attributes:
        method: as papers call it; of several names the first on its card.
        ours: name of the bench's method of that paper, "" for none.
        year, venue, train_set, backbone, clip: "" where the source does not say.
        dataset: the bench's name where it has one, else the source's.
        setting: `zs3` (generalised, seen and unseen apart), `all classes` of a dataset, or `other`.
        metric: name of a figure (`benchbed.report.figure_names`), else the source's words.
        rule: for absent classes, "" where the source does not say.
        value: percent, M, GFLOPs or images/s; NaN where `text` is no number.
        text: as it was printed.
        source: where it was read.
        lines: "two-stream.csv:12", one for each copy.
    """

    method: str
    ours: str
    year: str
    venue: str
    train_set: str
    dataset: str
    setting: Setting
    backbone: str
    clip: str
    metric: str
    rule: str
    value: float
    text: str
    source: str
    lines: tuple[str, ...]


@cache
def published() -> tuple[Published, ...]:
    """All that ships, copies merged, in the order of the files; ours first.

    An entry point of the group `benchbed.published` names a package whose folder holds more such files.

    Raises:
        StoreError: a file is damaged; the message names line and column.
        UsageError: a package that an entry point names cannot be imported.
    """
    folders = [Path(str(files("benchbed") / "data" / "published")), *_others()]
    return merged(
        line for folder in folders for path in sorted(folder.glob("*.csv")) for line in read_published(path)
    )


def _others() -> Iterator[Path]:
    for point in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            yield Path(str(files(importlib.import_module(point.value))))
        except ImportError as error:
            raise UsageError(
                f"published numbers of {point.name}: {point.value} cannot be imported ({error}); reinstall its distribution"
            ) from error


def read_published(path: Path) -> Iterator[Published]:
    """One entry a line of a CSV with the columns of `HEADER`.

    Raises:
        StoreError: unreadable, another header, or a line of another length.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); expected published numbers as CSV") from error
    reader = csv.reader(text.splitlines())
    header = next(reader, [])
    if tuple(header) != HEADER:
        raise StoreError(f"{path}: columns {', '.join(header) or 'none'}; expected {', '.join(HEADER)}")
    for cells in reader:
        if len(cells) != len(HEADER):
            raise StoreError(
                f"{path}, line {reader.line_num}: {len(cells)} columns, expected {len(HEADER)}; quote commas"
            )
        yield _entry(dict(zip(HEADER, cells, strict=True)), f"{path.name}:{reader.line_num}")


def _entry(line: dict[str, str], place: str) -> Published:
    said = {name: "" if cell in ("-", "none") else cell.strip() for name, cell in line.items()}
    dataset, setting = DATASETS.get(said["dataset"], (said["dataset"], "other"))
    metric, rule = METRICS.get(said["metric"], (said["metric"], ""))
    method, ours = _known_method(said["method"])
    return Published(
        method=method,
        ours=ours,
        year=said["year"],
        venue=said["venue"],
        train_set=TRAIN_SETS.get(said["train_set"], said["train_set"]),
        dataset=dataset,
        setting=setting,
        backbone=said["backbone"],
        clip=said["clip_model"].removeprefix("CLIP ").removesuffix(" openai"),
        metric=metric,
        rule=rule,
        value=_number(said["value"]),
        text=said["value"],
        source=said["source"],
        lines=(place,),
    )


def _known_method(printed: str) -> tuple[str, str]:
    """The name to show, and the bench's method: "SimBaseline (a rerun)" is ("SimSeg (a rerun)", "simseg")."""
    name, space, rest = printed.partition(" (")
    shown, ours = _methods().get(name, (name, ""))
    return f"{shown}{space}{rest}", ours


@cache
def _methods() -> dict[str, tuple[str, str]]:
    """As printed -> (as shown, the installed method of that name); one that cannot be loaded is nobody's."""
    found: dict[str, tuple[str, str]] = {}
    for name in names(METHOD_GROUP):
        try:
            called = find(METHOD_GROUP, name).object.card.published_as
        except UsageError:  # `benchbed list methods` says why; a report goes without it
            continue
        found |= {printed: (shown, name) for shown in called[:1] for printed in called}
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def merged(entries: Iterable[Published]) -> tuple[Published, ...]:
    """Entries that say the same number of the same thing become one; an unnamed backbone or CLIP agrees with any."""
    kept: list[Published] = []
    places: dict[tuple[str, ...], list[int]] = {}
    for entry in entries:
        alike = places.setdefault(_said(entry), [])
        place = next((i for i in alike if _same(entry, kept[i])), None)
        if place is None:
            alike.append(len(kept))
            kept.append(entry)
        else:
            kept[place] = _joined(kept[place], entry)
    return tuple(kept)


def _said(entry: Published) -> tuple[str, ...]:
    """What entries that say the same number share."""
    return (
        entry.method,
        entry.train_set,
        entry.dataset,
        entry.setting,
        entry.metric,
        entry.rule,
        entry.text,
    )


def _same(first: Published, second: Published) -> bool:
    """Of two entries that share the rest."""
    pairs = ((first.backbone, second.backbone), (first.clip, second.clip))
    return all(not a or not b or _plain(a) == _plain(b) for a, b in pairs)


def _plain(text: str) -> str:
    """A backbone's name without the hyphens that tables do or do not put: "R-101c" and "R101c"."""
    return text.replace("-", "").casefold()


def _joined(first: Published, second: Published) -> Published:
    sources = dict.fromkeys([*first.source.split(ALSO), second.source])
    return replace(
        first,
        backbone=first.backbone or second.backbone,
        clip=first.clip or second.clip,
        source=ALSO.join(sources),
        lines=(*first.lines, *second.lines),
    )
