"""Training batches of a stage: the bench's dataset behind mmsegmentation's transforms, drawn batch n always the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dataset import pseudo_collate

from benchbed.datasets.dataset import Dataset
from benchbed.errors import DataError
from benchbed.progress import Reporter
from benchbed.training.draws import Draws
from benchbed.training.loading import DrawLoader, collate_objects
from benchbed.training.objects import ObjectCrops
from benchbed.training.pictures import picture_draws
from benchbed.training.pipelines import training_pipeline
from benchbed.training.presence import classes_present
from benchbed.training.processes import Processes
from benchbed.training.recipe import Stage
from benchbed.training.scenes import TrainingScenes
from benchbed.training.seen_labels import seen_table


def batches(
    stage: Stage,
    dataset: Dataset,
    seed: int,
    done: int,
    processes: Processes,
    workers: int,
    folder: Path,
    reporter: Reporter,
) -> DrawLoader:
    """An endless loader of this process's share of each batch; with loading workers or without, the same batches.

    Args:
        stage: says what a sample is and how it is augmented.
        dataset: the training split; labels of all classes.
        seed: of the stage.
        done: iterations finished before.
        processes: among which a batch is shared.
        workers: loading processes.
        folder: where what is found on reading all label maps is kept.
        reporter: where that reading shows its progress.

    Raises:
        DataError: no image shows a seen class.
    """
    samples = _samples(stage, dataset, folder, reporter)
    if len(samples) == 0:
        raise DataError(
            f"{dataset.card.name}: none of its training images shows a seen class; put the dataset's own label maps there"
        )
    draws = Draws(len(samples), stage.batch, seed, done, processes.rank, processes.world)
    collate = pseudo_collate if stage.samples == "scenes" else collate_objects
    return DrawLoader(samples, draws, collate, workers)


def _samples(stage: Stage, dataset: Dataset, folder: Path, reporter: Reporter) -> Any:
    if stage.samples == "pictures":
        return picture_draws(dataset)
    table = seen_table(dataset.card.seen)
    if stage.samples == "objects":
        return ObjectCrops(
            dataset,
            table,
            stage.object_side,
            stage.objects_per_class,
            record_folder=folder,
            reporter=reporter,
            area=stage.object_area,
        )
    classes_present(dataset, folder, reporter)  # recorded in the folder, where the scenes look for it
    pipeline = training_pipeline(stage.augmentation, table)
    return TrainingScenes(
        dataset,
        pipeline,
        drop_without_seen=True,
        drop_with_unseen=stage.seen_scenes,
        record_folder=folder,
    )
