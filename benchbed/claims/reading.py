"""Claim files: TOML, one a paper, read strictly. Whatever is unknown or of the wrong unit is one clear error."""

from __future__ import annotations

import difflib
import importlib
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from benchbed.claims.claim import METRICS, OVERS, Citation, Claim, Conditions, Over, Pair, Paper, Sweep
from benchbed.claims.fields import Fields
from benchbed.errors import UsageError
from benchbed.registry import unknown

FORMAT: Final = 1
GROUP: Final = "benchbed.claims"
AXES: Final = ("proposals", "classes", "batch")


def shipped_claims() -> list[Claim]:
    """All claims of the package and of other distributions' entry points, by file and then in order.

    An entry point of the group `benchbed.claims` names a package whose folder holds `*.toml`.

    Raises:
        UsageError: a file is not what it should be, or a name is used twice.
    """
    folders = [Path(str(files("benchbed") / "data" / "claims"))]
    for point in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            folders.append(Path(str(files(importlib.import_module(point.value)))))
        except ImportError as error:
            raise UsageError(
                f"claims of {point.name}: {point.value} cannot be imported ({error}); reinstall its distribution"
            ) from error
    return _unique(claim for folder in folders for claim in _folder(folder))


def named_claims(names: Sequence[str]) -> list[Claim]:
    """Claims by name, by paper's method, or as a file or folder of TOML; all shipped ones if no name is given.

    Raises:
        UsageError: nothing of that name, or a bad file.
    """
    given = [Path(name) for name in names if _is_path(name)]
    own = [claim for path in given for claim in (_folder(path) if path.is_dir() else read_claims(path))]
    words = [name for name in names if not _is_path(name)]
    known = shipped_claims() if words or not names else []
    chosen = [claim for word in words for claim in _by_word(word, known)] if names else known
    return _unique(dict.fromkeys([*own, *chosen]))


def _is_path(name: str) -> bool:
    return name.endswith(".toml") or Path(name).is_dir()


def _folder(folder: Path) -> list[Claim]:
    return [claim for path in sorted(folder.glob("*.toml")) for claim in read_claims(path)]


def _by_word(word: str, known: Sequence[Claim]) -> list[Claim]:
    found = [claim for claim in known if word in (claim.name, claim.paper.method)]
    if not found:
        names = {claim.name for claim in known} | {claim.paper.method for claim in known}
        raise UsageError(unknown("claim", word, names).replace(" (benchbed list claims)", ""))
    return found


def _unique(claims: Iterable[Claim]) -> list[Claim]:
    found: dict[str, Claim] = {}
    for claim in claims:
        if claim.name in found:
            raise UsageError(
                f"{claim.file}: claim {claim.name!r} is also in {found[claim.name].file}; rename one of them"
            )
        found[claim.name] = claim
    return list(found.values())


def read_claims(path: Path) -> list[Claim]:
    """The claims of one file.

    Raises:
        UsageError: unreadable, not TOML, an unknown field, metric or unit, a missing field, or one of another type; the
            message names file, claim and field.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"{path}: not a claim file ({error}); expected TOML, see benchbed/data/claims"
        ) from error
    top = Fields(content, str(path))
    version = top.integer("format")
    if version != FORMAT:
        raise UsageError(
            f"{path}: claim format {version}, this benchbed reads {FORMAT}; update benchbed or the file"
        )
    paper = _paper(top.table("paper"))
    claims = [_claim(each, paper, str(path)) for each in top.tables("claims")]
    top.done()
    if not claims:
        raise UsageError(f"{path}: no claims in it; expected one or more [[claims]]")
    return claims


def _paper(fields: Fields) -> Paper:
    paper = Paper(
        fields.text("method"),
        fields.text("title"),
        fields.text("venue"),
        fields.integer("year"),
        fields.text("arxiv", ""),
    )
    fields.done()
    return paper


def _claim(fields: Fields, paper: Paper, file: str) -> Claim:
    name = fields.text("name")
    fields.where = f"{file}: claim {name!r}"
    metric = fields.choice("metric", tuple(METRICS))
    unit, expected = fields.text("unit"), METRICS[metric].unit
    if unit != expected:
        raise UsageError(
            f"{fields.where}: unit {unit!r}; {metric} is claimed in {expected!r}{_near(unit, expected)}"
        )
    low, high = fields.interval("interval")
    alone = METRICS[metric].comparison == "alone"
    citations = tuple(_citation(each) for each in fields.tables("published", ()))
    known = {each.name for each in citations}
    claim = Claim(
        name=name,
        paper=paper,
        sentence=fields.text("sentence"),
        source=fields.text("source"),
        unread=fields.text("unread", ""),
        metric=metric,
        low=low,
        high=high,
        over=_over(fields),
        pairs=tuple(_pair(each, alone, known) for each in fields.tables("pairs")),
        stand_ins=tuple(_pair(each, alone, known) for each in fields.tables("stand_ins", ())),
        conditions=_conditions(fields.table("conditions", {})),
        sweep=_sweep(fields.table("sweep", {})),
        citations=citations,
        file=file,
    )
    fields.done()
    if not claim.pairs:
        raise UsageError(f"{fields.where}: no pairs; say who against whom")
    return claim


def _near(unit: str, expected: str) -> str:
    same = {"times": "x", "percent": "%", "percentage points": "points", "pp": "points"}
    return (
        f"; write {expected!r}"
        if same.get(unit) == expected or difflib.get_close_matches(unit, [expected])
        else ""
    )


def _over(fields: Fields) -> Over:
    chosen = fields.choice("over", OVERS, "every")
    return "some" if chosen == "some" else "every"


def _pair(fields: Fields, alone: bool, citations: set[str]) -> Pair:
    pair = Pair(
        fields.text("subject"),
        fields.text("against", ""),
        fields.text("published", ""),
        fields.text("missing", ""),
    )
    fields.done()
    given = sum(bool(each) for each in (pair.against, pair.published, pair.missing))
    if given != (0 if alone else 1):
        expected = "no opponent" if alone else "one of against, published and missing"
        raise UsageError(f"{fields.where}: {pair.subject} has {given} opponents; expected {expected}")
    if pair.published and pair.published not in citations:
        raise UsageError(
            f"{fields.where}: published = {pair.published!r}: no [[claims.published]] of that name"
        )
    for label in (pair.subject, pair.against):
        if label and label.count("/") != 1:
            raise UsageError(f"{fields.where}: {label!r}: expected method/variant, e.g. deop/r101c-vit-b16")
    return pair


def _conditions(fields: Fields) -> Conditions:
    size: Any = fields.integers("size", None)
    if size is not None and len(size) != 2:
        raise UsageError(f"{fields.where}: size of {len(size)} numbers; expected [height, width] in pixels")
    conditions = Conditions(
        protocol=fields.choice("protocol", ("paper", "matched"), None),
        dataset=fields.text("dataset", None),
        size=size,
        classes=fields.integer("classes", None),
        proposals=fields.integer("proposals", None),
        batch=fields.integer("batch", None),
        precision=fields.choice("precision", ("fp32", "bf16", "fp16"), None),
        hardware=fields.choice("hardware", ("any", "cpu", "cuda"), "any"),
        weights=fields.choice("weights", ("any", "trained"), "any"),
        unstated=fields.text("unstated", ""),
    )
    fields.done()
    return conditions


def _sweep(fields: Fields) -> Sweep | None:
    if fields.empty:
        return None
    sweep = Sweep(fields.choice("axis", AXES), tuple(sorted(fields.integers("values"))))
    fields.done()
    if len(set(sweep.values)) < 2:
        raise UsageError(
            f"{fields.where}: values {list(sweep.values)}: expected two or more different numbers"
        )
    return sweep


def _citation(fields: Fields) -> Citation:
    citation = Citation(
        name=fields.text("name"),
        where=fields.text("where"),
        own=fields.boolean("own"),
        metric=fields.text("metric"),
        dataset=fields.text("dataset", ""),
        setting=fields.text("setting", ""),
        subject=fields.text("subject"),
        against=fields.text("against"),
        source=fields.text("source", ""),
    )
    fields.done()
    return citation
