"""`benchbed gate` from the command line, on a small source tree in a git repository of its own: outcomes and bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from command import Answer, here
from gate_tree import GateTree

from benchbed.gate import against, against_baseline, alone, request
from benchbed.gate.record import Baseline, baseline_from, to_json
from benchbed.packed_array import pack


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many rounds as an interval needs: what these tests look at is not how narrow it is."""
    for module, name in (
        (against, "CONFIRM_ROUNDS"),
        (alone, "MOST_ROUNDS"),
        (against_baseline, "MOST_ROUNDS"),
    ):
        monkeypatch.setattr(module, name, 8)


@pytest.fixture
def tree(tmp_path: Path) -> GateTree:
    return GateTree(tmp_path / "repository")


def gate(capsys: pytest.CaptureFixture[str], tree: GateTree, *flags: object, seconds: int = 120) -> Answer:
    return here(capsys, "gate", "--repository", tree.root, "--seconds", seconds, "--images", 4, *flags)


def findings(path: Path) -> dict[str, dict[str, Any]]:
    """By method, metric and part."""
    content = json.loads(path.read_text())
    return {f"{each['method']} {each['metric']} {each['part']}".strip(): each for each in content["findings"]}


def test_identical_code_is_not_called_regressed(
    capsys: pytest.CaptureFixture[str], tree: GateTree, tmp_path: Path
) -> None:
    answer = gate(capsys, tree, "--against", "first", "--json", tmp_path / "gate.json", seconds=15)
    content = json.loads((tmp_path / "gate.json").read_text())
    assert content["outcome"] in ("pass", "inconclusive"), answer
    assert answer.code == {"pass": 0, "inconclusive": 6}[content["outcome"]]
    found = findings(tmp_path / "gate.json")
    assert found["one/tiny flops"]["before"] == found["one/tiny flops"]["after"] == 1010
    assert found["one/tiny accuracy"]["why"] == "identical label maps"
    assert found["one/tiny latency backbone"]["rounds"] >= 8
    assert len(tree.git("worktree", "list", "--porcelain").strip().split("\n\n")) == 1


def test_a_regression_of_each_kind_is_named_and_can_be_accepted(
    capsys: pytest.CaptureFixture[str], tree: GateTree, tmp_path: Path
) -> None:
    tree.set(BACKBONE=600, FLOPS={"backbone": 1002, "label_map": 10}, PARAMETERS=101, WRONG=3, SLEEP=0.001)
    path, comment = tmp_path / "gate.json", tmp_path / "comment.md"
    flags = ("--against", "first", "--accept", "parameters", "--json", path, "--markdown", comment)
    answer = gate(capsys, tree, *flags)
    assert answer.code == 5, answer
    found = findings(path)
    assert found["one/tiny latency backbone"]["outcome"] == "regressed", answer
    assert found["one/tiny latency backbone"]["low"] > 0.03
    assert found["one/tiny latency label_map"]["outcome"] != "regressed"
    assert found["one/tiny flops backbone"]["outcome"] == "regressed"
    assert found["one/tiny flops backbone"]["why"] == "rose in backbone"
    assert found["one/tiny parameters total"]["outcome"] == "pass"
    assert found["one/tiny parameters total"]["why"] == "accepted"
    assert found["one/tiny accuracy miou"]["outcome"] == "regressed"
    assert found["one/tiny waits"]["outcome"] == "regressed"
    for text in (answer.out, comment.read_text().replace("\\", "")):
        assert "one/tiny: latency of backbone" in text
        assert "regressed" in text


def test_nothing_in_common_is_nothing_measured(capsys: pytest.CaptureFixture[str], tree: GateTree) -> None:
    tree.set(METHODS=["three/tiny"])
    answer = gate(capsys, tree, "--against", "first")
    assert answer.code == 7, answer
    assert "nothing measured" in answer.out
    assert "three/tiny: not in the other revision" in answer.out


def test_a_method_that_no_longer_runs_is_a_regression(
    capsys: pytest.CaptureFixture[str], tree: GateTree, tmp_path: Path
) -> None:
    tree.set(BROKEN={"one/tiny": "no such layer"})
    answer = gate(capsys, tree, "--against", "first", "--json", tmp_path / "gate.json", seconds=10)
    assert answer.code == 5, answer
    assert "no such layer" in findings(tmp_path / "gate.json")["one/tiny runs"]["why"]


def test_a_process_killed_while_measuring(
    capsys: pytest.CaptureFixture[str], tree: GateTree, tmp_path: Path
) -> None:
    tree.set(KILLED_AT=6)
    path = tmp_path / "gate.json"
    answer = gate(capsys, tree, "--against", "first", "--methods", "one/tiny", "--json", path)
    assert answer.code == 4
    assert "the working tree" in answer.err
    assert "was killed by SIGKILL while measuring" in answer.err
    kept = json.loads(path.read_text())
    assert kept["outcome"] is None
    assert kept["parts"]["facts"]["one/tiny"]["after"]["flops"]["backbone"] == 1000
    assert not [
        each for each in psutil.Process().children(recursive=True) if "instrument" in str(each.cmdline())
    ]
    assert len(tree.git("worktree", "list", "--porcelain").strip().split("\n\n")) == 1


def test_a_tree_that_does_not_answer_in_time_ends_the_gate(
    capsys: pytest.CaptureFixture[str], tree: GateTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "LEAST_SECONDS", 1.0)
    monkeypatch.setattr(against, "GRACE_S", 1.0)
    tree.set(SLEEP=60.0)
    answer = gate(capsys, tree, "--against", "first", seconds=2)
    assert answer.code == 7, answer
    assert "the time was up before" in answer.out
    assert not [
        each for each in psutil.Process().children(recursive=True) if "instrument" in str(each.cmdline())
    ]


def test_a_revision_that_does_not_exist(capsys: pytest.CaptureFixture[str], tree: GateTree) -> None:
    for name in ("nowhere", "--help", ""):
        answer = gate(capsys, tree, "--against", name)
        assert answer.code == 2
        assert answer.err.count("\n") == 1
        assert f"--against {name!r}: no such revision" in answer.err


def test_a_revision_that_does_not_import(capsys: pytest.CaptureFixture[str], tree: GateTree) -> None:
    tree.write("benchbed/plan.py", "import nothing_of_that_name\n")
    tree.commit("broken")
    tree.git("checkout", "--quiet", "first")
    answer = gate(capsys, tree, "--against", "broken")
    assert answer.code == 2
    assert "revision broken" in answer.err
    assert "does not import: ModuleNotFoundError: No module named 'nothing_of_that_name'" in answer.err


def test_a_revision_without_the_bench(capsys: pytest.CaptureFixture[str], tree: GateTree) -> None:
    tree.git("rm", "-r", "--quiet", "benchbed")
    tree.write("README", "nothing")
    tree.commit("empty")
    tree.git("checkout", "--quiet", "first")
    answer = gate(capsys, tree, "--against", "empty")
    assert answer.code == 2
    assert "holds no package benchbed" in answer.err


def test_trees_that_measure_under_different_conditions(
    capsys: pytest.CaptureFixture[str], tree: GateTree
) -> None:
    for changed, words in (({"FINGERPRINT": "e" * 16}, "protocol"), ({"DATASET": "others"}, "images")):
        tree.set(**changed)
        answer = gate(capsys, tree, "--against", "first")
        assert answer.code == 3
        assert words in answer.err


def test_an_unknown_method(capsys: pytest.CaptureFixture[str], tree: GateTree) -> None:
    answer = gate(capsys, tree, "--against", "first", "--methods", "nothing")
    assert answer.code == 2
    assert "--methods nothing" in answer.err


def test_a_baseline_of_the_same_code_and_of_slower_code(
    capsys: pytest.CaptureFixture[str], tree: GateTree, tmp_path: Path
) -> None:
    baseline, path = tmp_path / "baseline.json", tmp_path / "gate.json"
    assert gate(capsys, tree, "--write-baseline", baseline).code == 0
    same = gate(capsys, tree, "--baseline", baseline, "--json", path)
    assert same.code in (0, 6), path.read_text()
    assert "this machine made the baseline" in same.out
    tree.set(BACKBONE=600, FLOPS={"backbone": 1000, "label_map": 9})
    slower = gate(capsys, tree, "--baseline", baseline, "--json", path)
    assert slower.code == 5, slower
    found = findings(path)
    assert found["one/tiny latency backbone"]["outcome"] == "regressed"
    assert found["one/tiny flops"]["outcome"] == "pass"


def written(path: Path, **changes: Any) -> Path:
    """A baseline as `--write-baseline` would leave it, of a method that no tree has."""
    protocol = {
        "dataset": "shapes",
        "images": 4,
        "content": "scenes",
        "fingerprint": "f" * 16,
        "reference": 1,
    }
    part = {"total": [0.1] * 10, "backbone": [0.05] * 10}
    facts = {
        "weights": "w",
        "flops": {"backbone": 10},
        "parameters": {"total": 1, "trainable": 1},
        "operators": {},
        "operators_by_stage": {},
        "accuracy": {
            "ids": ["a"],
            **{name: pack(np.ones((1, 3), np.int64)) for name in ("intersection", "predicted", "labelled")},
            "seen": [True, True, False],
            "rule": "union",
            "sha256": "s",
        },
    }
    method = {"facts": facts, "log_ratios": part, "part_ms": part, "reference_ms": [1.0] * 10, "waits": 0}
    fields: dict[str, Any] = {
        "protocol": protocol,
        "environment": {"cpu": "another", "machine": "0", "versions": {}},
        "tree": {"name": "the working tree", "commit": "c" * 40, "dirty": False},
        "methods": {"old/tiny": method},
        "created": "2026-11-21T12:00:00+00:00",
    }
    path.write_text(to_json(Baseline(**{**fields, **changes})))
    return path


def test_a_baseline_of_another_machine_has_a_wider_margin(
    capsys: pytest.CaptureFixture[str], tree: GateTree, tmp_path: Path
) -> None:
    baseline = written(tmp_path / "baseline.json")
    answer = gate(capsys, tree, "--baseline", baseline, "--json", tmp_path / "gate.json")
    assert answer.code == 7, answer  # it holds no method that the tree has
    assert json.loads((tmp_path / "gate.json").read_text())["margin"] == 0.30
    assert "the baseline is of another machine (another" in answer.out


def test_baselines_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], tree: GateTree, tmp_path: Path
) -> None:
    content = json.loads(written(tmp_path / "good.json").read_text())
    assert baseline_from(content, "").methods
    edited = json.loads(json.dumps(content))
    edited["methods"]["old/tiny"]["facts"]["flops"]["backbone"] = 1
    bad = tmp_path / "bad.json"
    for text, words in (
        ("", "empty"),
        ("{", "not whole JSON"),
        ("[]", "holds list"),
        ("{}", "no kind in it"),
        (json.dumps({**content, "schema": 99}), "baseline schema 99"),
        (json.dumps(edited), "it was edited after it was written"),
        (written(tmp_path / "empty.json", methods={}).read_text(), "holds no method"),
        (written(tmp_path / "half.json", methods={"old/tiny": {}}).read_text(), "old/tiny lacks facts"),
    ):
        bad.write_text(text)
        answer = gate(capsys, tree, "--baseline", bad)
        assert answer.code == 4, answer
        assert words in answer.err
        assert answer.err.count("\n") == 1
    assert gate(capsys, tree, "--baseline", tmp_path / "none.json").code == 4


def test_a_baseline_of_another_protocol(
    capsys: pytest.CaptureFixture[str], tree: GateTree, tmp_path: Path
) -> None:
    answer = gate(capsys, tree, "--baseline", written(tmp_path / "baseline.json"), "--images", 5)
    assert answer.code == 2
    assert "images 4 / 5" in answer.err


def test_flags_that_do_not_go_together(capsys: pytest.CaptureFixture[str], tree: GateTree) -> None:
    for flags, words in (
        ((), "found none of them"),
        (("--against", "first", "--baseline", "x"), "found --against and --baseline"),
        (("--against", "first", "--current", "x"), "--current goes with --baseline"),
        (("--against", "first", "--reference", "x"), "--reference goes with --current"),
        (("--against", "first", "--margin", "0.2"), "0 < margin < effect"),
        (("--against", "first", "--accept", "speed"), "--accept speed"),
        (("--against", "first", "--images", "0"), "--images 0"),
    ):
        answer = gate(capsys, tree, *flags)
        assert answer.code == 2
        assert words in answer.err
    assert gate(capsys, tree, "--against", "first", seconds=1).code == 2
