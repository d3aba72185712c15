"""A bench dataset as mmsegmentation's transforms and mmengine's Runner want it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose
from mmseg.registry import DATASETS

from benchbed.datasets.dataset import Dataset
from benchbed.errors import DataError
from benchbed.progress import Reporter
from benchbed.training.kept_samples import KeptSamples
from benchbed.training.presence import classes_present

Transform = dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]]


@DATASETS.register_module()
class TrainingScenes(torch.utils.data.Dataset[Any]):
    """Images and label maps of a bench dataset, behind a pipeline of mmsegmentation's transforms.

    Nothing is drawn at random here, and no sample is silently replaced by another: item `i` is always the same sample.

    Args:
        dataset: an opened dataset, usually from its card's `open_train`.
        pipeline: configurations or callables, as `training_pipeline` makes them.
        keep: keep decoded samples in memory, see `KeptSamples`.
        drop_without_seen: leave out images without a single pixel of a seen class, as the authors of the mask methods
            do; all label maps are read once for it, when the number of samples is first asked for.
        drop_with_unseen: leave out images that show an unseen class, as ZS3Net does.
        record_folder: where to keep what that reading found, or None for nowhere.
        reporter: where the progress of that reading is shown.
    """

    def __init__(
        self,
        dataset: Dataset,
        pipeline: Sequence[Transform],
        keep: bool = False,
        drop_without_seen: bool = False,
        drop_with_unseen: bool = False,
        record_folder: Path | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        self.dataset: Dataset = KeptSamples(dataset) if keep else dataset
        self.pipeline = Compose(list(pipeline))
        self.drop_without_seen, self.drop_with_unseen = drop_without_seen, drop_with_unseen
        self.record_folder, self.reporter = record_folder, reporter

    @property
    def metainfo(self) -> dict[str, Any]:
        """mmengine's: the seen classes, which are those that a training pipeline's labels count."""
        card = self.dataset.card
        names = tuple(name for name, seen in zip(card.names, card.seen, strict=True) if seen)
        return {"classes": names, "palette": None}

    @cached_property
    def indices(self) -> tuple[int, ...]:
        """The dataset's indices of the samples used, in order."""
        if not (self.drop_without_seen or self.drop_with_unseen):
            return tuple(range(len(self.dataset)))
        present = classes_present(self.dataset, self.record_folder, self.reporter)
        return tuple(index for index, classes in enumerate(present) if self._used(classes))

    def _used(self, classes: tuple[int, ...]) -> bool:
        seen = [self.dataset.card.seen[k] for k in classes]
        return not (self.drop_without_seen and not any(seen)) and not (
            self.drop_with_unseen and not all(seen)
        )

    @property
    def dropped(self) -> tuple[str, ...]:
        """Ids of the samples left out."""
        used, ids = set(self.indices), self.dataset.ids
        return tuple(name for index, name in enumerate(ids) if index not in used)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        """One sample after the pipeline.

        Raises:
            DataError: a file is missing or damaged, or its image and labels differ in size; the message names it.
            Exception: whatever a transform raises, with a note that names the sample.
        """
        results = self.loaded(index)
        try:
            return self.pipeline(results)
        except Exception as error:
            error.add_note(f"while {results['img_path']} of {self.dataset.card.name} was being augmented")
            raise

    def loaded(self, index: int) -> dict[str, Any]:
        """mmsegmentation's results dict of one sample, before any transform; its arrays are the caller's own.

        `img` [H, W, 3] uint8 BGR, `gt_seg_map` [H, W] with the dataset's own labels.
        """
        sample = self.dataset.sample(self.indices[index])
        size = sample.image.shape[:2]
        if sample.labels.shape != size:
            raise DataError(
                f"{self.dataset.card.name} sample {sample.id}: the image has {size} pixels (height, width) but the labels "
                f"have {sample.labels.shape}: equal sizes are expected; put the dataset's own pair there"
            )
        return {
            "img": np.ascontiguousarray(sample.image[:, :, ::-1]),
            "gt_seg_map": sample.labels.copy(),
            "img_path": sample.id,
            "img_shape": size,
            "ori_shape": size,
            "seg_fields": ["gt_seg_map"],
            "reduce_zero_label": False,
        }
