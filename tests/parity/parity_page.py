"""The page of Markdown that a parity ledger makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from parity_ledger import STAGES, Entry, ParityLedger

_ORDER: Final = {stage: place for place, (stage, _) in enumerate(STAGES)}


@dataclass(frozen=True)
class Source:
    """The official code behind a method's golden numbers, as golden/README.md gives it."""

    commit: str = "not stated"
    licence: str = "not stated"


def sources(readme: str) -> dict[str, Source]:
    """By method, from the README's table `| method | source commit | licence |`."""
    rows = re.findall(r"^\| (\w+) \| (\S+/\S+ [0-9a-f]{7,40}) \| (.+?) \|$", readme, re.MULTILINE)
    return {method: Source(commit, licence.replace("**", "")) for method, commit, licence in rows}


def official_environment(readme: str) -> str:
    """The sentence of golden/README.md on where the official code ran, on one line."""
    found = re.search(r"^Environment: (.*?\.)$", readme, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else "not stated"


def official_deviations(readme: str) -> str:
    """The bullets of golden/README.md on what was changed to run the official code, or nothing."""
    found = re.search(r"^## Deviations.*?\n((?:[*-] .*\n(?:  .*\n)*)+)", readme, re.MULTILINE)
    return found[1].strip() if found else ""


def stage_rows(entries: Iterable[Entry]) -> list[tuple[str, ...]]:
    """A row a method and stage: arrays, values, the largest difference, the array it is in, its limit."""

    def place(entry: Entry) -> tuple[str, int, str]:
        return entry.method, _ORDER.get(entry.stage, len(STAGES)), entry.stage

    rows: list[tuple[str, ...]] = []
    for (method, _, stage), group in groupby(sorted(entries, key=place), key=place):
        arrays = list(group)
        worst = max(arrays, key=lambda entry: entry.off / entry.tolerance)
        where = f"`{worst.array}`" if worst.off else "equal to the last bit"
        verdict = "yes" if all(entry.agrees for entry in arrays) else "**no**"
        values = sum(entry.values for entry in arrays)
        off, limit = f"{worst.off:.1e}", f"{worst.tolerance:.0e}"
        rows.append((method, stage, str(len(arrays)), f"{values:,}", off, where, limit, verdict))
    return rows


def method_rows(ledger: ParityLedger, known: Mapping[str, Source]) -> list[tuple[str, ...]]:
    """A row a method: official source, arrays, the largest difference of all, pixels labelled otherwise."""
    rows: list[tuple[str, ...]] = []
    for method in sorted({entry.method for entry in ledger.entries}):
        entries = [entry for entry in ledger.entries if entry.method == method]
        maps = [each for each in ledger.label_maps if each.method == method]
        source = known.get(method, Source())
        worst = max(entries, key=lambda entry: entry.off)
        verdict = "yes" if all(entry.agrees for entry in entries) else "**no**"
        pixels = f"{sum(each.differing for each in maps)} of {sum(each.pixels for each in maps):,}"
        lost = max((each.worst for each in maps if each.differing), default=None)
        tie = "-" if lost is None else f"{lost:.1e}"
        off = f"{worst.off:.1e} ({worst.stage})"
        counts = (str(len({each.array for each in maps})), str(len(entries)))
        rows.append((method, source.commit, source.licence, *counts, off, verdict, pixels, tie))
    return rows


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A Markdown table; columns in `right` are right-aligned."""
    rule = ["---:" if column in right else "---" for column in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def page(ledger: ParityLedger, readme: str, facts: Sequence[str], absent: Sequence[str] = ()) -> str:
    """The whole page.

    Args:
        ledger: of a finished run.
        readme: text of golden/README.md.
        facts: sentences on this run: command, machine.
        absent: methods with golden cases that this run did not compare.
    """
    counts = ("images", "arrays", "largest difference (stage)", "all below limit")
    labels = ("pixels labelled otherwise", "score lost there")
    head = ("method", "official code", "its licence", *counts, *labels)
    columns = ("method", "stage", "arrays", "values", "largest difference", "in array", "limit", "below")
    points = official_deviations(readme)
    gap = f"\n**Not compared in this run: {', '.join(absent)}.**\n" if absent else ""
    return _PAGE.format(
        official=official_environment(readme),
        facts="\n".join(f"- {fact}" for fact in facts),
        gap=gap,
        methods=table(head, method_rows(ledger, sources(readme)), (3, 4, 7, 8)),
        deviations=_DEVIATIONS.format(points) if points else "",
        stages=table(columns, stage_rows(ledger.entries), (2, 3, 4, 6)),
    )


def golden_methods(folder: Path) -> list[str]:
    """Methods that have at least one golden case below `folder`."""
    return sorted({case.parent.name for case in folder.glob("*/*") if (case / "expected.npz").is_file()})


_DEVIATIONS: Final = """
**The official runs differ from the official code** in these points:

{}
"""
_PAGE: Final = """\
# Parity with the official code

Each method loads the same checkpoint as the official code, sees the same images, and its intermediate and final arrays are laid
beside what the official code computed. Written by a test run, not by hand:

{facts}
- official side: run once, its arrays stored; {official}
{gap}
**What is compared.** Small models with seeded random weights in the official checkpoint's own key format, float32 on the CPU on
both sides, one configuration a method. This is about the code: what the released weights score on a dataset is not checked here,
nor are sizes and options that the stored cases lack. Methods that are not in the tables have no official arrays here; where
`tests/parity` has a `test_NAME_reference.py`, it holds them to independent plain computations.

**Largest difference** is largest |ours - official| / largest |official| over all values of an array, the worst of the stage's
arrays; it has no unit. 1e-7 is about the rounding of float32 itself. A stage's difference contains that of the stages before it.

**Pixels labelled otherwise** counts pixels of our label maps whose class is not the argmax of the official scores; **score lost
there** is by how much the official scores prefer their class, at most, relative to the largest score of the image.
{deviations}
## By method

{methods}

## By stage

{stages}
"""
