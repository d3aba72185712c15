"""Findings without statistics: both sides of each, and packed counts against numbers by hand."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchbed.errors import StoreError
from benchbed.gate.exact import exact_findings, readable
from benchbed.gate.facts import Facts
from benchbed.gate.finding import Finding, Outcome
from benchbed.packed_array import pack


def facts(wrong: int = 0, **changes: Any) -> Facts:
    """Two images of 100 pixels, three classes; `wrong` pixels of the first class of each are taken for the second."""
    labelled = np.array([[40, 30, 30], [20, 40, 40]])
    predicted = labelled + np.array([-wrong, wrong, 0])
    intersection = labelled - np.array([wrong, 0, 0])
    accuracy = {
        "ids": ["a", "b"],
        "intersection": pack(intersection),
        "predicted": pack(predicted),
        "labelled": pack(labelled),
        "seen": [True, True, False],
        "rule": "union",
        "sha256": f"maps{wrong}",
    }
    fields: dict[str, Any] = {
        "weights": "w",
        "flops": {"backbone": 100, "classify": 10},
        "parameters": {"total": 7, "trainable": 3},
        "operators": {"aten.mm": 4, "aten.relu": 2},
        "operators_by_stage": {"backbone": 6},
        "accuracy": accuracy,
    }
    return Facts(**{**fields, **changes})


def found(before: Facts, after: Facts, same: bool = True) -> dict[tuple[str, str], Finding]:
    return {(each.metric, each.part): each for each in exact_findings("m", before, after, same)}


def test_the_same_facts_pass() -> None:
    every = found(facts(), facts())
    assert {each.outcome for each in every.values()} == {Outcome.PASS}
    assert every["accuracy", ""].before == 200
    assert every["accuracy", ""].why == "identical label maps"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"flops": {"backbone": 101, "classify": 10}}, ("flops", "backbone")),
        ({"parameters": {"total": 8, "trainable": 3}}, ("parameters", "total")),
        ({"parameters": {"total": 7, "trainable": 4}}, ("parameters", "trainable")),
        ({"operators_by_stage": {"backbone": 7}}, ("operators", "backbone")),
    ],
)
def test_any_rise_is_a_regression_and_any_fall_is_none(change: dict[str, Any], key: tuple[str, str]) -> None:
    worse = found(facts(), facts(**change))
    assert worse[key].outcome is Outcome.REGRESSED
    assert [each for each in worse.values() if each.outcome is Outcome.REGRESSED] == [worse[key]]
    better = found(facts(**change), facts())
    assert {each.outcome for each in better.values()} == {Outcome.PASS}


def test_operators_are_named() -> None:
    more = facts(
        operators={"aten.mm": 4, "aten.relu": 2, "aten.copy_": 1}, operators_by_stage={"backbone": 7}
    )
    assert "aten.copy_ +1" in found(facts(), more)["operators", "backbone"].why


def test_work_that_only_moved_passes_and_is_mentioned() -> None:
    moved = found(facts(), facts(flops={"backbone": 90, "classify": 20}))["flops", ""]
    assert moved.outcome is Outcome.PASS
    assert moved.why == "changed in classify, backbone"


def test_accuracy_that_falls_regresses_with_its_numbers() -> None:
    worse = found(facts(), facts(wrong=5))
    assert worse["accuracy", "miou"].outcome is Outcome.REGRESSED
    first, second = 50 / 60, 70 / 80  # by hand: 10 of 60 pixels of the first class are taken for the second
    assert worse["accuracy", "miou"].after == pytest.approx(100 * (first + second + 1) / 3)
    assert worse["accuracy", "unseen_miou"].outcome is Outcome.PASS
    assert "over 2 images" in worse["accuracy", "miou"].why
    better = found(facts(wrong=5), facts())
    assert {each.outcome for each in better.values()} == {Outcome.PASS}


def test_on_another_machine_a_pixel_is_no_regression_and_operators_are_not_compared() -> None:
    labels = facts(wrong=1)
    other = replace(labels, operators={"aten.mm": 400}, operators_by_stage={"backbone": 400})
    every = found(facts(), other, same=False)
    assert ("operators", "") not in every
    assert ("operators", "backbone") not in every
    surely = found(facts(), facts(wrong=5), same=False)["accuracy", "pixel_accuracy"]
    assert surely.outcome is Outcome.REGRESSED  # every image lost as much: no draw of images has another sign


def test_damaged_facts_say_so() -> None:
    whole = facts().as_dict()
    assert readable("m", whole, "x.json") == facts()
    for damaged in ({**whole, "accuracy": {}}, {**whole, "more": 1}, {"flops": {}}):
        with pytest.raises(StoreError, match=r"x\.json: the facts of m are damaged"):
            readable("m", damaged, "x.json")


def test_the_gate_needs_no_torch() -> None:
    """It works on a laptop from files, and its own process must leave the cores to the two that measure."""
    code = (
        "import sys, benchbed.gate_command; sys.exit('torch' in sys.modules or 'scipy.stats' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
