"""`benchbed gate --baseline OLD --current NEW`: two recorded baselines held against each other, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Answer, here

from benchbed.gate.record import Baseline, to_json
from benchbed.packed_array import pack

ROUNDS = 24


def recorded(path: Path, seed: int, slower: float = 1.0, flops: int = 10, **changes: Any) -> Path:
    """A baseline of one method: 20 ms in the backbone, 5 in the label map, two percent of noise a round."""
    draw = np.random.default_rng(seed)
    reference = 10 * np.exp(draw.normal(0, 0.02, ROUNDS))
    parts = {"backbone": 20.0 * slower, "label_map": 5.0}
    ms = {name: value * np.exp(draw.normal(0, 0.02, ROUNDS)) for name, value in parts.items()}
    ms["total"] = ms["backbone"] + ms["label_map"]
    method = {
        "facts": {
            "weights": "w",
            "flops": {"backbone": flops},
            "parameters": {"total": 1, "trainable": 1},
            "operators": {"aten.mm": 4},
            "operators_by_stage": {"backbone": 4},
            "accuracy": {
                "ids": ["a"],
                **{
                    name: pack(np.ones((1, 3), np.int64))
                    for name in ("intersection", "predicted", "labelled")
                },
                "seen": [True, True, False],
                "rule": "union",
                "sha256": "s",
            },
        },
        "log_ratios": {name: np.log(values / reference).tolist() for name, values in ms.items()},
        "part_ms": {name: values.tolist() for name, values in ms.items()},
        "reference_ms": reference.tolist(),
        "waits": 0,
    }
    fields: dict[str, Any] = {
        "protocol": {
            "dataset": "shapes",
            "images": 24,
            "content": "c",
            "fingerprint": "f" * 16,
            "reference": 1,
        },
        "environment": {"cpu": "A Processor", "machine": "m", "versions": {"torch": "2.15"}},
        "tree": {"name": "the working tree", "commit": f"{seed}" * 40, "dirty": False},
        "methods": {"one/tiny": method},
        "created": "2026-11-21T12:00:00+00:00",
    }
    path.write_text(to_json(Baseline(**{**fields, **changes})))
    return path


def gate(capsys: pytest.CaptureFixture[str], old: Path, new: Path, *flags: object) -> Answer:
    return here(capsys, "gate", "--baseline", old, "--current", new, *flags)


def test_the_same_code_recorded_twice_passes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    old, new = recorded(tmp_path / "old.json", 1), recorded(tmp_path / "new.json", 2)
    answer = gate(capsys, old, new)
    assert answer.code == 0, answer
    assert "this machine made the baseline" in answer.out


def test_a_slower_stage_and_more_flops_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    old = recorded(tmp_path / "old.json", 1)
    new = recorded(tmp_path / "new.json", 2, slower=1.25, flops=11)
    answer = gate(capsys, old, new, "--json", tmp_path / "gate.json")
    assert answer.code == 5
    found = {
        (f["metric"], f["part"]): f for f in json.loads((tmp_path / "gate.json").read_text())["findings"]
    }
    assert found["latency", "backbone"]["outcome"] == "regressed"
    assert found["latency", "backbone"]["change"] == pytest.approx(0.25, abs=0.03)
    assert found["latency", "label_map"]["outcome"] == "pass"
    assert found["flops", "backbone"]["outcome"] == "regressed"
    accepted = gate(capsys, old, new, "--accept", "latency,flops")
    assert accepted.code == 0


def test_another_machine_widens_the_margin_and_compares_no_operators(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    old = recorded(tmp_path / "old.json", 1, environment={"cpu": "Another", "machine": "x", "versions": {}})
    new = recorded(tmp_path / "new.json", 2, slower=1.25)
    answer = gate(capsys, old, new, "--json", tmp_path / "gate.json", "--all")
    content = json.loads((tmp_path / "gate.json").read_text())
    assert (content["margin"], content["effect"]) == (0.30, 0.60)
    assert "operators" not in {each["metric"] for each in content["findings"]}
    assert answer.code == 0, answer
    assert "the baseline is of another machine (Another; here A Processor)" in answer.out


def test_what_cannot_be_held_against_each_other(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good = recorded(tmp_path / "good.json", 1)
    content = json.loads(good.read_text())
    protocol = {**content["protocol"], "images": 8, "fingerprint": "e" * 16}
    recorded(tmp_path / "protocol.json", 2, protocol=protocol)
    (tmp_path / "newer.json").write_text(json.dumps({**content, "schema": 7}))
    edited = json.loads(good.read_text())
    edited["methods"]["one/tiny"]["log_ratios"]["backbone"][0] = 0.0
    (tmp_path / "edited.json").write_text(json.dumps(edited))
    (tmp_path / "empty.json").write_text("")
    recorded(tmp_path / "nothing.json", 3, methods={})
    bench = {
        "machine_info": {},
        "benchmarks": [{"fullname": "x", "stats": {"median": 1, "iqr": 0, "rounds": 3}}],
    }
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    for name, code, words in (
        ("protocol.json", 2, "images 24 / 8; fingerprint"),
        ("newer.json", 4, "baseline schema 7"),
        ("edited.json", 4, "it was edited after it was written"),
        ("empty.json", 4, "empty"),
        ("nothing.json", 4, "holds no method"),
        ("bench.json", 2, "give two files of one kind"),
        ("none.json", 4, "cannot be read"),
    ):
        answer = gate(capsys, good, tmp_path / name)
        assert answer.code == code, (name, answer)
        assert words in answer.err, (name, answer)
        assert answer.err.count("\n") == 1
    assert gate(capsys, good, good, "--reference", "x").code == 2


def test_nothing_in_common_is_nothing_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    old = recorded(tmp_path / "old.json", 1)
    method = json.loads(old.read_text())["methods"]["one/tiny"]
    new = recorded(tmp_path / "new.json", 2, methods={"two/tiny": method})
    answer = gate(capsys, old, new)
    assert answer.code == 7
    assert "two/tiny: not in the baseline" in answer.out
