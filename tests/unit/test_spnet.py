"""SPNet as a segmenter: any image, any label set, its calibration, precision, stages and training loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from heard import Heard
from numpy.typing import NDArray

from benchbed.images import ImageBatch, prepare
from benchbed.input_spec import InputSpec
from benchbed.scores import full_scores, label_maps
from benchbed.segmenter import TextFeatures
from benchbed.stages import listening
from benchbed.vocabulary import Vocabulary
from methods.spnet import METHOD
from methods.spnet.model import SPNet, build
from methods.spnet.network import folding_pays

TINY = METHOD.variant("tiny")
assert TINY is not None
IGNORED = 255


@pytest.fixture(scope="module")
def tiny() -> SPNet:
    torch.manual_seed(0)
    return lively(build(**plain_tiny()))


@pytest.fixture(scope="module")
def warping() -> SPNet:
    """The published input and multi-scale maximum, on a small network."""
    torch.manual_seed(0)
    return lively(build(depth=18, width=8, text="tiny", side=65, rates=(1, 2)))


def lively(spnet: SPNet) -> SPNet:
    """Pyramid weights large enough for logits to differ."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in spnet.aspp.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    spnet.eval()
    return spnet


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def words(count: int, dim: int = 64) -> TextFeatures:
    generator = torch.Generator().manual_seed(count)
    vectors = torch.nn.functional.normalize(torch.randn(count, dim, generator=generator), dim=-1)
    return TextFeatures(vectors, {"seen": (torch.arange(count) % 2).float()})


# Images.


@pytest.mark.parametrize("size", [(1, 1), (17, 130), (129, 64), (3, 300), (33, 31)])
@torch.no_grad()
def test_any_size_gives_a_label_map_of_that_size(tiny: SPNet, warping: SPNet, size: tuple[int, int]) -> None:
    for spnet in (tiny, warping):
        scores = spnet.segment(prepare([photo(*size)], spnet.input_spec), words(5))
        assert scores.logits.dtype == torch.float32
        assert label_maps(scores)[0].shape == size


@torch.no_grad()
def test_logits_sit_at_stride_8(tiny: SPNet, warping: SPNet) -> None:
    assert tiny.segment(prepare([photo(128, 200)], tiny.input_spec), words(5)).logits.shape == (1, 5, 16, 25)
    assert warping.segment(prepare([photo(50, 90)], warping.input_spec), words(5)).logits.shape == (
        1,
        5,
        9,
        9,
    )


@torch.no_grad()
def test_a_warped_batch_of_any_sizes_is_its_images_one_by_one(warping: SPNet) -> None:
    photos = [photo(64, 96, 1), photo(200, 50, 2), photo(20, 20, 3)]
    together = warping.segment(prepare(photos, warping.input_spec), words(4))
    assert [tuple(labels.shape) for labels in label_maps(together)] == [(64, 96), (200, 50), (20, 20)]
    for index, each in enumerate(photos):
        alone = warping.segment(prepare([each], warping.input_spec), words(4))
        torch.testing.assert_close(full_scores(together, index), full_scores(alone, 0), rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_a_batch_of_equal_sizes_is_its_images_one_by_one(tiny: SPNet) -> None:
    photos = [photo(64, 96, seed) for seed in range(3)]
    together = tiny.segment(prepare(photos, tiny.input_spec), words(4)).logits
    for row, each in zip(together, photos, strict=True):
        alone = tiny.segment(prepare([each], tiny.input_spec), words(4)).logits[0]
        torch.testing.assert_close(row, alone, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_another_input_is_not_warped_and_folds_the_classes_in(warping: SPNet) -> None:
    """Protocol `matched`: an ordinary size rule; labels are those of the unfolded computation."""
    spec = warping.input_spec.at(64, 128)
    assert type(spec) is InputSpec
    images = prepare([photo(64, 96)], spec)
    published = warping.input_spec
    try:
        scores = warping.set_input(spec).segment(images, words(4))
    finally:
        warping.set_input(published)
    plainly = warping.logits(images.tensor.flip(1), words(4).embeddings)
    assert scores.logits.shape == (1, 4, 9, 13)  # Caffe's pooling rounds up
    torch.testing.assert_close(scores.logits, plainly, rtol=1e-4, atol=1e-4)
    assert not torch.equal(scores.logits, plainly)


@pytest.mark.parametrize(
    ("classes", "positions", "pays"), [(20, 4225, True), (512, 10**9, False), (400, 1, False)]
)
def test_when_folding_pays(classes: int, positions: int, pays: bool) -> None:
    assert folding_pays(classes, 512, positions) is pays


@torch.no_grad()
def test_mmsegmentations_interface(tiny: SPNet) -> None:
    tiny.set_vocabulary(Vocabulary(("cat", "grass", "other"), (True, True, False)))
    tensor = torch.randn(1, 3, 70, 100)
    (full,) = tiny(tensor)
    assert full.shape == (3, 70, 100)
    (sample,) = tiny.predict(tensor)
    assert torch.equal(sample.pred_sem_seg.data[0], full.argmax(0))


# Label sets.


@pytest.mark.parametrize("count", [1, 2, 300])
@torch.no_grad()
def test_label_sets_of_any_length(tiny: SPNet, count: int) -> None:
    scores = tiny.segment(prepare([photo(64, 64)], tiny.input_spec), words(count))
    assert scores.num_classes == count
    assert label_maps(scores)[0].max() < count


@torch.no_grad()
def test_a_class_has_the_logits_it_has_alone(tiny: SPNet) -> None:
    """Classes are scored independently, in any order."""
    images, text = prepare([photo(64, 64)], tiny.input_spec), words(6).embeddings
    whole = tiny.segment(images, TextFeatures(text)).logits
    order = torch.tensor([4, 0, 5])
    some = tiny.segment(images, TextFeatures(text[order])).logits
    torch.testing.assert_close(some, whole[:, order], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_names_become_unit_vectors_and_seen_flags(tiny: SPNet) -> None:
    names = ("cat", "a, b", "猫", "dining table ")
    text = tiny.text_for(Vocabulary(names, (True, False, True, False)))
    assert text.embeddings.shape == (4, 64)
    torch.testing.assert_close(text.embeddings.norm(dim=1), torch.ones(4))
    assert text.extra["seen"].tolist() == [1, 0, 1, 0]


# Calibration.


@torch.no_grad()
def test_gamma_gives_probabilities_and_an_offset_for_seen_classes() -> None:
    torch.manual_seed(0)
    spnet = lively(build(**{**plain_tiny(), "gamma": 0.25}))
    scores = spnet.segment(prepare([photo(64, 96)], spnet.input_spec), words(3))
    assert scores.logits.shape == (1, 3, 128, 192)
    torch.testing.assert_close(scores.logits.sum(1), torch.ones(1, 128, 192))
    assert scores.class_offset is not None
    assert scores.class_offset.tolist() == [0, -0.25, 0]


@torch.no_grad()
def test_without_gamma_logits_come_without_an_offset(tiny: SPNet) -> None:
    scores = tiny.segment(prepare([photo(64, 96)], tiny.input_spec), words(3))
    assert scores.class_offset is None
    assert scores.logits.min() < 0 or scores.logits.max() > 1


@torch.no_grad()
def test_a_greater_gamma_never_adds_seen_pixels() -> None:
    torch.manual_seed(0)
    counts = []
    spnet = lively(build(**plain_tiny()))
    for gamma in (0.01, 0.3, 1.0):
        spnet.size = replace(spnet.size, gamma=gamma)
        labels = label_maps(spnet.segment(prepare([photo(64, 96)], spnet.input_spec), words(4)))[0]
        counts.append(int((labels % 2 == 1).sum()))  # odd classes are seen in `words`
    assert counts[0] > counts[-1] == 0
    assert counts == sorted(counts, reverse=True)


def plain_tiny() -> dict[str, Any]:
    assert TINY is not None
    return dict(TINY.config)


# Precision, stages, training.


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision_keeps_nearly_all_labels(tiny: SPNet, dtype: torch.dtype) -> None:
    images = prepare([photo(64, 96)], tiny.input_spec)
    exact = label_maps(tiny.segment(images, words(5)))[0]
    with torch.autocast("cpu", dtype=dtype):
        scores = tiny.segment(images, words(5))
    assert scores.logits.dtype == torch.float32
    assert (label_maps(scores)[0] == exact).float().mean() > 0.95


@torch.no_grad()
def test_stages(warping: SPNet) -> None:
    heard = Heard()
    images = prepare([photo(64, 64)], warping.input_spec)
    with listening(heard):
        warping.segment(images, words(2))
    assert set(heard.names) == {"preprocess", "backbone", "classify"}
    with listening(heard):
        warping.encode_vocabulary(Vocabulary(("cat",), (True,)))
    assert "clip_text" in heard.names


def test_the_loss_counts_every_scale_and_their_maximum_and_trains(tiny: SPNet) -> None:
    torch.manual_seed(0)
    spnet = build(**plain_tiny()).train()
    images = ImageBatch.around(torch.randn(2, 3, 64, 64), spnet.input_spec)
    labels = torch.zeros(2, 64, 64, dtype=torch.int64)
    labels[:, 32:] = 1
    labels[:, :, :8] = IGNORED
    optimiser = torch.optim.Adam([p for p in spnet.parameters() if p.requires_grad], lr=1e-3)
    totals = []
    for _ in range(6):
        losses = spnet.loss(images, labels, words(2))
        assert set(losses) == {"loss_whole", "loss_scale_0.5", "loss_scale_0.75", "loss_greatest"}
        totals.append(sum(each.item() for each in losses.values()))
        optimiser.zero_grad()
        sum(losses.values(), torch.zeros(())).backward()
        optimiser.step()
    assert totals[-1] < 0.7 * totals[0]


def test_a_batch_of_ignored_pixels_costs_nothing(tiny: SPNet) -> None:
    images = ImageBatch.around(torch.randn(1, 3, 64, 64), tiny.input_spec)
    losses = tiny.loss(images, torch.full((1, 64, 64), IGNORED), words(2))
    assert all(each.item() == 0 for each in losses.values())


def test_what_is_trained(tiny: SPNet, warping: SPNet) -> None:
    """Never the text tower; norms only where nothing was trained before."""
    for spnet, norms in ((tiny, True), (warping, False)):
        for name, parameter in spnet.named_parameters():
            norm = ".bn" in name or ".downsample.1." in name
            expected = not name.startswith("text.") and (norms or not norm)
            assert parameter.requires_grad == expected, name


def test_frozen_norms_keep_their_statistics_in_training() -> None:
    spnet = build(depth=18, width=8, text="tiny", side=65, rates=(1,), pyramid=()).train()
    before = spnet.state_dict()["backbone.bn1.running_mean"].clone()
    spnet.loss(
        ImageBatch.around(torch.randn(2, 3, 65, 65), spnet.input_spec),
        torch.zeros(2, 65, 65).long(),
        words(2),
    )
    assert torch.equal(spnet.state_dict()["backbone.bn1.running_mean"], before)
