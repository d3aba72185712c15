"""LSeg as a segmenter: any image, any label set, half precision, stages."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from heard import Heard
from lseg_small import photo, tiny, tiny_sweeping, vocabulary, words

from benchbed.errors import DataError
from benchbed.images import ImageBatch, prepare
from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from benchbed.scores import label_maps
from benchbed.stages import listening
from benchbed.vocabulary import Vocabulary
from methods.lseg.framing import blackened
from methods.lseg.model import LSeg, episode


@pytest.fixture(scope="module")
def lseg() -> LSeg:
    return tiny()


# Images.


@pytest.mark.parametrize("size", [(1, 1), (17, 130), (129, 64), (3, 300), (96, 128), (33, 31)])
@torch.no_grad()
def test_any_size_gives_a_label_map_of_that_size(lseg: LSeg, size: tuple[int, int]) -> None:
    scores = lseg.segment(prepare([photo(*size)], lseg.input_spec), words(5))
    assert scores.align_corners
    assert scores.logits.dtype == torch.float32
    padded = scores.geometry[0].padded
    assert scores.logits.shape == (1, 5, padded[0] // 2, padded[1] // 2)
    assert padded[0] % 32 == padded[1] % 32 == 0
    assert label_maps(scores)[0].shape == size


@torch.no_grad()
def test_a_batch_of_equal_sizes_is_its_images_one_by_one(lseg: LSeg) -> None:
    photos = [photo(64, 96, seed) for seed in range(3)]
    together = lseg.segment(prepare(photos, lseg.input_spec), words(4)).logits
    for row, each in zip(together, photos, strict=True):
        alone = lseg.segment(prepare([each], lseg.input_spec), words(4)).logits[0]
        torch.testing.assert_close(row, alone, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_batch_of_unequal_sizes(lseg: LSeg) -> None:
    sizes = [(64, 96), (200, 50), (20, 20)]
    scores = lseg.segment(prepare([photo(*size) for size in sizes], lseg.input_spec), words(4))
    assert [tuple(labels.shape) for labels in label_maps(scores)] == sizes


def test_padding_is_black_and_sides_become_multiples_of_32(lseg: LSeg) -> None:
    spec = replace(lseg.input_spec, pad_multiple=1)
    batch = prepare([photo(70, 100), photo(40, 90)], spec, originals=[(70, 100), (40, 90)])
    framed = blackened(batch, spec)
    assert framed.tensor.shape == (2, 3, 96, 128)
    assert [geometry.padded for geometry in framed.geometry] == [(96, 128)] * 2
    assert [geometry.valid for geometry in framed.geometry] == [(70, 100), (40, 90)]
    for row, image in zip(framed.tensor, batch.pixels, strict=True):
        height, width = image.shape[1:]
        assert torch.equal(row[:, :height, :width], (image.float() - 127.5) / 127.5)
        row[:, :height, :width] = -1
        assert (row == -1).all()


def test_black_is_each_channels_own_under_imagenet_statistics() -> None:
    spec = InputSpec(64, 64, IMAGENET_MEAN, IMAGENET_STD)
    framed = blackened(prepare([photo(20, 64)], spec), spec)
    expected = -torch.tensor(IMAGENET_MEAN) / torch.tensor(IMAGENET_STD)
    torch.testing.assert_close(framed.tensor[0, :, -1, -1], expected)


def test_a_batch_without_padding_is_left_alone(lseg: LSeg) -> None:
    batch = ImageBatch.around(torch.randn(2, 3, 64, 96), lseg.input_spec)
    assert blackened(batch, lseg.input_spec) is batch


@torch.no_grad()
def test_a_bare_tensor_of_odd_size_through_mmsegmentations_interface(lseg: LSeg) -> None:
    lseg.set_vocabulary(vocabulary("cat", "grass", "other"))
    (full,) = lseg(torch.randn(1, 3, 70, 100))
    assert full.shape == (3, 70, 100)


# Label sets.


@pytest.mark.parametrize("count", [1, 2, 300])
@torch.no_grad()
def test_label_sets_of_any_length(lseg: LSeg, count: int) -> None:
    scores = lseg.segment(prepare([photo(64, 64)], lseg.input_spec), words(count))
    assert scores.num_classes == count
    assert label_maps(scores)[0].max() < count


@pytest.mark.parametrize("regularisation", ["none", "bottleneck", "depthwise"])
@torch.no_grad()
def test_the_order_of_labels_moves_indices_only(regularisation: str) -> None:
    segmenter = tiny(regularisation=regularisation, depth=2)
    batch = prepare([photo(64, 96)], segmenter.input_spec)
    names = ("dog", "grass", "other", "sky")
    order = [2, 0, 3, 1]
    first = segmenter.segment(batch, segmenter.text_for(vocabulary(*names)))
    second = segmenter.segment(batch, segmenter.text_for(vocabulary(*(names[index] for index in order))))
    torch.testing.assert_close(second.logits, first.logits[:, order], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_other_is_a_word_like_any_and_its_wording_counts(lseg: LSeg) -> None:
    embedded = [lseg.encode_vocabulary(vocabulary("dog", word)).embeddings for word in ("other", "others")]
    assert torch.equal(embedded[0][0], embedded[1][0])
    assert not torch.allclose(embedded[0][1], embedded[1][1])


def test_an_episode_is_others_and_the_class() -> None:
    assert episode("sofa").names == ("others", "sofa")
    with pytest.raises(DataError, match="others"):
        episode("others")


@torch.no_grad()
def test_names_go_in_bare(lseg: LSeg) -> None:
    found = lseg.encode_vocabulary(Vocabulary(("a", "b"), (True, True), ("a cat", " {dog}, naïve ")))
    torch.testing.assert_close(found.embeddings, lseg.text.encode(["a cat", "{dog}, naïve"]))


# Precision and stages.


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_autocast_stays_near_float32(lseg: LSeg, dtype: torch.dtype) -> None:
    batch, names = prepare([photo(64, 96)], lseg.input_spec), vocabulary("dog", "grass", "other")
    plainly = lseg.segment(batch, lseg.encode_vocabulary(names)).logits
    with torch.autocast("cpu", dtype=dtype):
        found = lseg.segment(batch, lseg.encode_vocabulary(names)).logits
    assert found.dtype == torch.float32
    assert (found - plainly).abs().max() < 0.1 * plainly.abs().max()
    assert not torch.equal(found, plainly)


@torch.no_grad()
def test_half_precision_similarity_is_a_rounding(lseg: LSeg) -> None:
    batch = prepare([photo(64, 96)], lseg.input_spec)
    rounding = tiny(similarity="fp16")
    plainly, rounded = (each.segment(batch, words(6)).logits for each in (lseg, rounding))
    assert not torch.equal(plainly, rounded)
    assert (plainly - rounded).abs().max() < 0.05
    assert torch.equal(rounded, rounded.half().float())


@torch.no_grad()
def test_stages(lseg: LSeg) -> None:
    sweeping = tiny_sweeping()
    heard, swept = Heard(), Heard()
    with listening(heard):
        text = lseg.encode_vocabulary(vocabulary("dog", "other"))
        lseg.segment(prepare([photo(64, 64)], lseg.input_spec), text)
    assert heard.names == ["clip_text", "preprocess", "backbone", "classify"]
    with listening(swept):
        sweeping.segment(prepare([photo(64, 64)], sweeping.input_spec), text)
    assert set(swept.names) == {"preprocess", "backbone", "classify", "compose"}
