"""The power script's own parts: what it injects is a tenth of one stage's time, and what it counts is right."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
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
def power() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gate_power", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
        line(None, "pass", []),
        line(None, "regressed", wrong),
        line(("san", "clip_image"), "regressed", right),
        line(("san", "clip_image"), "regressed", wrong),
        line(("san", "clip_image"), "inconclusive", []),
        line(("", "clip_image"), "regressed", wrong),
    ]
    assert [power.named(each) for each in lines[2:]] == [True, False, False, True]
    page = power.table(lines, "command")
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


def test_the_interval_of_a_share(power: ModuleType) -> None:
    """Wilson's, against the equation it solves: (p - h)^2 = z^2 p (1 - p) / n at both ends."""
    for hits, of in ((1, 100), (95, 100), (0, 10)):
        for end in power.wilson(hits, of):
            assert (end - hits / of) ** 2 == pytest.approx(1.96**2 * end * (1 - end) / of, abs=1e-12)
