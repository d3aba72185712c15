"""FLOPs of a whole segmenter: the ledger of stages by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_segmenter import SIDE, SPEC, VOCABULARY, WIDTH, CropSegmenter, SmallSegmenter
from torch import nn
from uncounted_operator import my_attention

from benchbed.cost.flops import count_flops
from benchbed.cost.label_map_flops import label_map_flops
from benchbed.errors import MeasurementError
from benchbed.images import ImageBatch, prepare
from benchbed.input_spec import InputSpec
from benchbed.scores import DenseScores, Geometry, MaskScores
from benchbed.segmenter import TextFeatures
from benchbed.stages import STAGES
from benchbed.vocabulary import Vocabulary


def batch(images: int = 1, height: int = SIDE, width: int = SIDE, seed: int = 0) -> ImageBatch:
    pixels = np.random.default_rng(seed).integers(0, 255, (images, height, width, 3), dtype=np.uint8)
    return prepare(list(pixels), SPEC)


@pytest.fixture
def segmenter() -> SmallSegmenter:
    torch.manual_seed(0)
    return SmallSegmenter().eval()


def hand_ledger(images: int, tokens: int, classes: int) -> dict[str, int]:
    return {
        "backbone": 2 * images * tokens * WIDTH * 3 * 16,
        "clip_image": 2 * images * (4 * tokens * WIDTH**2 + 2 * tokens**2 * WIDTH),
        "classify": 2 * images * tokens * WIDTH * classes,
        "unaccounted": 2 * images * tokens * WIDTH * WIDTH,
    }


@pytest.mark.parametrize(("images", "height", "width"), [(1, 32, 32), (2, 32, 64)])
def test_stages_by_hand_nested_ones_apart(
    segmenter: SmallSegmenter, images: int, height: int, width: int
) -> None:
    flops = count_flops(segmenter, batch(images, height, width), VOCABULARY)
    expected = hand_ledger(images, height * width // 16, len(VOCABULARY))
    assert flops.per_stage == expected
    assert flops.total == sum(expected.values()) == flops.counters["fvcore"] == flops.counters["torch"]
    assert flops.text == 2 * len(VOCABULARY) * WIDTH * WIDTH
    assert flops.label_map == 0
    assert flops.gmac == flops.total / 2e9
    assert flops.counted_on == {"segment": "shapes", "text": "shapes"}


def test_what_depends_on_values_is_counted_on_values() -> None:
    torch.manual_seed(0)
    segmenter = CropSegmenter().eval()
    with torch.no_grad():
        segmenter.conv.weight.fill_(0.1)
        segmenter.conv.bias.fill_(0.0)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[:16, :16] = 255  # one quadrant of four is bright
    flops = count_flops(segmenter, prepare([image], SPEC), VOCABULARY)
    assert flops.counted_on["segment"] == "values"
    assert flops.per_stage["clip_image"] == 2 * 16 * WIDTH * WIDTH
    assert flops.label_map == 2 * 1 * 3 * SIDE * SIDE


def test_given_text_features_are_used_and_inference_tensors_do_no_harm(segmenter: SmallSegmenter) -> None:
    with torch.inference_mode():
        text = TextFeatures(torch.randn(9, WIDTH), {"second": torch.randn(2)})
    flops = count_flops(segmenter, batch(), VOCABULARY, text)
    assert flops.per_stage["classify"] == hand_ledger(1, 64, 9)["classify"]
    with torch.inference_mode():
        segmenter.text_for(VOCABULARY)
    assert count_flops(segmenter, batch(), VOCABULARY).per_stage == hand_ledger(1, 64, 3)


def test_counting_leaves_the_segmenter_as_it_was(segmenter: SmallSegmenter) -> None:
    images, text = batch(), segmenter.text_for(VOCABULARY)
    with torch.no_grad():
        before = segmenter.segment(images, text)
        count_flops(segmenter, images, VOCABULARY)
        after = segmenter.segment(images, segmenter.text_for(VOCABULARY))
    assert torch.equal(before.logits, after.logits)
    assert all(type(each) is nn.Parameter for each in segmenter.parameters())
    assert not any(each._forward_hooks for each in segmenter.modules())


def test_training_mode_is_refused(segmenter: SmallSegmenter) -> None:
    with pytest.raises(MeasurementError, match=r"training mode; call \.eval\(\) first"):
        count_flops(segmenter.train(), batch(), VOCABULARY)


def test_an_uncounted_operator_inside_a_segmenter_is_refused(segmenter: SmallSegmenter) -> None:
    plain = segmenter.segment

    def segment(images: ImageBatch, text: TextFeatures) -> DenseScores:
        my_attention(text.embeddings[None], text.embeddings[None], 1.0)
        return plain(images, text)

    segmenter.segment = segment  # type: ignore[method-assign]
    with pytest.raises(MeasurementError, match="benchbed_test::my_attention"):
        count_flops(segmenter, batch(), VOCABULARY)


def test_a_pass_that_does_less_the_second_time_is_refused(segmenter: SmallSegmenter) -> None:
    plain, calls = segmenter.segment, []

    def segment(images: ImageBatch, text: TextFeatures) -> DenseScores:
        calls.append(1)
        if len(calls) == 1:
            segmenter.outside(torch.zeros(10_000, WIDTH))
        return plain(images, text)

    segmenter.segment = segment  # type: ignore[method-assign]
    with pytest.raises(MeasurementError, match="the forward pass: the counters disagree"):
        count_flops(segmenter, batch(), VOCABULARY)


@pytest.mark.parametrize(
    ("order", "pixels"), [("resize-logits", 40 * 50 + 9 * 7), ("resize-scores", 20 * 25 + 18 * 14)]
)
def test_label_map_products_happen_at_the_size_that_the_order_says(order: str, pixels: int) -> None:
    geometry = (Geometry((32, 32), (20, 25), (40, 50)), Geometry((32, 32), (18, 14), (9, 7)))
    scores = MaskScores(torch.zeros(2, 5, 8, 8), torch.zeros(2, 5, 3), geometry, order)  # type: ignore[arg-type]
    assert label_map_flops(scores) == 2 * 5 * 3 * pixels
    assert label_map_flops(DenseScores(torch.zeros(2, 3, 8, 8), geometry)) == 0


def test_stage_names_of_the_ledger_are_known(segmenter: SmallSegmenter) -> None:
    flops = count_flops(segmenter, batch(), Vocabulary(("a",), (True,)))
    assert set(flops.per_stage) <= {*STAGES, "unaccounted"}


def test_input_spec_of_the_small_segmenter_is_what_hand_counts_assume() -> None:
    assert InputSpec(SIDE, 4 * SIDE, pad_multiple=8) == SPEC
