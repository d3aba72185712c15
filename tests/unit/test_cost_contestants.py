"""What gets measured, before it is: what numbers of proposals share, ways of running, text that is sampled, photos."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_study import contestants

from benchbed import load_method
from benchbed.cost import text_sample
from benchbed.cost.conditions import Conditions
from benchbed.cost.options import Options, combinations
from benchbed.cost.outputs import TimedOutputs, digest
from benchbed.cost.picture import picture
from benchbed.cost.request import CostRequest, contenders
from benchbed.cost.text_sample import features_for, made_up, measure_text, spread


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
