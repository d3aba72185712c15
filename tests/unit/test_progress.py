"""Progress: on stderr, with a remaining time, a line now and then where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchbed import progress
from benchbed.progress import Reporter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that tests move by hand: `clock[0]` is now, in seconds."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def reporter(out: io.StringIO, terminal: bool = False) -> Reporter:
    """One that writes where the test can read."""
    return Reporter(Console(file=out, force_terminal=terminal, width=200, soft_wrap=True))


def test_lines_come_every_ten_seconds_and_at_the_end(clock: list[float]) -> None:
    out = io.StringIO()
    with reporter(out).task("count", 10) as tick:
        for done in range(1, 11):
            clock[0] += 4
            tick(done)
    lines = out.getvalue().splitlines()
    assert lines[0] == "count: 3 of 10, about 28 s left"
    assert lines[-1] == "count: 10 of 10, 40.0 s"
    assert len(lines) == 4


def test_work_done_before_does_not_spoil_the_forecast(clock: list[float]) -> None:
    out = io.StringIO()
    with reporter(out).task("count", 100, done=90) as tick:
        clock[0] += 20
        tick(92)
    assert out.getvalue() == "count: 92 of 100, about 80 s left\n"


def test_a_deadline_caps_the_forecast(clock: list[float]) -> None:
    out = io.StringIO()
    with reporter(out).task("rounds", 40, at_most_s=24) as tick:
        clock[0] += 20
        tick(1)
    assert out.getvalue() == "rounds: 1 of 40, about 4 s left\n"


def test_a_terminal_gets_a_bar() -> None:
    out = io.StringIO()
    with reporter(out, terminal=True).task("count", 3) as tick:
        tick(2)
    assert "count" in out.getvalue()


def test_markup_in_names_is_text() -> None:
    out = io.StringIO()
    reporter(out).note("a [red]name[/red]")
    assert out.getvalue() == "a [red]name[/red]\n"


def test_items_are_told_only_where_they_take_long(clock: list[float]) -> None:
    for seconds, told in (
        (0.5, []),
        (4, ["read: 3 of 8, about 20 s left", "read: 6 of 8, about 8 s left", "read: 8 of 8, 32.0 s"]),
    ):
        out = io.StringIO()
        seen = []
        clock[0] = 0.0
        for item in reporter(out).each("read", "abcdefgh"):
            seen.append(item)
            clock[0] += seconds
        assert "".join(seen) == "abcdefgh"
        assert out.getvalue().splitlines() == told


def test_items_have_a_bar_on_a_terminal() -> None:
    out = io.StringIO()
    assert list(reporter(out, terminal=True).each("read", [1, 2])) == [1, 2]
    assert "read" in out.getvalue()
