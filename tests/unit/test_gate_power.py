"""The power script's own parts: what it injects is a tenth of one stage's time, and what it counts is right."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import benchbed

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gate_power.py"

MEASURED = """
import json, statistics, time
from methods.slowed import run
found = {}
for name in ("backbone", "label_map"):
    times = []
    for _ in range(7):
        start = time.process_time_ns(); run(name); times.append(time.process_time_ns() - start)
    found[name] = statistics.median(times) / 1e6
print(json.dumps(found))
"""
METHOD = """
import time
from benchbed.stages import stage

def run(name):
    with stage(name):
        end = time.process_time_ns() + 20_000_000
        while time.process_time_ns() < end:
            pass
"""


@pytest.fixture(scope="module")
def power() -> Iterator[ModuleType]:
    """The script, which finds what lies beside it as if it had been started."""
    spec = importlib.util.spec_from_file_location("gate_power", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT.parent))
        spec.loader.exec_module(module)
        yield module


def line(injected: tuple[str, str] | None, outcome: str, regressed: list[Any]) -> dict[str, Any]:
    return {
        "injected": injected,
        "outcome": outcome,
        "regressed": regressed,
        "seconds": 100.0,
        "load": 2.0,
    }


def test_the_injected_slow_down_is_a_tenth_of_one_stage(power: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "benchbed").mkdir()
    (tmp_path / "methods").mkdir()
    (tmp_path / "benchbed" / "__init__.py").write_text("")
    (tmp_path / "methods" / "slowed.py").write_text(METHOD)
    real = Path(benchbed.__file__).parent / "stages.py"
    (tmp_path / "benchbed" / "stages.py").write_text(real.read_text())
    power.slow_down(tmp_path, "slowed", "backbone")
    done = subprocess.run(
        [sys.executable, "-c", MEASURED],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = json.loads(done.stdout)
    assert found["backbone"] == pytest.approx(22.0, rel=0.04)
    assert found["label_map"] == pytest.approx(20.0, rel=0.04)


def test_the_table_counts_alarms_and_names(power: ModuleType) -> None:
    right = [["san/tiny", "latency", "clip_image", 0.1]]
    wrong = [["san/tiny", "latency", "backbone", 0.1], ["lseg/tiny", "latency", "clip_image", 0.1]]
    lines = [
        line(None, "pass", []) | {"cores": 2, "neighbours": 0},
        line(None, "regressed", wrong) | {"cores": 4, "neighbours": 0},
        line(("san", "clip_image"), "regressed", right),
        line(("san", "clip_image"), "regressed", wrong),
        line(("san", "clip_image"), "inconclusive", []),
        line(("", "clip_image"), "regressed", wrong),
    ]
    assert [power.named(each) for each in lines[2:]] == [True, False, False, True]
    page = power.table(lines, "a training")
    assert "on 2 or 4 cores, beside 0 busy neighbours of its own and a training" in page
    assert "| identical code called regressed | 1 of 2 |" in page
    assert "| one stage 10 % slower called regressed | 3 of 4 |" in page
    assert "| ... and that stage named | 2 of 4 |" in page
    assert "| san: clip_image | 3 | 2 | 1 |" in page


def test_a_run_goes_on_where_it_stopped(power: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert power.read(path) == []
    path.write_text(json.dumps(line(None, "pass", [])) + '\n{"torn')
    lines = power.read(path)
    assert len(lines) == 1
    rest = list(power.todo(lines, 2))
    assert rest.count(None) == 1
    assert [each for each in rest if each] == list(power.STAGES[:2])
    assert list(power.todo(lines, 0)) == []


@pytest.mark.parametrize(("hits", "of"), [(1, 100), (95, 100), (0, 10), (10, 10)])
def test_the_interval_of_a_share(power: ModuleType, hits: int, of: int) -> None:
    """Clopper and Pearson's, against the binomial sums that define it: each end leaves 2.5 % in its tail."""

    def at_least(count: int, share: float) -> float:
        return sum(math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(count, of + 1))

    low, high = power.exact_interval(hits, of)
    assert low == 0 if hits == 0 else at_least(hits, low) == pytest.approx(0.025, rel=1e-6)
    assert high == 1 if hits == of else 1 - at_least(hits + 1, high) == pytest.approx(0.025, rel=1e-6)


def test_what_may_be_said_so_far(power: ModuleType) -> None:
    """No alarm in n gates: the bound solves (1 - p)^n = 0.05; without gates nothing is known."""
    assert (1 - power.upper_bound(0, 60)) ** 60 == pytest.approx(0.05)
    assert power.lower_bound(60, 60) ** 60 == pytest.approx(0.05)
    assert (power.upper_bound(0, 0), power.lower_bound(0, 0)) == (1.0, 0.0)
    page = power.table([line(None, "pass", []) for _ in range(60)])
    assert (
        "60 gates of identical code, 0 called regressed: with 95 % confidence at most 4.9% of gates are"
        in page
    )


def test_gates_of_other_code_do_not_count(power: ModuleType) -> None:
    mine = {**line(None, "pass", []), "gate": power.gate_digest()}
    assert power.of_this_gate([mine, {**mine, "gate": "0" * 12}, line(None, "pass", [])]) == [mine]
