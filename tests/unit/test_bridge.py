"""The bridge as a segmenter: any image, any label set, what depends on what, precision, stages and training loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from heard import Heard
from numpy.typing import NDArray

from benchbed.images import ImageBatch, prepare
from benchbed.scores import label_maps
from benchbed.segmenter import TextFeatures
from benchbed.stages import listening
from benchbed.vocabulary import Vocabulary
from methods.bridge import METHOD
from methods.bridge.backbones import backbone
from methods.bridge.model import Bridge, build
from methods.bridge.sizes import CHANNELS

TINY, PLAIN = METHOD.variant("tiny"), METHOD.variant("tiny-plain")
assert TINY is not None
assert PLAIN is not None
BOTH: tuple[dict[str, Any], ...] = (dict(TINY.config), dict(PLAIN.config))
IGNORED = 255


@pytest.fixture(scope="module", params=BOTH, ids=["bridge", "plain"])
def tiny(request: pytest.FixtureRequest) -> Bridge:
    return made(**request.param)


def made(**config: Any) -> Bridge:
    """The image's influence on text large enough to see."""
    torch.manual_seed(1)
    segmenter = build(**config)
    segmenter.eval()
    if segmenter.token_scale is not None:
        torch.nn.init.constant_(segmenter.token_scale, 0.5)
    return segmenter


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def words(count: int, dim: int = 64) -> TextFeatures:
    generator = torch.Generator().manual_seed(count)
    return TextFeatures(torch.nn.functional.normalize(torch.randn(count, dim, generator=generator), dim=-1))


# Images.


@pytest.mark.parametrize("size", [(1, 1), (17, 130), (129, 64), (3, 300), (33, 31)])
@torch.no_grad()
def test_any_size_gives_a_label_map_of_that_size(tiny: Bridge, size: tuple[int, int]) -> None:
    scores = tiny.segment(prepare([photo(*size)], tiny.input_spec), words(5))
    assert scores.logits.dtype == torch.float32
    padded = scores.geometry[0].padded
    assert scores.logits.shape == (1, 5, padded[0] // 4, padded[1] // 4)
    assert label_maps(scores)[0].shape == size


@pytest.mark.parametrize("name", ["mobilenetv2", "efficientformer-l1", "xception"])
@torch.no_grad()
def test_full_size_backbones_take_odd_sizes(name: str) -> None:
    torch.manual_seed(0)
    encoder = backbone(name)
    encoder.eval()  # mmsegmentation's MobileNetV2 returns nothing here
    features = encoder(torch.randn(2, 3, 70, 45))
    assert [each.shape[1] for each in features] == list(CHANNELS[name])
    assert [tuple(each.shape[2:]) for each in features] == [(18, 12), (9, 6), (5, 3), (3, 2)]
    assert all(each.isfinite().all() for each in features)


@torch.no_grad()
def test_a_batch_of_equal_sizes_is_its_images_one_by_one(tiny: Bridge) -> None:
    photos = [photo(64, 96, seed) for seed in range(3)]
    together = tiny.segment(prepare(photos, tiny.input_spec), words(4)).logits
    for row, each in zip(together, photos, strict=True):
        alone = tiny.segment(prepare([each], tiny.input_spec), words(4)).logits[0]
        torch.testing.assert_close(row, alone, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_batch_of_unequal_sizes(tiny: Bridge) -> None:
    sizes = [(64, 96), (200, 50), (20, 20)]
    scores = tiny.segment(prepare([photo(*size) for size in sizes], tiny.input_spec), words(4))
    assert [tuple(labels.shape) for labels in label_maps(scores)] == sizes


@torch.no_grad()
def test_mmsegmentations_interface(tiny: Bridge) -> None:
    tiny.set_vocabulary(Vocabulary(("cat", "grass", "other"), (True, True, False)))
    tensor = torch.randn(1, 3, 70, 100)
    (full,) = tiny(tensor)
    assert full.shape == (3, 70, 100)
    (sample,) = tiny.predict(tensor)
    assert torch.equal(sample.pred_sem_seg.data[0], full.argmax(0))


# Label sets.


@pytest.mark.parametrize("count", [1, 2, 300])
@torch.no_grad()
def test_label_sets_of_any_length(tiny: Bridge, count: int) -> None:
    scores = tiny.segment(prepare([photo(64, 64)], tiny.input_spec), words(count))
    assert scores.num_classes == count
    assert label_maps(scores)[0].max() < count


@torch.no_grad()
def test_permuting_classes_permutes_logits(tiny: Bridge) -> None:
    images, text = prepare([photo(64, 64)], tiny.input_spec), words(6).embeddings
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    whole = tiny.segment(images, TextFeatures(text)).logits
    permuted = tiny.segment(images, TextFeatures(text[order])).logits
    torch.testing.assert_close(permuted, whole[:, order], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "independent"),
    [
        ({"layers": 0}, True),
        ({}, False),
        ({"class_self_attention": False}, False),
        ({"text_to_visual": False}, False),
        ({"class_self_attention": False, "text_to_visual": False}, True),
    ],
)
@torch.no_grad()
def test_when_a_class_has_the_logits_it_has_alone(changes: dict[str, Any], independent: bool) -> None:
    """As the card says: classes meet in self-attention and in what pixels take from them."""
    segmenter = made(**{**BOTH[0], **changes})
    images, text = prepare([photo(64, 64)], segmenter.input_spec), words(6).embeddings
    whole = segmenter.segment(images, TextFeatures(text)).logits[:, :2]
    some = segmenter.segment(images, TextFeatures(text[:2])).logits
    assert (some - whole).abs().max().lt(1e-4).item() is independent


@torch.no_grad()
def test_the_image_changes_the_text_and_the_text_the_image() -> None:
    segmenter = made(**BOTH[0])
    one, other = (segmenter.features(torch.randn(1, 3, 64, 64)) for _ in range(2))
    names = words(3).embeddings
    features, classes = segmenter.meet(one, names)
    assert (classes - segmenter.meet(other, names)[1]).abs().max() > 1e-5
    assert (features - segmenter.meet(one, words(4).embeddings)[0]).abs().max() > 1e-5


@torch.no_grad()
def test_text_starts_almost_unchanged() -> None:
    """As in DenseCLIP: what images add to class names begins at 1e-4."""
    segmenter = build(**BOTH[0]).eval()
    names = words(3).embeddings
    _, classes = segmenter.meet(segmenter.features(torch.randn(1, 3, 64, 64)), names)
    assert 0 < (classes - names).abs().max() < 1e-2


@torch.no_grad()
def test_logits_are_cosines_over_the_temperature(tiny: Bridge) -> None:
    """Before training the refinement passes them on as they are."""
    logits = tiny.segment(prepare([photo(64, 64)], tiny.input_spec), words(9)).logits
    assert logits.abs().max() <= 1 / 0.07 + 1e-4


# Precision, stages, training.


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision_keeps_nearly_all_labels(tiny: Bridge, dtype: torch.dtype) -> None:
    images = prepare([photo(64, 96)], tiny.input_spec)
    exact = label_maps(tiny.segment(images, words(5)))[0]
    with torch.autocast("cpu", dtype=dtype):
        scores = tiny.segment(images, words(5))
    assert scores.logits.dtype == torch.float32
    assert (label_maps(scores)[0] == exact).float().mean() > 0.95


@torch.no_grad()
def test_stages(tiny: Bridge) -> None:
    heard = Heard()
    images = prepare([photo(64, 64)], tiny.input_spec)
    with listening(heard):
        tiny.segment(images, words(2))
    assert set(heard.names) == {"backbone", "classify"}
    with listening(heard):
        tiny.encode_vocabulary(Vocabulary(("cat",), (True,)))
    assert "clip_text" in heard.names


@pytest.mark.parametrize("config", BOTH, ids=["bridge", "plain"])
def test_the_loss_trains_everything_but_the_text_tower(config: dict[str, Any]) -> None:
    torch.manual_seed(0)
    segmenter = build(**config).train()
    trained = {name: each for name, each in segmenter.named_parameters() if each.requires_grad}
    assert all(
        name.startswith("text.") is not each.requires_grad for name, each in segmenter.named_parameters()
    )
    images = ImageBatch.around(torch.randn(2, 3, 64, 64), segmenter.input_spec)
    labels = torch.zeros(2, 64, 64, dtype=torch.int64)
    labels[:, 32:] = 1
    labels[:, :, :8] = IGNORED
    optimiser = torch.optim.Adam(trained.values(), lr=2e-3)
    totals = []
    for _ in range(6):
        (loss,) = segmenter.loss(images, labels, words(2)).values()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        totals.append(loss.item())
    assert totals[-1] < 0.7 * totals[0]
    assert [name for name, each in trained.items() if each.grad is None] == []


def test_a_batch_of_ignored_pixels_costs_nothing(tiny: Bridge) -> None:
    images = ImageBatch.around(torch.randn(1, 3, 64, 64), tiny.input_spec)
    (loss,) = tiny.loss(images, torch.full((1, 64, 64), IGNORED), words(2)).values()
    assert loss.item() == 0
