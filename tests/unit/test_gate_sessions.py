"""Against a baseline two measurements lie hours apart: what differs between them is no regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchbed.gate.against_baseline import APART, SESSIONS, speed, suspected
from benchbed.gate.alone import Alone
from benchbed.gate.finding import Outcome
from benchbed.gate.judging import limits
from benchbed.gate.samples import TOTAL

LIMIT = limits(*APART)
ROUNDS, WITHIN = 40, 0.01
GATES = 300


def measured(draw: np.random.Generator, level: float) -> Alone:
    ratios = (level + draw.normal(0, WITHIN, ROUNDS)).tolist()
    return Alone({TOTAL: ratios}, {TOTAL: [10.0] * ROUNDS}, [10.0] * ROUNDS, 0)


def recorded(samples: Alone) -> dict[str, Any]:
    return {
        "log_ratios": {"total": samples.log_ratios[TOTAL]},
        "part_ms": {"total": [10.0] * ROUNDS},
        "waits": 0,
    }


def share_of_alarms(apart: float, slower: float) -> float:
    """Of gates whose two sessions differ by `apart` (s.d.) beside a slow-down of `slower`."""
    draw, alarms = np.random.default_rng(0), 0
    for _ in range(GATES):
        session = draw.normal(0, apart) + np.log1p(slower)
        before = recorded(measured(draw, 0.0))
        screened, fresh = measured(draw, session), measured(draw, session)
        suspects = len(suspected(before, screened, LIMIT))
        found = speed("one", before, screened, fresh if suspects else None, suspects, LIMIT)
        alarms += any(each.outcome is Outcome.REGRESSED for each in found)
    return alarms / GATES


@pytest.mark.parametrize("apart", [0.0, SESSIONS, 2 * SESSIONS])
def test_the_same_code_hours_apart_is_not_called_slower(apart: float) -> None:
    assert share_of_alarms(apart, 0.0) <= 0.01


def test_a_slow_down_is_still_seen() -> None:
    assert share_of_alarms(SESSIONS, 0.20) >= 0.99
    assert share_of_alarms(SESSIONS, APART[1]) >= 0.90
