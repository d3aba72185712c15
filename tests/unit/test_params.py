"""The parameter ledger, by hand, on a segmenter small enough for that."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_segmenter import SPEC, VOCABULARY, WIDTH, CropSegmenter, SmallSegmenter
from torch import nn

from benchbed.cost.params import Params, count_params
from benchbed.images import ImageBatch, prepare
from benchbed.scores import DenseScores
from benchbed.segmenter import TextFeatures

CONV = WIDTH * 3 * 16 + WIDTH
OUTSIDE = WIDTH * WIDTH + WIDTH
CLIP = 4 * WIDTH * WIDTH + 4 * WIDTH
EMBEDDING = 64 * WIDTH
TEXT = EMBEDDING + WIDTH * WIDTH + WIDTH
UNUSED = 35


def test_by_hand() -> None:
    assert count_params(SmallSegmenter().eval()) == Params(
        total=CONV + OUTSIDE + CLIP + TEXT + UNUSED,
        trainable=CONV + OUTSIDE + TEXT - EMBEDDING + UNUSED,
        frozen_clip=CLIP + EMBEDDING,
        text=TEXT,
        unused_at_inference=UNUSED,
    )


def test_a_prefix_is_a_whole_name_not_its_beginning() -> None:
    segmenter = SmallSegmenter().eval()
    segmenter.clip_extra = nn.Linear(3, 3).requires_grad_(False)  # "clip" is not a prefix of "clip_extra"
    assert count_params(segmenter).frozen_clip == CLIP + EMBEDDING
    segmenter.clip_prefixes = ("scalar",)
    segmenter.scalar = nn.Parameter(torch.zeros(()), requires_grad=False)
    assert count_params(segmenter).frozen_clip == 1


def test_a_parameter_of_two_names_counts_once_and_is_clips_under_either() -> None:
    segmenter = SmallSegmenter().eval()
    before = count_params(segmenter)
    segmenter.another = nn.Linear(WIDTH, WIDTH)
    segmenter.another.weight = segmenter.clip.out_proj.weight
    after = count_params(segmenter)
    assert after.total - before.total == WIDTH
    assert after.frozen_clip == before.frozen_clip
    assert after.unused_at_inference == before.unused_at_inference + WIDTH


class Views(SmallSegmenter):
    """Reads one parameter through a view of a view; of another only the shape."""

    def __init__(self) -> None:
        super().__init__()
        self.sliced = nn.Parameter(torch.ones(4, WIDTH))
        self.only_its_shape = nn.Parameter(torch.ones(6, 6))
        self.only_viewed = nn.Parameter(torch.ones(2, 9))

    def segment(self, images: ImageBatch, text: TextFeatures) -> DenseScores:
        scores = super().segment(images, text)
        self.only_viewed.t()[1:].expand(3, 8, 2).detach()
        factor = self.sliced[1:3].t()[0].view(2).sum() * self.only_its_shape.shape[0]
        return DenseScores(scores.logits * factor, scores.geometry)


def test_reading_a_view_reads_the_whole_and_making_a_view_reads_nothing() -> None:
    assert count_params(Views().eval()).unused_at_inference == UNUSED + 36 + 18


def test_methods_that_look_at_values_are_watched_for_real() -> None:
    torch.manual_seed(0)
    segmenter = CropSegmenter().eval()
    with torch.no_grad():
        segmenter.conv.weight.fill_(0.1)
        segmenter.conv.bias.fill_(0.0)
    white = prepare([np.full((32, 32, 3), 255, np.uint8)], SPEC)
    assert count_params(segmenter, white).unused_at_inference == UNUSED + CLIP


def test_a_given_vocabulary_and_image_are_what_is_watched() -> None:
    segmenter = SmallSegmenter().eval()
    seen = []
    plain = segmenter.segment
    segmenter.segment = lambda images, text: seen.append((images, text)) or plain(images, text)  # type: ignore
    images = prepare([np.zeros((32, 64, 3), np.uint8)], SPEC)
    count_params(segmenter, images, VOCABULARY)
    assert seen[0][0] is images
    assert seen[0][1].embeddings.shape == (3, WIDTH)


def test_counting_touches_neither_parameters_nor_caches() -> None:
    segmenter = SmallSegmenter().eval()
    features = segmenter.text_for(VOCABULARY)
    before = {name: each.detach().clone() for name, each in segmenter.named_parameters()}
    count_params(segmenter)
    assert segmenter.text_for(VOCABULARY) is features
    assert all(torch.equal(before[name], each) for name, each in segmenter.named_parameters())


def test_a_segmenter_that_fails_fails_with_its_own_error() -> None:
    segmenter = SmallSegmenter().eval()
    segmenter.conv = nn.Conv2d(4, WIDTH, 4, stride=4)
    with pytest.raises(RuntimeError, match=r"expected input.* to have 4 channels"):
        count_params(segmenter)
