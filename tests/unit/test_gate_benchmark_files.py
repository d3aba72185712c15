"""Files of pytest-benchmark at the gate: made by it here, and changed."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchbed.cli import run_cli
from benchbed.errors import StoreError, UsageError
from benchbed.gate.benchmark_files import gate_benchmarks, is_benchmark_file, read_benchmarks
from benchbed.gate.finding import Outcome, Verdict

SUITE = """
def test_short(benchmark):
    benchmark.pedantic(lambda: sum(range(20000)), rounds=15)

def test_yardstick(benchmark):
    benchmark.pedantic(lambda: sum(range(20000)), rounds=15)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the installed pytest-benchmark writes."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-json=found.json"]
    # A worker of xdist tells its children that they are workers too, and there pytest-benchmark measures nothing.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    subprocess.run(
        [*command, "test_suite.py"], cwd=folder, check=True, capture_output=True, timeout=120, env=own
    )
    content: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return content


@pytest.fixture
def calm(written: dict[str, Any]) -> dict[str, Any]:
    """The same with times of a calm machine, so that outcomes do not depend on this one."""
    content = copy.deepcopy(written)
    for each in content["benchmarks"]:
        each["stats"] |= {"median": 0.010, "iqr": 0.0004, "rounds": 30}
        each["stats"].pop("data", None)
    return content


def slowed(content: dict[str, Any], **factors: float) -> dict[str, Any]:
    found = copy.deepcopy(content)
    for each in found["benchmarks"]:
        each["stats"]["median"] *= factors.get(each["name"], 1.0)
    return found


def judged(before: dict[str, Any], after: dict[str, Any], reference: str | None = None) -> Verdict:
    return gate_benchmarks(
        read_benchmarks(before, Path("before.json")),
        read_benchmarks(after, Path("after.json")),
        None,
        reference,
    )


def test_what_pytest_benchmark_writes_is_read(written: dict[str, Any]) -> None:
    assert is_benchmark_file(written)
    found = read_benchmarks(written, Path("found.json")).timed
    assert set(found) == {"test_suite.py::test_short", "test_suite.py::test_yardstick"}
    assert found["test_suite.py::test_short"].rounds == 15
    assert 0 < found["test_suite.py::test_short"].seconds < 1


def test_slower_is_named_and_the_same_passes(calm: dict[str, Any]) -> None:
    assert judged(calm, calm).outcome is Outcome.PASS
    verdict = judged(calm, slowed(calm, test_short=1.3))
    assert [each.method for each in verdict.of(Outcome.REGRESSED)] == ["test_suite.py::test_short"]
    assert judged(calm, slowed(calm, test_short=1.05)).outcome is Outcome.PASS


def test_noise_is_inconclusive(calm: dict[str, Any]) -> None:
    noisy = copy.deepcopy(calm)
    for each in noisy["benchmarks"]:
        each["stats"]["iqr"] = 0.02
    assert judged(calm, noisy).outcome is Outcome.INCONCLUSIVE


def test_a_reference_takes_out_what_slows_everything(calm: dict[str, Any]) -> None:
    slower = slowed(calm, test_short=1.5, test_yardstick=1.5)
    assert judged(calm, slower).outcome is Outcome.REGRESSED
    assert judged(calm, slower, "test_yardstick").outcome is Outcome.PASS
    with pytest.raises(UsageError, match="--reference nothing: 0 benchmarks"):
        judged(calm, slower, "nothing")


def test_other_machines_need_a_reference(calm: dict[str, Any]) -> None:
    other = copy.deepcopy(calm)
    other["machine_info"]["node"] = "elsewhere"
    with pytest.raises(UsageError, match="measured on different machines"):
        judged(calm, other)
    assert judged(calm, other, "test_yardstick").outcome is Outcome.PASS


def test_nothing_in_common(calm: dict[str, Any]) -> None:
    other = copy.deepcopy(calm)
    for each in other["benchmarks"]:
        each["fullname"] = f"x{each['fullname']}"
    assert judged(calm, other).outcome is Outcome.NOTHING


def test_files_that_hold_nothing_or_half(calm: dict[str, Any]) -> None:
    for damaged, words in (
        ({**calm, "benchmarks": []}, "holds no benchmark"),
        ({**calm, "benchmarks": [{}]}, "whole"),
    ):
        with pytest.raises(StoreError, match=words):
            read_benchmarks(damaged, Path("x.json"))


def test_from_the_command_line(
    calm: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_text(json.dumps(calm))
    after.write_text(json.dumps(slowed(calm, test_short=1.5)))
    assert run_cli(["gate", "--baseline", str(before), "--current", str(after)]) == 5
    assert "test_suite.py::test_short" in capsys.readouterr().out
    assert run_cli(["gate", "--baseline", str(before), "--current", str(before)]) == 0
    assert run_cli(["gate", "--baseline", str(before)]) == 2
    assert "--current FILE" in capsys.readouterr().err
    after.write_text("{}")
    assert run_cli(["gate", "--baseline", str(before), "--current", str(after)]) == 2
