"""A backbone's first lessons: their losses by hand, what they move in every method, and that unseen classes stay out of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from pixel_lessons import changed, copied
from scene_lessons import SEEN, scenes
from torch import Tensor, nn

from benchbed.datasets.shapes import DATASET, object_crop
from benchbed.datasets.shapes.pictures import open_pictures
from benchbed.input_spec import InputSpec
from benchbed.registry import METHOD_GROUP, every, resolve
from benchbed.segmenter import Segmenter
from benchbed.training.backbone_lessons import SeesPictures, picture_loss, scene_loss
from benchbed.training.lesson import Lesson
from benchbed.training.optimisers import make_optimiser
from benchbed.training.processes import Processes
from benchbed.training.recipe import Recipe, Stage
from benchbed.training.stopping import StopRequest
from methods.parts.backbone_recipe import PICTURES

SEEN_IDS = [index for index, seen in enumerate(DATASET.seen) if seen]
PREFIXES = {"lseg": "encoder.", "san": "side."}


def recipes() -> dict[str, tuple[Any, Recipe]]:
    """Every trainable method's variants for `shapes` and their recipes, by `method/variant`."""
    ours = [found for found in every(METHOD_GROUP) if found.distribution.startswith("benchbed ")]
    return {
        f"{found.name}/{variant.name}": (variant, resolve(found.object.recipe)(variant.name, "shapes"))
        for found in ours
        if found.object.recipe
        for variant in found.object.variants
        if variant.embedded
    }


TAUGHT = [name for name, (_, recipe) in recipes().items() if any(stage.backbone for stage in recipe.stages)]


def begun(name: str, stage: Stage) -> Lesson:
    """The variant's segmenter, with random weights, as a lesson of a stage."""
    variant, recipe = recipes()[name]
    torch.manual_seed(0)
    segmenter: Segmenter = resolve(variant.build)(**{**variant.config, **recipe.config})
    segmenter.set_vocabulary(SEEN).train()
    segmenter.begin_stage(stage.name, **stage.choices)
    return Lesson(segmenter, stage, SEEN, Processes(), StopRequest())


def losses_of(lesson: Lesson, labels: Tensor | None = None) -> dict[str, Tensor]:
    """Of eight pictures, or of two scenes with their labels, or with others."""
    if lesson.stage.samples == "pictures":
        drawn = open_pictures(8)
        images = torch.from_numpy(drawn.images).permute(0, 3, 1, 2).float()
        losses: dict[str, Tensor] = lesson(images, labels=torch.from_numpy(drawn.labels))
        return losses
    batch, own = scenes(lesson.segmenter)
    truth = own if labels is None else labels
    samples = [SegDataSample(gt_sem_seg=PixelData(data=row[None])) for row in truth]
    losses = lesson(batch, samples)
    return losses


# The losses.


class Plain(nn.Module):
    """A backbone of one convolution at stride 8."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 8, stride=8)

    def picture_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.conv(images)
        return features


def cross_entropy(logits: np.ndarray[Any, Any], label: int) -> float:
    return float(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[label])


def classifier() -> np.ndarray[Any, Any]:
    drawn = torch.randn(5, 6, generator=torch.Generator().manual_seed(0)).double().numpy()
    return np.asarray(drawn / math.sqrt(6))


@pytest.mark.parametrize("seed", range(3))
def test_a_pictures_loss_by_hand(seed: int) -> None:
    torch.manual_seed(seed)
    plain, spec = Plain(), InputSpec(64, 64, (10.0, 20.0, 30.0), (2.0, 4.0, 8.0))
    images, labels = torch.rand(4, 3, 32, 40) * 255, torch.randint(5, (4,))
    found = picture_loss(plain, spec, images, labels, 5)
    entropies = []
    for image, label in zip(images, labels.tolist(), strict=True):
        shown = torch.stack([(image[c] - spec.mean[c]) / spec.std[c] for c in range(3)])
        mean = plain.conv(shown[None])[0].detach().double().numpy().mean((1, 2))
        entropies.append(cross_entropy(classifier() @ mean, label))
    assert list(found) == ["loss_picture"]
    assert found["loss_picture"].item() == pytest.approx(np.mean(entropies), rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_scenes_loss_by_hand(seed: int) -> None:
    """Every fourth pixel each way, its logits between the four features around it."""
    torch.manual_seed(seed)
    plain, images = Plain(), torch.randn(2, 3, 16, 24)
    labels = torch.where(torch.rand(2, 16, 24) < 0.3, 255, torch.randint(5, (2, 16, 24)))
    found = scene_loss(plain, images, labels, 5)
    logits = np.einsum("bchw,kc->bkhw", plain.conv(images).detach().double().numpy(), classifier())
    entropies = []
    for image, y, x in np.ndindex(2, 4, 6):
        label = int(labels[image, 4 * y + 2, 4 * x + 2])
        if label != 255:
            at = np.clip([(y + 0.5) / 2 - 0.5, (x + 0.5) / 2 - 0.5], 0, [1, 2])
            low = np.floor(at).astype(int)
            high, share = np.minimum(low + 1, [1, 2]), at - low
            above, below = (
                logits[image, :, row, low[1]] * (1 - share[1]) + logits[image, :, row, high[1]] * share[1]
                for row in (low[0], high[0])
            )
            entropies.append(cross_entropy(above * (1 - share[0]) + below * share[0], label))
    assert list(found) == ["loss_places"]
    assert found["loss_places"].item() == pytest.approx(np.mean(entropies), rel=1e-4)


def test_ignored_pixels_alone_cost_nothing() -> None:
    plain = Plain()
    loss = scene_loss(plain, torch.randn(1, 3, 16, 16), torch.full((1, 16, 16), 255), 5)["loss_places"]
    loss.backward()
    assert loss.item() == 0
    assert plain.conv.weight.grad is not None
    assert not plain.conv.weight.grad.any()


# What they move.


def test_every_stage_of_pictures_is_the_backbones() -> None:
    assert len(TAUGHT) == 7, TAUGHT
    for name in TAUGHT:
        stages = recipes()[name][1].stages
        assert all(stage.backbone == (stage.name == "backbone") for stage in stages)
        assert all(stage.backbone for stage in stages if stage.samples == "pictures")


@pytest.mark.parametrize("samples", ["pictures", "scenes"])
@pytest.mark.parametrize("name", [*TAUGHT, "san/tiny"])
def test_one_step_moves_the_backbone_and_nothing_else(
    name: str, samples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with both kinds of samples, whatever its recipe takes; no class name is read."""
    lesson = begun(name, replace(PICTURES, samples=samples))
    segmenter, prefix = lesson.segmenter, PREFIXES.get(name.partition("/")[0], "backbone.")
    assert isinstance(segmenter, SeesPictures)
    monkeypatch.setattr(segmenter, "encode_vocabulary", None)
    before, optimiser = copied(segmenter), make_optimiser(segmenter, PICTURES.optimiser)
    (loss,) = losses_of(lesson).values()
    loss.backward()
    for key, parameter in segmenter.named_parameters():
        assert parameter.requires_grad == key.startswith(prefix), key
        assert parameter.requires_grad or parameter.grad is None, key
    optimiser.step()
    moved = changed(before, segmenter)
    assert moved
    assert all(key.startswith(prefix) for key in moved), moved


# Unseen classes.


def test_pictures_are_the_train_splits_crops_of_seen_classes() -> None:
    found = open_pictures(40)
    drawn = [object_crop(index, "train", side=64) for index in range(60)]
    kept = [each for each in drawn if each.instances[0].class_id in SEEN_IDS][:40]
    assert len(kept) == 40
    assert set(found.labels.tolist()) <= set(range(len(SEEN_IDS)))
    for image, label, each in zip(found.images, found.labels, kept, strict=True):
        assert np.array_equal(image, each.image)
        assert SEEN_IDS[label] == each.instances[0].class_id


@pytest.mark.parametrize("name", ["zegformer/tiny", "spnet/tiny"])
def test_labels_beyond_the_seen_classes_are_refused(name: str) -> None:
    lesson = begun(name, replace(PICTURES, samples="scenes"))
    _, labels = scenes(lesson.segmenter)
    labels[0, :16, :16] = len(SEEN_IDS)
    with pytest.raises(ValueError, match="label 15 in a training batch of 15 classes"):
        losses_of(lesson, labels)
