"""From request to record with small networks: what is shared, what is counted, what is compared, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import faulty_method
import numpy as np
import pytest
import torch

from benchbed import load_method
from benchbed.cost import flops, text_sample
from benchbed.cost.conditions import Conditions
from benchbed.cost.contestant import Contestant, build
from benchbed.cost.options import Options, combinations
from benchbed.cost.outputs import TimedOutputs, digest
from benchbed.cost.picture import picture
from benchbed.cost.request import CostRequest, contenders, protocol_facts
from benchbed.cost.stopping import Stopping
from benchbed.cost.text_sample import features_for, made_up, measure_text, spread
from benchbed.cost_record import from_json, to_json
from benchbed.cost_study import StudyOutcome, run_study
from benchbed.errors import UsageError
from benchbed.progress import Reporter

SMALL = Conditions((64, 96), 5, None, 1)
RULE = Stopping(until=0.0, seconds=0.01)  # the four rounds that are always measured
CPU = torch.device("cpu")


def request(*methods: str, **changes: object) -> CostRequest:
    return CostRequest(methods, **{"conditions": SMALL, "stopping": RULE, **changes})  # type: ignore[arg-type]


def study(tmp_path: Path, *methods: str, **changes: object) -> StudyOutcome:
    return run_study(request(*methods, **changes), Reporter(quiet=True), tmp_path)


def contestants(*methods: str, **changes: object) -> list[Contestant]:
    asked = request(*methods, **changes)
    return [each for contender in contenders(asked) for each in build(contender, asked, CPU)]


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    faulty_method.register(monkeypatch)


@pytest.mark.parametrize("name", ["san/tiny", "deop/tiny", "zegformer/tiny", "simseg/tiny"])
def test_other_numbers_of_proposals_share_every_other_tensor(name: str) -> None:
    (made,) = contestants(name, sweeps={"proposals": (3, 7)})
    published = made.contender.proposals
    assert [place.proposals for place in made.places] == [published, 3, 7]
    base = dict(made.segmenter.named_parameters())
    for place, timed in made.places.items():
        maps = timed(0)
        assert [each.shape for each in maps] == [(64, 96)]
        scores = timed.inference.scores(timed.inference.batch_of(timed.chosen(0)))
        assert scores.mask_logits.shape[1] == place.proposals  # type: ignore[union-attr]
        for key, parameter in timed.inference.segmenter.named_parameters():
            same = parameter.shape == base[key].shape
            assert (parameter.data_ptr() == base[key].data_ptr()) is same
            assert parameter.requires_grad == base[key].requires_grad


def test_the_card_s_number_of_proposals_is_the_built_model_s() -> None:
    for name in ("san", "deop", "zegformer", "simseg"):
        for variant in contenders(CostRequest((f"{name}/tiny",)))[0].chosen.method.variants:
            with torch.device("meta"):
                segmenter = load_method(f"{name}/{variant.name}")
            queries = [
                p.shape
                for key, p in segmenter.named_parameters()
                if key.endswith(("query_embed", "query_embed.weight"))
            ]
            assert any(variant.proposals in shape for shape in queries), (name, variant.name, queries)


@pytest.mark.parametrize("name", ["san/tiny", "deop/tiny", "zegformer/tiny", "lseg/tiny", "simseg/tiny"])
def test_features_of_a_few_classes_are_repeated_to_the_shapes_of_all(name: str) -> None:
    segmenter = load_method(name).eval()
    with torch.inference_mode():
        few, whole = segmenter.encode_vocabulary(made_up(8)), segmenter.encode_vocabulary(made_up(21))
    found = spread(segmenter, few, 8, made_up(21))
    assert found.embeddings.shape == whole.embeddings.shape
    assert {key: each.shape for key, each in found.extra.items()} == {
        key: each.shape for key, each in whole.extra.items()
    }
    assert torch.equal(found.embeddings[8], few.embeddings[0])
    assert torch.equal(found.embeddings[:8], few.embeddings[:8])
    appended = len(whole.embeddings) - 21
    assert appended >= 0
    if appended:
        assert torch.equal(found.embeddings[21:], few.embeddings[8:])


def test_text_is_sampled_only_where_all_of_it_would_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = load_method("deop/tiny").eval()
    assert (measure_text(segmenter, 20, "cpu").classes, measure_text(segmenter, 3, "cpu").of) == (20, 3)
    monkeypatch.setattr(text_sample, "PATIENCE_S", 1e-9)
    cost = measure_text(segmenter, 20, "cpu")
    assert (cost.classes, cost.of) == (8, 20)
    assert cost.seconds_for(16) == pytest.approx(2 * min(cost.total_ms) / 1000)
    assert (
        features_for(segmenter, 20, cost).embeddings.shape == segmenter.text_for(made_up(20)).embeddings.shape
    )
    assert (
        features_for(segmenter, 5, cost).embeddings.shape == segmenter.text_for(made_up(5)).embeddings.shape
    )


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


def test_channels_last_and_half_precision_really_happen() -> None:
    plain, half, last = contestants("deop/tiny", precisions=("fp32", "bf16"), channels_last=True)[:3]
    weight = next(p for p in last.segmenter.parameters() if p.ndim == 4 and p.shape[1] > 1 and p.shape[2] > 1)
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert all(p.is_contiguous() for p in plain.segmenter.parameters())
    assert last.base.inference.batch_of(last.base.photos).tensor.is_contiguous(
        memory_format=torch.channels_last
    )
    seen: list[torch.dtype] = []
    convolution = next(m for m in plain.segmenter.modules() if isinstance(m, torch.nn.Conv2d))
    convolution.register_forward_hook(lambda _, __, out: seen.append(out.dtype))
    plain.base(0)
    half.base(0)
    assert half.options.precision == "bf16"
    assert seen == [torch.float32, torch.bfloat16]


def test_compiling_is_asked_for_once_and_at_the_base_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def compiled(function: object, **how: object) -> object:
        asked.append(how)
        return function

    monkeypatch.setattr(torch, "compile", compiled)
    plain, fast = contestants("san/tiny", compiled=True, sweeps={"proposals": (3,)})
    assert asked == [{"dynamic": False}]
    assert (len(plain.places), len(fast.places)) == (2, 1)
    assert "segment" in vars(fast.segmenter)
    assert "segment" not in vars(plain.segmenter)
    assert torch.equal(fast.base(0)[0], plain.base(0)[0])


def test_which_ways_are_measured() -> None:
    assert combinations(("fp32",), False, False) == [Options()]
    assert [each.words for each in combinations(("fp32", "bf16"), True, True)] == [
        "",
        "bf16",
        "compiled, channels-last",
        "bf16, compiled, channels-last",
    ]


def test_predictions_that_differ_are_told_from_equal_ones() -> None:
    same, other = torch.zeros(4, 5, dtype=torch.uint8), torch.zeros(4, 5, dtype=torch.uint8)
    other[0, 0] = 3
    steady = TimedOutputs()
    for _ in range(3):
        steady.add(0, [same])
    assert steady.against({0: [same]}) | {"sha256": [], "against": ""} == {
        "sha256": [],
        "timed_same": True,
        "same": True,
        "agreement": 1.0,
        "classes": 1,
        "against": "",
    }
    found = steady.against({0: [other]})
    assert (found["same"], found["agreement"]) == (False, 19 / 20)
    steady.add(0, [other])
    assert steady.against({0: [same]})["timed_same"] is False
    assert digest([same]) != digest([same.to(torch.int16)]) != digest([same.reshape(5, 4).to(torch.int16)])


def test_a_batch_gives_the_labels_that_its_photos_give_alone() -> None:
    (made,) = contestants("deop/tiny", conditions=Conditions((64, 96), 5, None, 3))
    maps = made.base(1)
    assert len(maps) == 3
    for place, labels in enumerate(maps):
        alone = made.base.inference.labels(made.base.photos[(1 + place) % 2])
        assert (labels == alone).float().mean() > 0.99  # a batch of convolutions may round otherwise


def test_pictures_are_the_same_everywhere_and_differ_by_seed() -> None:
    first = picture(40, 60)
    assert first.shape == (40, 60, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, picture(40, 60))
    assert not np.array_equal(first, picture(40, 60, 1))
    assert len(np.unique(first)) > 50


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


def test_protocol_paper_feeds_what_was_published_and_runs_the_text_tower_where_the_authors_do() -> None:
    (made,) = contestants("deop/tiny", protocol="paper")
    spec = made.base.inference.input_spec
    assert spec == made.contender.chosen.variant.inputs["*"]
    assert made.base.inference.text_per_image
    calls: list[object] = []
    original = made.segmenter.encode_vocabulary
    made.segmenter.encode_vocabulary = lambda v: (calls.append(v), original(v))[1]  # type: ignore[method-assign]
    made.base(0)
    made.base(1)
    assert len(calls) == 2
    (matched,) = contestants("deop/tiny")
    assert not matched.base.inference.text_per_image
    assert matched.base.input_size == (64, 96)


def test_flops_of_the_study_are_those_of_the_counter() -> None:
    (made,) = contestants("san/tiny")
    inference = made.base.inference
    counted = flops.count_flops(
        made.segmenter, inference.batch_of(made.base.photos[:1]), inference.vocabulary
    )
    from benchbed.cost.contestant_facts import parts

    found = parts(made, made, {}, None)["flops"]()
    assert (found["total"], found["text"]) == (counted.total, counted.text)
