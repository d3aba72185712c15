"""Batches: the same ones with and without workers, and for any number of processes; errors in one sentence."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor
from voc_devkit import write_devkit

from benchbed.datasets.shapes import ShapesScenes
from benchbed.datasets.voc import open_voc
from benchbed.errors import DataError
from benchbed.progress import Reporter
from benchbed.training.batches import batches as batches_of
from benchbed.training.draws import Draws
from benchbed.training.loading import DrawLoader, collate_objects
from benchbed.training.objects import ObjectCrops
from benchbed.training.pipelines import training_pipeline
from benchbed.training.processes import Processes
from benchbed.training.recipe import Augmentation
from benchbed.training.scenes import TrainingScenes
from benchbed.training.seen_labels import seen_table
from methods.san.recipe import recipe

FULL = Augmentation(short_sides=(64, 96), longest_side=200, crop=80, quarter_turns=True, colour=True)


@pytest.fixture(scope="module")
def scenes() -> TrainingScenes:
    dataset = ShapesScenes("train", 10)
    return TrainingScenes(dataset, training_pipeline(FULL, seen_table(dataset.card.seen)), keep=True)


@pytest.fixture(scope="module")
def objects() -> ObjectCrops:
    dataset = ShapesScenes("train", 10)
    return ObjectCrops(dataset, seen_table(dataset.card.seen), 16, keep=True)


def pixels(batch: dict[str, Any]) -> list[Tensor]:
    """Images and label maps of a batch of scenes."""
    return [*batch["inputs"], *(sample.gt_sem_seg.data for sample in batch["data_samples"])]


def batches(scenes: TrainingScenes, count: int, workers: int = 0, **keywords: Any) -> list[list[Tensor]]:
    draws = Draws(len(scenes), **{"batch": 4, "seed": 3, **keywords})
    return [pixels(batch) for batch in islice(DrawLoader(scenes, draws, pseudo_collate, workers), count)]


def same(first: list[list[Tensor]], second: list[list[Tensor]]) -> bool:
    return len(first) == len(second) and all(
        len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(scenes: TrainingScenes, workers: int) -> None:
    assert same(batches(scenes, 6, workers=workers), batches(scenes, 6))


def test_seeds_and_steps_change_everything(scenes: TrainingScenes) -> None:
    first = batches(scenes, 6)
    assert not same(batches(scenes, 6, seed=4), first)
    flat = [each.numpy().tobytes() for batch in first for each in batch[:4]]
    assert len(set(flat)) == 24  # ten samples, but never the same picture twice


def test_a_resumed_loader_goes_on_where_the_other_stopped(scenes: TrainingScenes) -> None:
    assert same(batches(scenes, 3, first_step=4), batches(scenes, 7)[4:])


def test_two_processes_see_one_processs_batches(scenes: TrainingScenes) -> None:
    whole = batches(scenes, 4)
    halves = [batches(scenes, 4, rank=rank, world=2) for rank in range(2)]
    for step in range(4):
        # Draws 0 and 2 of a step go to process 0, draws 1 and 3 to process 1; labels follow the images.
        for place in range(4):
            mine = halves[place % 2][step]
            assert torch.equal(whole[step][place], mine[place // 2])
            assert torch.equal(whole[step][4 + place], mine[2 + place // 2])


@pytest.mark.parametrize("workers", [0, 2])
def test_the_trainings_own_generators_are_left_alone(scenes: TrainingScenes, workers: int) -> None:
    def after(count: int) -> tuple[float, float, float]:
        random.seed(1)
        np.random.seed(2)
        torch.manual_seed(3)
        if count:
            batches(scenes, count, workers=workers)
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    assert after(3) == after(0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_file_is_named_in_one_sentence(tmp_path: Path, workers: int) -> None:
    kit = write_devkit(tmp_path)
    kit.image(kit.ids[2]).write_bytes(kit.image(kit.ids[2]).read_bytes()[:500])
    dataset = open_voc(tmp_path)
    damaged = TrainingScenes(dataset, training_pipeline(FULL, seen_table(dataset.card.seen)))
    with pytest.raises(DataError) as caught:
        batches(damaged, 1, workers=workers)
    message = str(caught.value)
    assert message.startswith(str(kit.image(kit.ids[2])))
    assert "\n" not in message
    assert "Traceback" not in message


def test_a_trainings_workers_name_a_damaged_file_too(tmp_path: Path) -> None:
    kit = write_devkit(tmp_path)
    for name in kit.ids:
        kit.image(name).write_bytes(kit.image(name).read_bytes()[:500])
    stage = replace(recipe("vit-b16", "voc").stages[0], augmentation=FULL, batch=2)
    loader = batches_of(stage, open_voc(tmp_path), 0, 0, Processes(), 1, tmp_path, Reporter())
    with pytest.raises(DataError) as caught:
        next(iter(loader))
    assert "Traceback" not in str(caught.value)


def test_objects(objects: ObjectCrops) -> None:
    draws = Draws(len(objects), 5, 0)
    first = next(iter(DrawLoader(objects, draws, collate_objects)))
    again = next(iter(DrawLoader(objects, draws, collate_objects, workers=1)))
    assert first["inputs"].shape == (5, 3, 16, 16)
    assert first["labels"].dtype == torch.int64
    assert first["labels"].tolist() == [objects.objects[index].seen for _, index in draws.step(0)]
    assert torch.equal(first["inputs"], again["inputs"])
    assert torch.equal(first["labels"], again["labels"])
