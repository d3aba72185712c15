"""The gate's verdict as tables, and as a comment for a pull request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from benchbed.gate.finding import Finding, Outcome, Verdict
from benchbed.report.formats.markdown import escape, markdown
from benchbed.report.table import Cell, Table, absent, significant, text, unique

HEADINGS: Final = ("what", "before", "after", "change", "outcome", "why")
SENTENCES: Final = {
    Outcome.PASS: "no regression",
    Outcome.REGRESSED: "regressed",
    Outcome.INCONCLUSIVE: "inconclusive: the machine was too noisy, or the time too short, to tell",
    Outcome.NOTHING: "nothing measured: nothing could be compared",
}


def headline(verdict: Verdict) -> str:
    """One sentence: the outcome, what regressed, and what would have been seen."""
    said = f"gate: {SENTENCES[verdict.outcome]}"
    names = [each.name for each in verdict.of(Outcome.REGRESSED)]
    if names:
        said += f": {'; '.join(names)}"
    return f"{said} ({verdict.after} against {verdict.before}, {verdict.seconds:.0f} s)"


def gate_tables(verdict: Verdict, everything: bool = False) -> list[Table]:
    """What regressed or stayed open; with `everything`, what passed too; always a table of the sum of it.

    Args:
        verdict: of any kind of gate.
        everything: one row a finding.
    """
    tables = []
    open_ = [*verdict.of(Outcome.REGRESSED), *verdict.of(Outcome.INCONCLUSIVE)]
    if open_:
        tables.append(_findings("Regressed or inconclusive", open_))
    if everything and verdict.of(Outcome.PASS):
        tables.append(_findings("Passed", verdict.of(Outcome.PASS)))
    return [*tables, _summary(verdict)]


def gate_markdown(verdict: Verdict) -> str:
    """A comment for a pull request: the headline, what regressed or stayed open, and the rest folded away."""
    mark = {Outcome.PASS: "✅", Outcome.REGRESSED: "❌", Outcome.INCONCLUSIVE: "❔", Outcome.NOTHING: "⚠️"}
    lines = [
        "<!-- benchbed gate -->",
        f"## {mark[verdict.outcome]} {escape(headline(verdict))}",
        "",
        *[markdown(table) for table in gate_tables(verdict)],
    ]
    passed = verdict.of(Outcome.PASS)
    if passed:
        lines += [
            f"<details><summary>{len(passed)} figures passed</summary>",
            "",
            markdown(_findings("Passed", passed)),
            "</details>",
        ]
    return "\n".join(lines) + "\n"


def _findings(title: str, found: Sequence[Finding]) -> Table:
    return Table(title, HEADINGS, tuple(map(_row, found)))


def _row(found: Finding) -> tuple[Cell, ...]:
    return (
        text(found.name),
        _value(found.before, found.unit),
        _value(found.after, found.unit),
        _change(found),
        text(found.outcome.value),
        text(found.why),
    )


def _value(value: float | None, unit: str) -> Cell:
    if value is None:
        return absent()
    whole = float(value).is_integer() and abs(value) >= 1
    return Cell(f"{value:,.0f} {unit}" if whole else f"{significant(value, 4)} {unit}", "measured")


def _change(found: Finding) -> Cell:
    if found.change is None:
        return absent()
    if found.low is None or found.high is None:
        statistical = found.metric == "latency"
        return Cell(f"{found.change:+.2%}" + (" [?]" if statistical else ""), "measured")
    return Cell(f"{found.change:+.1%} [{found.low:+.1%}, {found.high:+.1%}]", "measured")


def _summary(verdict: Verdict) -> Table:
    """A row a method: how much of it passed, and which slow-down is not excluded."""
    methods = list(dict.fromkeys(each.method for each in verdict.findings))
    rows = [_method_row(name, [f for f in verdict.findings if f.method == name]) for name in methods]
    columns = (
        "method",
        "passed",
        "inconclusive",
        "regressed",
        "rounds",
        "whole call: change",
        "largest slow-down not excluded",
    )
    return Table(f"{verdict.after} against {verdict.before}", columns, tuple(rows), unique(_notes(verdict)))


def _method_row(name: str, found: Sequence[Finding]) -> tuple[Cell, ...]:
    def count(outcome: Outcome) -> Cell:
        return text(sum(each.outcome is outcome for each in found))

    timed = [each for each in found if each.metric == "latency" and each.rounds]
    whole = next((each for each in timed if not each.part), None)
    bounded = [each for each in timed if each.high is not None]
    worst = max(bounded, key=lambda each: each.high or 0.0, default=None)
    return (
        text(name),
        count(Outcome.PASS),
        count(Outcome.INCONCLUSIVE),
        count(Outcome.REGRESSED),
        text(max((each.rounds for each in timed), default=0)),
        _change(whole) if whole else absent(),
        Cell(f"{worst.high:.1%} in {worst.part or 'the whole call'}", "measured")
        if worst is not None and worst.high is not None
        else absent(),
    )


def _notes(verdict: Verdict) -> list[str]:
    notes = list(verdict.notes)
    if verdict.smallest is not None and math.isfinite(verdict.smallest):
        notes.append(
            f"a slow-down of {verdict.smallest:.1%} in any inconclusive stage would have been seen 95 times of 100"
        )
    notes.append(
        f"a slow-down is called one above {verdict.margin:.0%}; a pass excludes {verdict.effect:.0%} (one-sided 95 % bounds in "
        "brackets); FLOPs, parameters, operators and accuracy on the embedded images are held exactly"
    )
    return notes
