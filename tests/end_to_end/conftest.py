"""Runs in the test process time as few rounds as an interval needs; those in a process of their own time the usual number."""

from __future__ import annotations

import pytest

from benchbed import cost_pass


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four timed rounds instead of forty: what these tests look at is not how narrow an interval is."""
    monkeypatch.setattr(cost_pass, "MOST_ROUNDS", cost_pass.LEAST_ROUNDS)
