"""From request to record with small networks: what is counted, what is compared, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import faulty_method
import numpy as np
import pytest
from small_study import SMALL, contestants, study

from benchbed import load_method
from benchbed.cost import flops
from benchbed.cost.conditions import Conditions
from benchbed.cost.request import CostRequest, protocol_facts
from benchbed.cost.stopping import Stopping
from benchbed.cost_record import from_json, to_json
from benchbed.cost_study import run_study
from benchbed.errors import UsageError
from benchbed.progress import Reporter


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    faulty_method.register(monkeypatch)


def test_two_methods_side_by_side_with_a_sweep(tmp_path: Path) -> None:
    sweeps = {"proposals": (5, 9), "size": ((64, 96), (96, 128))}
    outcome = study(tmp_path, "san/tiny", "lseg/tiny", conditions=SMALL.at("proposals", 9), sweeps=sweeps)
    record = outcome.record
    assert record is not None
    assert outcome.failures == ()
    assert from_json(to_json(record), "x").id == record.id
    assert [value for value, _ in record.sweep("proposals", "san/tiny")] == [5, 9]
    assert [value for value, _ in record.sweep("proposals", "lseg/tiny")] == [None]
    assert [value for value, _ in record.sweep("size", "lseg/tiny")] == [(64, 96), (96, 128)]
    assert {len(point.total_ms) for point in record.points} == {4}
    large = record.sweep("size", "san/tiny")[1][1]
    assert large.input_size == (96, 128)
    assert record.stopping["why"] == "time"
    assert len(record.null["first_ms"]) == len(record.null["second_ms"]) == 4
    for key, facts in record.subjects.items():
        assert facts["failures"] == []
        assert facts["outputs"]["same"] is True
        assert facts["outputs"]["timed_same"] is True
        assert facts["memory"]["total_bytes"] > 0
        assert sum(facts["flops"]["per_stage"].values()) == facts["flops"]["total"], key
        assert facts["flops"]["input_size"] == [64, 96]
        segmenter = load_method(key, **({"queries": 9} if key == "san/tiny" else {}))
        assert facts["params"]["total"] == sum(p.numel() for p in segmenter.parameters())
        assert facts["text"]["classes"] == facts["text"]["of"] == 5
        (point,) = [p for p in record.points if p.subject == key and p == record.base(key)]
        ledger = np.sum(list(point.latency["stage_ms"].values()), axis=0)
        assert ledger == pytest.approx(point.total_ms)
    assert record.matmul_peak["fp32"]["flops_per_s"] > 0


def test_ways_of_running_are_measured_beside_the_plain_one_and_compared_with_it(tmp_path: Path) -> None:
    outcome = study(tmp_path, "lseg/tiny", precisions=("bf16",), channels_last=True)
    record = outcome.record
    assert record is not None
    assert outcome.failures == ()
    assert list(record.subjects) == ["lseg/tiny", "lseg/tiny [bf16]", "lseg/tiny [bf16, channels-last]"]
    plain, half, both = record.subjects.values()
    assert half["flops"] == plain["flops"]
    assert both["options"] == {"precision": "bf16", "compile": False, "channels_last": True}
    assert all(0 <= each["outputs"]["agreement"] <= 1 for each in (half, both))
    assert set(record.matmul_peak) == {"fp32", "bf16"}


def test_largest_batch_and_steps_out_of_memory(tmp_path: Path) -> None:
    weights = 4 * sum(p.numel() for p in load_method("lseg/tiny").parameters())
    outcome = study(
        tmp_path,
        "lseg/tiny",
        throughput=True,
        memory_budget=weights + 25 * 2**20,
        stopping=Stopping(0.0, 4.0, 4, 8),
    )
    assert outcome.record is not None
    found = outcome.record.subjects["lseg/tiny"]["throughput"]
    assert found["largest_batch"] >= 1
    assert found["batch_ms"]
    failed = [step for step in found["steps"] if not step["fits"]]
    assert failed
    assert "out of memory" in failed[0]["why"]
    assert all(step["peak_bytes"] <= found["budget_bytes"] for step in found["steps"] if step["fits"])


@pytest.mark.usefixtures("faulty")
def test_not_even_one_image_fits(tmp_path: Path) -> None:
    outcome = study(tmp_path, "faulty/none", throughput=True, memory_budget=1000)
    assert outcome.record is not None
    found = outcome.record.subjects["faulty/none"]["throughput"]
    assert (found["largest_batch"], found["batch_ms"]) == (0, [])
    assert found["steps"][0]["out_of_memory"] is True


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("fault", ["raises", "raises-late", "nan", "build"])
def test_a_broken_method_is_named_and_the_others_are_measured(tmp_path: Path, fault: str) -> None:
    outcome = study(tmp_path, f"faulty/{fault}", "faulty/none")
    assert outcome.record is not None
    timed = {point.subject for point in outcome.record.points}
    assert timed - {"faulty/raises-late"} == {"faulty/none"}  # that one may last until it is counted
    assert outcome.failures
    assert all(each.item == f"faulty/{fault}" for each in outcome.failures)
    assert any(f"faulty/{fault}" in each for each in outcome.record.failures)


@pytest.mark.usefixtures("faulty")
def test_a_part_that_cannot_be_measured_leaves_the_others(tmp_path: Path) -> None:
    outcome = study(tmp_path, "faulty/custom-operator")
    assert outcome.record is not None
    facts = outcome.record.subjects["faulty/custom-operator"]
    assert "flops" not in facts
    assert facts["failures"][0].startswith("flops: ")
    assert facts["memory"]["total_bytes"] > 0
    assert outcome.record.base("faulty/custom-operator") is not None


@pytest.mark.usefixtures("faulty")
def test_nothing_measured_is_no_record(tmp_path: Path) -> None:
    outcome = study(tmp_path, "faulty/build")
    assert outcome.record is None
    assert len(outcome.failures) == 1


@pytest.mark.usefixtures("faulty")
def test_a_card_that_promises_proposals_its_build_does_not_take(tmp_path: Path) -> None:
    variant = faulty_method.METHOD.variants[0]
    object.__setattr__(variant, "proposals", 10)
    try:
        outcome = study(tmp_path, "faulty/none", sweeps={"proposals": (2, 10)})
    finally:
        object.__setattr__(variant, "proposals", None)
    assert outcome.record is None
    assert "does not take queries=2" in outcome.failures[0].message


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"methods": ()}, "--methods is missing"),
        ({"methods": ("san/tiny", "san/tiny")}, "named twice"),
        ({"methods": ("sam/tiny",)}, "did you mean san"),
        ({"protocol": "papers"}, "unknown protocol"),
        ({"precisions": ("fp64",)}, "--precision fp64"),
        ({"sweeps": {"depth": (1, 2)}}, "--sweep depth"),
        ({"methods": ("lseg/tiny",), "sweeps": {"proposals": (1, 2)}}, "none of lseg/tiny proposes masks"),
        ({"methods": ("lseg/tiny",), "conditions": Conditions(proposals=5)}, "none of lseg/tiny proposes"),
        ({"protocol": "paper", "sweeps": {"size": ((64, 64), (96, 96))}}, "use --protocol matched"),
        ({"device": "gpu"}, "--device gpu"),
    ],
)
def test_requests_that_make_no_sense(tmp_path: Path, changes: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        run_study(CostRequest(**{"methods": ("san/tiny",), **changes}), Reporter(quiet=True), tmp_path)  # type: ignore[arg-type]


def test_the_fingerprint_tells_machines_settings_apart() -> None:
    settings = (("matched", 2, "cpu"), ("paper", 2, "cpu"), ("matched", 1, "cpu"), ("matched", 2, "cuda"))
    prints = [protocol_facts(*each)["fingerprint"] for each in settings]
    assert len(set(prints)) == 4
    assert prints[0] == protocol_facts("matched", 2, "cpu")["fingerprint"]


def test_flops_of_the_study_are_those_of_the_counter() -> None:
    (made,) = contestants("san/tiny")
    inference = made.base.inference
    counted = flops.count_flops(
        made.segmenter, inference.batch_of(made.base.photos[:1]), inference.vocabulary
    )
    from benchbed.cost.contestant_facts import parts

    found = parts(made, made, {}, None)["flops"]()
    assert (found["total"], found["text"]) == (counted.total, counted.text)
