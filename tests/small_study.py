"""Cost studies of small networks, for tests: four rounds, small photos, five classes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from benchbed.cost.conditions import Conditions
from benchbed.cost.contestant import Contestant, build
from benchbed.cost.request import CostRequest, contenders
from benchbed.cost.stopping import Stopping
from benchbed.cost_study import StudyOutcome, run_study
from benchbed.progress import Reporter

SMALL: Final = Conditions((64, 96), 5, None, 1)
RULE: Final = Stopping(until=0.0, seconds=0.01)  # the four rounds that are always measured
CPU: Final = torch.device("cpu")


def request(*methods: str, **changes: object) -> CostRequest:
    """What a person would ask for, at these conditions."""
    return CostRequest(methods, **{"conditions": SMALL, "stopping": RULE, **changes})  # type: ignore[arg-type]


def study(tmp_path: Path, *methods: str, **changes: object) -> StudyOutcome:
    """Measure it."""
    return run_study(request(*methods, **changes), Reporter(quiet=True), tmp_path)


def contestants(*methods: str, **changes: object) -> list[Contestant]:
    """Build it, and measure nothing."""
    asked = request(*methods, **changes)
    return [each for contender in contenders(asked) for each in build(contender, asked, CPU)]
