"""A method small enough to be trained in a second, and a dataset of twelve images; `register` adds both to what is registered."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed import Method, MethodCard, Segmenter, Variant, Vocabulary, registry, stage
from benchbed.checkpoints import assign
from benchbed.datasets.dataset import Dataset, DatasetCard, Sample
from benchbed.errors import DataError, UsageError
from benchbed.images import ImageBatch
from benchbed.input_spec import InputSpec
from benchbed.scores import DenseScores
from benchbed.segmenter import TextFeatures
from benchbed.training.recipe import Augmentation, Optimiser, ParameterGroup, Recipe, Schedule, Stage

SIDE = 32
INPUT = InputSpec(SIDE, SIDE, pad_multiple=8)
WIDTH = 16
COLOURS = ((220, 40, 40), (40, 220, 40), (40, 40, 220), (220, 220, 40))
IMAGES = 12


class Pupil(Segmenter):
    """A strided convolution with batch norm and dropout; classes are fixed rows of numbers.

    Args:
        plain: without batch norm and dropout, so that a batch is the sum of its images.
        fault: iteration at which the loss becomes NaN; 0: never.
    """

    text_prefixes = ("words.",)
    encodings = 0

    def __init__(self, plain: bool = False, fault: int = 0) -> None:
        super().__init__(INPUT)
        self.backbone = nn.Sequential(
            nn.Conv2d(3, WIDTH, 4, stride=4), nn.Identity() if plain else nn.BatchNorm2d(WIDTH)
        )
        self.drop = nn.Dropout(0.0 if plain else 0.2)
        self.head = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.unused = nn.Linear(3, 3)
        self.words = nn.Embedding(64, WIDTH).requires_grad_(False)
        self.fault, self.losses = fault, 0

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """One row of the table a class, by its first letter."""
        Pupil.encodings += 1
        letters = torch.tensor([ord(name[0]) % 64 for name in vocabulary.prompts])
        with stage("clip_text"):
            return TextFeatures(F.normalize(self.words(letters), dim=-1))

    def segment(self, images: ImageBatch, text: TextFeatures) -> DenseScores:
        """[B, K, h, w] at stride 4."""
        with stage("backbone"):
            features = self.drop(F.relu(self.backbone(images.tensor)))
        with stage("classify"):
            logits = torch.einsum("bdhw,kd->bkhw", self.head(features), text.embeddings)
        return DenseScores(logits, images.geometry)

    def begin_stage(self, name: str, **choices: Any) -> Pupil:
        """Stage `head` trains the last convolution alone, `all` everything that is used, `objects` the same on crops."""
        if name not in ("head", "all", "objects"):
            raise UsageError(f"no stage {name!r}")
        self.requires_grad_(True)
        self.words.requires_grad_(False)
        self.backbone.requires_grad_(name != "head")
        self.weight = choices.get("weight", 1.0)
        return self

    def loss(self, images: ImageBatch, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Cross entropy: the mean over images of the mean over their labelled pixels."""
        self.losses += 1
        _signal(self.losses)
        logits = F.interpolate(self.segment(images, text).logits, labels.shape[1:], mode="bilinear")
        pixels = F.cross_entropy(logits, labels, ignore_index=255, reduction="none").flatten(1).sum(1)
        each = pixels / (labels != 255).flatten(1).sum(1).clamp_min(1)
        value = each.mean() * (float("nan") if self.losses == self.fault else 1.0)
        return {"loss_pixels": self.weight * value, "share": (labels != 255).float().mean()}

    def object_loss(self, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Cross entropy of a crop's mean logits."""
        logits = self.segment(ImageBatch.around(images, self.input_spec), text).logits.mean((2, 3))
        return {"loss_objects": F.cross_entropy(logits, labels)}


def _signal(losses: int) -> None:
    """Send this process the signal that PUPIL_SIGNAL asks for, as "number@losses" (":rank" behind it: that process alone)."""
    wanted, _, rank = os.environ.get("PUPIL_SIGNAL", "").partition(":")
    if wanted and int(wanted.split("@")[1]) == losses and rank in ("", os.environ.get("RANK")):
        os.kill(os.getpid(), int(wanted.split("@")[0]))


def build(plain: bool = False, fault: int = 0) -> Pupil:
    """A pupil with random weights."""
    return Pupil(plain, fault)


def load(tensors: Mapping[str, Tensor], **config: Any) -> Pupil:
    """From its own tensors."""
    pupil = Pupil(**config)
    assign(pupil, tensors)
    return pupil


SCHEDULE = Schedule("poly", power=0.9, warmup=2, warmup_factor=0.1)
ADAMW = Optimiser(
    "AdamW",
    0.02,
    0.01,
    groups=(ParameterGroup("norm", decay=0.0), ParameterGroup("head.", lr=0.5)),
    clip_norm=1.0,
)
ALL = Stage(
    "all",
    8,
    4,
    ADAMW,
    SCHEDULE,
    Augmentation(short_sides=(24, 32, 40), crop=SIDE, quarter_turns=True, colour=True),
)
SGD = Optimiser("SGD", 0.1, 0.001, momentum=0.9)
RECIPES = {
    "plain": (ALL,),
    "two": (replace(ALL, name="head", iterations=5, optimiser=SGD), replace(ALL, choices={"weight": 0.5})),
    "objects": (Stage("objects", 4, 4, ADAMW, samples="objects", object_side=SIDE), ALL),
    "nan": (ALL,),
    "even": (replace(ALL, optimiser=SGD, augmentation=Augmentation(crop=SIDE)),),
    "long": (replace(ALL, iterations=4000),),
    "no-such-part": (replace(ALL, optimiser=replace(ADAMW, groups=(ParameterGroup("tail.", lr=0.5),))),),
}
CONFIGS = {"nan": {"fault": 4}, "even": {"plain": True}}


def recipe(variant: str, dataset: str) -> Recipe:
    """By the variant's name; for `few` alone."""
    if dataset != "few":
        raise UsageError(f"pupil has no recipe for {dataset}: choose --dataset few")
    return Recipe(RECIPES[variant], "ours", clip="")


METHOD = Method(
    card=MethodCard("pupil", "A Test", "none", 2026, "", "pixel", "Apache-2.0", "Apache-2.0"),
    variants=tuple(
        Variant(name, name, "training_plugin:build", {"*": INPUT}, CONFIGS.get(name, {}), embedded=True)
        for name in RECIPES
    ),
    load="training_plugin:load",
    recipe="training_plugin:recipe",
)
DATASET = DatasetCard(
    name="few",
    title="a dozen images",
    names=("ash", "birch", "cedar", "date"),
    seen=(True, True, False, True),
    full_size=IMAGES,
    split="val",
    open="training_plugin:open_few",
    source="",
    layout="",
    terms="",
    protocol_notes=("none",),
    matched_sides=(SIDE, SIDE),
    embedded=True,
    open_train="training_plugin:open_few",
)
NO_TRAINING = replace(DATASET, name="valonly", open_train="")


class Few(Dataset):
    """Two halves of two colours each, with noise; labels of 4 classes and ignored borders."""

    card = DATASET
    damaged = -1

    @property
    def ids(self) -> tuple[str, ...]:
        """Numbers."""
        return tuple(f"image{index}" for index in range(IMAGES))

    @property
    def identity(self) -> str:
        """Fixed."""
        return "few-1"

    def sample(self, index: int) -> Sample:
        """[32, 32]."""
        if index == self.damaged:
            raise DataError(f"image{index}: damaged")
        stream = np.random.RandomState(index)
        first, second = stream.permutation(len(COLOURS))[:2]
        labels = np.full((SIDE, SIDE), first, np.uint8)
        labels[:, SIDE // 2 :] = second
        image = np.array(COLOURS, np.float64)[labels] + stream.normal(0, 20, (SIDE, SIDE, 3))
        labels[0] = 255
        return Sample(self.ids[index], image.clip(0, 255).astype(np.uint8), labels)


def open_few(data_root: Path | None) -> Few:
    """Needs no folder."""
    return Few()


POINTS = {
    registry.METHOD_GROUP: {"pupil": "training_plugin:METHOD"},
    registry.DATASET_GROUP: {"few": "training_plugin:DATASET", "valonly": "training_plugin:NO_TRAINING"},
}


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add both to what is registered, in this process, for one test."""
    monkeypatch.setattr(registry, "entry_points", _points)


def register_for_good() -> None:
    """Add both to what is registered, in this process, for as long as it lives."""
    registry.entry_points = _points


def _points(group: str) -> list[EntryPoint]:
    ours = [EntryPoint(name=name, value=value, group=group) for name, value in POINTS[group].items()]
    return [*entry_points(group=group), *ours]
