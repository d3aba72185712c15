"""What the gate found, metric by metric, and the one outcome of all of it. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

# 0, 2, 3, 4 and 130 mean other things in benchbed; 1 is what Python ends with when it crashes, which is no verdict.
EXIT_CODES: Final = {"pass": 0, "regressed": 5, "inconclusive": 6, "nothing measured": 7}
ACCEPTABLE: Final = ("accuracy", "flops", "parameters", "operators", "latency", "waits", "runs")


class Outcome(StrEnum):
    """Of one finding and of a whole gate; `NOTHING` only of the latter."""

    PASS = "pass"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"
    NOTHING = "nothing measured"

    @property
    def exit_code(self) -> int:
        """What the process ends with."""
        return EXIT_CODES[self.value]


@dataclass(frozen=True)
class Finding:
    """One metric of one method, before and after.

    Attributes:
        method: `method/variant`, or a benchmark's name.
        metric: one of `ACCEPTABLE`.
        part: stage, operator or accuracy number; "" for the whole.
        outcome: what it means for the gate.
        before, after: the two values, in `unit`; None where there is none.
        unit: `ms`, `FLOP`, `parameters`, `operators`, `%`...
        change: relative change, after over before minus 1.
        low, high: one-sided bounds of the relative change where it is statistical; None where it is exact.
        smallest: of what is inconclusive, the least relative slow-down that these rounds would have shown 95 times of 100.
        rounds: that a statistical finding rests on.
        why: a sentence, where the numbers do not say it all.
    """

    method: str
    metric: str
    part: str
    outcome: Outcome
    before: float | None = None
    after: float | None = None
    unit: str = ""
    change: float | None = None
    low: float | None = None
    high: float | None = None
    smallest: float | None = None
    rounds: int = 0
    why: str = ""

    @property
    def name(self) -> str:
        """`san/tiny: latency of clip_image`."""
        return f"{self.method}: {self.metric}{f' of {self.part}' if self.part else ''}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON: what is not finite becomes None."""
        content = asdict(self)
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in content.items()
        }


@dataclass
class Verdict:
    """Everything that one gate says.

    Attributes:
        before, after: what was compared, in words.
        findings: all of them, in the order of methods.
        notes: what a reader must know.
        margin, effect: the relative slow-down that is let pass, and the one that must be excluded for a pass.
        seconds: that it took.
    """

    before: str
    after: str
    margin: float
    effect: float
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """Regressed beats inconclusive beats pass; nothing measured where nothing was compared."""
        outcomes = {each.outcome for each in self.findings}
        for outcome in (Outcome.REGRESSED, Outcome.INCONCLUSIVE, Outcome.PASS):
            if outcome in outcomes:
                return outcome
        return Outcome.NOTHING

    def of(self, outcome: Outcome) -> list[Finding]:
        """The findings with one outcome."""
        return [each for each in self.findings if each.outcome is outcome]

    @property
    def smallest(self) -> float | None:
        """The smallest slow-down that would have been seen in every inconclusive stage; None where none is, or too few rounds."""
        seen = [each.smallest for each in self.findings if each.smallest is not None]
        return max(seen, default=None)

    @property
    def exit_code(self) -> int:
        """Of the outcome."""
        return self.outcome.exit_code

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        smallest = self.smallest
        return {
            "kind": "benchbed gate",
            "schema": 1,
            "outcome": self.outcome.value,
            "exit_code": self.exit_code,
            "before": self.before,
            "after": self.after,
            "margin": self.margin,
            "effect": self.effect,
            "smallest_effect": smallest if smallest is not None and math.isfinite(smallest) else None,
            "seconds": round(self.seconds, 1),
            "notes": self.notes,
            "findings": [each.as_dict() for each in self.findings],
        }


def accept(findings: Sequence[Finding], metrics: Sequence[str]) -> list[Finding]:
    """Let pass what was meant: regressions of these metrics stay in the list, as passes that say so."""
    from dataclasses import replace

    return [
        replace(each, outcome=Outcome.PASS, why=f"accepted: {each.why}" if each.why else "accepted")
        if each.outcome is Outcome.REGRESSED and each.metric in metrics
        else each
        for each in findings
    ]
