"""LSeg's official multi-scale evaluator as a segmenter. Its numbers are held in tests/parity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lseg_small import photo, tiny, tiny_sweeping, words

from benchbed.images import prepare
from benchbed.input_spec import InputSpec
from benchbed.scores import Geometry, full_scores, label_maps
from methods.lseg.model import LSeg
from methods.lseg.sliding import scaled


@pytest.fixture(scope="module")
def sweeping() -> LSeg:
    return tiny_sweeping()


@pytest.mark.parametrize("size", [(50, 80), (1, 1), (3, 300), (300, 3)])
@torch.no_grad()
def test_multi_scale_scores_have_the_images_size(sweeping: LSeg, size: tuple[int, int]) -> None:
    scores = sweeping.segment(prepare([photo(*size)], sweeping.input_spec), words(3))
    assert scores.logits.shape == (1, 3, *size)
    assert scores.geometry == (Geometry(size, size, size),)
    assert label_maps(scores)[0].shape == size


@torch.no_grad()
def test_multi_scale_takes_each_image_of_a_batch_by_itself(sweeping: LSeg) -> None:
    photos = [photo(50, 80), photo(30, 20)]
    together = sweeping.segment(prepare(photos, sweeping.input_spec), words(3))
    for index, each in enumerate(photos):
        alone = sweeping.segment(prepare([each], sweeping.input_spec), words(3))
        torch.testing.assert_close(full_scores(together, index), full_scores(alone, 0), rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_scores_are_summed_over_scales_and_flips_not_averaged() -> None:
    batch_of_one_window = photo(64, 64)
    once = tiny(evaluation="multi-scale", base_size=64, crop_size=64, scales=(1.0,), flip=False)
    thrice = tiny(evaluation="multi-scale", base_size=64, crop_size=64, scales=(1.0, 1.0, 1.0), flip=False)
    whole = tiny()
    batch = prepare([batch_of_one_window], once.input_spec)
    single = full_scores(once.segment(batch, words(3)), 0)
    torch.testing.assert_close(
        full_scores(thrice.segment(batch, words(3)), 0), 3 * single, rtol=1e-4, atol=1e-3
    )
    torch.testing.assert_close(single, full_scores(whole.segment(batch, words(3)), 0), rtol=1e-4, atol=1e-3)


def test_the_evaluator_sees_original_pixels(sweeping: LSeg) -> None:
    image = photo(45, 31)
    batch = prepare([image], sweeping.input_spec)
    assert np.array_equal(batch.pixels[0].numpy().transpose(1, 2, 0), image)
    matched = sweeping.input_spec.at(512, 2048)
    assert type(matched) is InputSpec
    assert matched.resized(100, 200) == (512, 1024)


def test_scaled_sizes() -> None:
    """Long side to `longest`, the short one rounded half up; squares count as wide."""
    assert scaled(375, 500, 390) == (293, 390)
    assert scaled(500, 375, 390) == (390, 293)
    assert scaled(100, 100, 260) == (260, 260)
    assert scaled(3000, 1, 260) == (260, 1)
