"""LSeg as a segmenter: any image, any label set, its two evaluations, its training loss, and what its card says."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchbed.errors import DataError, UsageError
from benchbed.images import ImageBatch, prepare
from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from benchbed.scores import Geometry, full_scores, label_maps
from benchbed.segmenter import TextFeatures
from benchbed.stages import listening
from benchbed.vocabulary import Vocabulary
from methods.lseg import METHOD
from methods.lseg.framing import blackened
from methods.lseg.model import LSeg, build, episode
from methods.lseg.sizes import LSegSize, even_hooks, plain
from methods.lseg.sliding import scaled

TINY = METHOD.default_variant(embedded=True)
DATASETS = {
    "voc",
    "coco-stuff",
    "pascal-context-59",
    "pascal-context-459",
    "ade20k-150",
    "ade20k-847",
    "shapes",
}


@pytest.fixture(scope="module")
def lseg() -> LSeg:
    return tiny()


@pytest.fixture(scope="module")
def sweeping() -> LSeg:
    return tiny(evaluation="multi-scale", base_size=40, crop_size=64, scales=(0.5, 1.0, 2.5))


def tiny(**changes: Any) -> LSeg:
    torch.manual_seed(3)
    segmenter: LSeg = build(**{**TINY.config, **changes}).eval()
    with torch.no_grad():
        for name, tensor in segmenter.state_dict().items():
            if name.startswith(("decoder.", "regularise.", "reassemble.")) and tensor.is_floating_point():
                tensor.add_((torch.rand_like(tensor) - 0.5) * 0.1)
    return segmenter


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def words(count: int, dim: int = 64) -> TextFeatures:
    generator = torch.Generator().manual_seed(count)
    return TextFeatures(torch.nn.functional.normalize(torch.randn(count, dim, generator=generator), dim=-1))


def vocabulary(*names: str) -> Vocabulary:
    return Vocabulary(names, (True,) * len(names))


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


class Heard:
    def __init__(self) -> None:
        self.names: list[str] = []

    def enter(self, name: str) -> None:
        self.names.append(name)

    def leave(self, name: str) -> None:
        pass


@torch.no_grad()
def test_stages(lseg: LSeg, sweeping: LSeg) -> None:
    heard, swept = Heard(), Heard()
    with listening(heard):
        text = lseg.encode_vocabulary(vocabulary("dog", "other"))
        lseg.segment(prepare([photo(64, 64)], lseg.input_spec), text)
    assert heard.names == ["clip_text", "preprocess", "backbone", "classify"]
    with listening(swept):
        sweeping.segment(prepare([photo(64, 64)], sweeping.input_spec), text)
    assert set(swept.names) == {"preprocess", "backbone", "classify", "compose"}


# The official evaluator. Its numbers are held in tests/parity.


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


# Training.


def labels_for(batch: ImageBatch) -> Tensor:
    labels = torch.zeros(len(batch), *batch.tensor.shape[2:], dtype=torch.int64)
    labels[:, :, labels.shape[2] // 2 :] = 1
    return labels


def test_loss_is_cross_entropy_at_full_size_without_ignored_pixels(lseg: LSeg) -> None:
    batch = prepare([photo(64, 96)], lseg.input_spec)
    labels = labels_for(batch)
    labels[:, :30] = 255
    (loss,) = lseg.loss(batch, labels, words(4)).values()
    scores = full_scores(lseg.segment(ImageBatch.around(batch.tensor, lseg.input_spec), words(4)), 0)
    picked = scores.log_softmax(0).gather(0, labels.clamp_max(3))[0]
    torch.testing.assert_close(loss, -picked[labels[0] != 255].mean(), rtol=1e-4, atol=1e-4)


def test_ignored_pixels_alone_cost_nothing(lseg: LSeg) -> None:
    batch = prepare([photo(64, 64)], lseg.input_spec)
    (loss,) = lseg.loss(batch, torch.full((1, *batch.tensor.shape[2:]), 255), words(4)).values()
    assert loss.item() == 0


def test_training_learns_and_leaves_the_text_tower_alone() -> None:
    segmenter = tiny().train()
    photos = [photo(64, 96), photo(64, 96, 1)]
    for each in photos:
        each[:, 48:] //= 4  # the right half is dark
    batch = prepare(photos, segmenter.input_spec)
    before = {name: value.clone() for name, value in segmenter.text.state_dict().items()}
    optimiser = torch.optim.Adam([p for p in segmenter.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(12):
        text = segmenter.text_for(vocabulary("left", "right"))
        (loss,) = segmenter.loss(batch, labels_for(batch), text).values()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0], losses
    assert all(p.grad is not None for p in segmenter.parameters() if p.requires_grad)
    assert all(torch.equal(before[name], value) for name, value in segmenter.text.state_dict().items())


# Sizes, choices, card.


@pytest.mark.parametrize(
    "wrong",
    [
        {"heads": 5},
        {"hooks": (0, 1, 2)},
        {"hooks": (3, 2, 1, 0)},
        {"hooks": (0, 1, 2, 4)},
        {"patch": 12},
        {"pyramid": (1, 2, 3)},
        {"crop_size": 100},
        {"scales": ()},
        {"scales": (1.0, 0.0)},
        {"base_size": 0},
        {"encoder": "resnet50"},
        {"similarity": "bf16"},
        {"evaluation": "sliding"},
        {"regularisation": "bottle-neck"},
        {"activation": "gelu"},
        {"text": "vit-b33"},
        {"evaluations": "whole"},
    ],
)
def test_wrong_choices_are_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(UsageError, match=name):
        build(**{**TINY.config, **wrong})


def test_hooks_are_the_last_blocks_of_the_quarters() -> None:
    assert even_hooks(24) == (5, 11, 17, 23)
    assert even_hooks(12) == (2, 5, 8, 11)
    assert even_hooks(4) == (0, 1, 2, 3)


def test_the_card_needs_no_torch() -> None:
    code = "import sys, methods.lseg; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_card_is_whole() -> None:
    assert [variant.name for variant in METHOD.variants] == ["vitl16", "vitb32", "rn101", "tiny"]
    assert METHOD.default_variant(embedded=False).name == "vitl16"
    assert METHOD.default_variant(embedded=True).name == "tiny"
    assert METHOD.card.family == "pixel"
    assert METHOD.card.text_per_image
    for variant in METHOD.variants:
        assert variant.inputs["*"] == replace(LSegSize(), **plain(variant.config)).inputs
        assert variant.weights is None or set(variant.weights.not_for) <= DATASETS
    assert METHOD.variants[2].inputs["*"].mean == IMAGENET_MEAN


def test_the_demo_checkpoint_is_barred_from_every_zero_shot_table() -> None:
    weights = METHOD.variants[0].weights
    assert weights is not None
    assert set(weights.not_for) == DATASETS - {"shapes"}
