"""Watching a sweep's jobs: none stops another, what had to make room is submitted again, what runs is not submitted twice."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchbed.errors import StoreError, UsageError
from benchbed.progress import Reporter
from benchbed.sweep.item import SweepItem
from benchbed.sweep.job import SweepJob
from benchbed.sweep.ledger import Job, Ledger
from benchbed.sweep.watching import MOST_TIMES, Watch, last_line

GOOD = {"code": 0, "records": [], "failures": []}
BAD = {"code": 3, "records": [], "failures": ["no such weights"]}


@dataclass
class Place:
    """Jobs that do at each look what a script says: a state, an outcome to write, or an end (None) without one.

    Attributes:
        scripts: by item, one list for each time it is submitted.
        reasons: why a job that is gone is gone, and whether that calls for another.
    """

    scripts: dict[str, list[list[object]]]
    reasons: tuple[str, bool] = ("killed", False)
    at_once: int = 0
    poll_s: float = 0.001
    submitted: list[str] = field(default_factory=list)
    most_alive: int = 0
    _alive: dict[str, tuple[list[object], Path]] = field(default_factory=dict)

    def submit(self, item: SweepItem, work: SweepJob, times: int) -> Job:
        if not self.scripts[item.key]:
            raise UsageError(f"{item.name}: refused")
        self.submitted.append(item.key)
        number = str(len(self.submitted))
        self.begin(number, self.scripts[item.key].pop(0), work.outcome)
        return Job("slurm", number, f"{number}.log", times=times)

    def begin(self, number: str, script: list[object], outcome: Path) -> None:
        self._alive[number] = (script, outcome)
        self.most_alive = max(self.most_alive, len(self._alive))

    def states(self, jobs: Sequence[Job]) -> dict[str, str] | None:
        found = {}
        for number, (script, outcome) in list(self._alive.items()):
            step = script.pop(0) if script else None
            if isinstance(step, str):
                found[number] = step
                continue
            if isinstance(step, dict):
                outcome.write_text(json.dumps(step))
            del self._alive[number]
        return found

    def why_gone(self, job: Job) -> tuple[str, bool]:
        return self.reasons

    def look(self, jobs: Sequence[Job]) -> str:
        return "look " + " ".join(job.id for job in jobs)

    def cancel(self, jobs: Sequence[Job]) -> str:
        return "cancel " + " ".join(job.id for job in jobs)


def items(count: int) -> deque[SweepItem]:
    return deque(SweepItem(f"m{index} on d", f"k{index}", ("run",)) for index in range(count))


def watch(folder: Path, place: Place, count: int) -> Watch:
    ledger = Ledger(folder)
    ledger.prepare()
    return Watch(ledger, place, Reporter(quiet=True), items(count))


def test_a_job_that_fails_stops_no_other(tmp_path: Path) -> None:
    place = Place({"k0": [["running", BAD]], "k1": [["pending", "running", GOOD]], "k2": [], "k3": [[GOOD]]})
    sweep = watch(tmp_path, place, 4)
    sweep.to_the_end()
    assert place.submitted == ["k0", "k1", "k3"]
    assert sweep.failures == [("m2 on d", "m2 on d: refused"), ("m0 on d", "no such weights")]
    assert not sweep.running


@pytest.mark.parametrize("at_once", [1, 2, 0])
def test_no_more_run_at_a_time_than_asked_for(tmp_path: Path, at_once: int) -> None:
    place = Place({f"k{index}": [["running"] * index + [GOOD]] for index in range(4)}, at_once=at_once)
    watch(tmp_path, place, 4).to_the_end()
    assert place.most_alive == (at_once or 4)
    assert sorted(place.submitted) == ["k0", "k1", "k2", "k3"]


def test_what_had_to_make_room_is_submitted_again(tmp_path: Path) -> None:
    place = Place({"k0": [["running", None], [None], ["running", GOOD]]}, ("PREEMPTED", True))
    sweep = watch(tmp_path, place, 1)
    sweep.to_the_end()
    assert place.submitted == ["k0"] * 3
    assert sweep.failures == []
    job = sweep.ledger.job(items(1)[0])
    assert job is not None
    assert job.times == 3


def test_but_not_for_ever_and_not_what_died_of_itself(tmp_path: Path) -> None:
    for folder, again, times in (("a", True, MOST_TIMES), ("b", False, 1)):
        place = Place({"k0": [[None] for _ in range(9)]}, ("gone", again))
        sweep = watch(tmp_path / folder, place, 1)
        sweep.to_the_end()
        assert len(place.submitted) == times
        assert "ended before it was done (gone)" in sweep.failures[0][1]


def test_a_job_of_an_earlier_call_is_watched_not_submitted_again(tmp_path: Path) -> None:
    place = Place({"k0": [], "k1": [[GOOD]]})
    sweep = watch(tmp_path, place, 2)
    sweep.ledger.note(items(1)[0], Job("slurm", "99", "99.log"))
    place.begin("99", ["running", "running", GOOD], sweep.ledger.outcome_path(items(1)[0]))
    sweep.to_the_end()
    assert place.submitted == ["k1"]
    assert sweep.failures == []


def test_where_nobody_can_tell_whether_an_earlier_job_runs_nothing_is_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place({"k0": [[GOOD]]})
    sweep = watch(tmp_path, place, 1)
    sweep.ledger.note(items(1)[0], Job("slurm", "99", "99.log"))
    monkeypatch.setattr(place, "states", lambda jobs: None)
    with pytest.raises(StoreError, match="does not answer"):
        sweep.to_the_end()
    assert place.submitted == []


def test_an_earlier_outcome_does_not_pass_for_that_of_a_new_job(tmp_path: Path) -> None:
    place = Place({"k0": [["running", "running", GOOD]]})
    sweep = watch(tmp_path, place, 1)
    sweep.ledger.outcome_path(items(1)[0]).write_text(json.dumps(BAD))
    sweep.to_the_end()
    assert sweep.failures == []


def test_a_cluster_that_does_not_answer_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place({"k0": [["running", GOOD]]})
    silent, real = [None] * 5, place.states
    monkeypatch.setattr(place, "states", lambda jobs: silent.pop() if silent else real(jobs))
    sweep = watch(tmp_path, place, 1)
    sweep.to_the_end()
    assert sweep.failures == []


def test_whoever_stops_watching_hears_how_to_look_and_cancel(tmp_path: Path) -> None:
    place = Place({"k0": [["running"] * 9], "k1": [["running"] * 9], "k2": []}, at_once=2)
    sweep = watch(tmp_path, place, 3)
    sweep._fill()
    said = "\n".join(sweep.farewell())
    assert "2 jobs go on" in said
    assert "look 1 2" in said
    assert "cancel 1 2" in said
    assert "1 not submitted yet" in said


def test_torn_and_foreign_files_count_as_none(tmp_path: Path) -> None:
    ledger, item = Ledger(tmp_path), items(1)[0]
    ledger.prepare()
    for text in ("", "{", "[]", '{"code": "x", "records": [], "failures": []}', '{"other": 1}'):
        ledger.outcome_path(item).write_text(text)
        (ledger.folder / "k0.job.json").write_text(text)
        assert ledger.outcome(item) is None
        assert ledger.job(item) is None
        assert ledger.finished(item) is None


def test_a_finished_item_needs_its_record(tmp_path: Path) -> None:
    ledger, item = Ledger(tmp_path), items(1)[0]
    ledger.prepare()
    gone = {**GOOD, "records": [str(tmp_path / "records" / "d" / "gone.json")]}
    ledger.outcome_path(item).write_text(json.dumps(gone))
    assert ledger.outcome(item) is not None
    assert ledger.finished(item) is None


def test_the_last_line_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(str(log)) == "nothing said yet"
    log.write_text("x" * 9000 + "\n12 of 50, about 30 s left\n\n")
    assert last_line(str(log)) == "12 of 50, about 30 s left"
