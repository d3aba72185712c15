"""From draws to batches, in this process or in loading workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchbed.errors import BenchError
from benchbed.training.draws import Draw, Draws, SeededDataset

Collate = Callable[[Sequence[Any]], Any]


class DrawLoader(DataLoader[Any]):
    """Endless batches of a dataset's draws, the same ones whatever the number of workers.

    Args:
        dataset: indexed by the sample index: `TrainingScenes`, `ObjectCrops` or `PictureDraws`.
        draws: which samples come, and with which augmentation.
        collate: from a list of items to a batch; mmengine's `pseudo_collate` for scenes, `collate_objects` for objects.
        workers: loading processes; 0 loads in this one.
    """

    def __init__(self, dataset: Any, draws: Draws, collate: Collate, workers: int = 0) -> None:
        super().__init__(
            _ErrorsAsItems(dataset, draws.seed),
            batch_sampler=draws,
            collate_fn=_ErrorsAsBatches(collate),
            num_workers=workers,
            # Cards of datasets cannot be pickled, and what was kept in memory before is shared.
            multiprocessing_context="fork" if workers else None,
            # A generator of its own: making workers must not advance the one that dropout draws from.
            generator=torch.Generator().manual_seed(draws.seed),
        )

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Begin at the draws' first step.

        Raises:
            DataError: a file is missing or damaged; the one sentence names it, also where a worker met it.
        """
        for batch in super().__iter__():
            if isinstance(batch, BenchError):
                raise batch
            yield batch


class _ErrorsAsItems(SeededDataset):
    """Hands errors on instead of raising them: raised in a worker they would arrive wrapped in a traceback, and the
    other workers would be waited for in vain, 5 s each (torch 2.15)."""

    def __getitem__(self, draw: Draw) -> Any:
        try:
            return super().__getitem__(draw)
        except BenchError as error:
            return error


@dataclass(frozen=True)
class _ErrorsAsBatches:
    collate: Collate

    def __call__(self, items: Sequence[Any]) -> Any:
        """The first error among the items, or their batch."""
        return next((item for item in items if isinstance(item, BenchError)), None) or self.collate(items)


def collate_objects(items: Sequence[tuple[Tensor, int]]) -> dict[str, Tensor]:
    """B crops or pictures and their seen classes -> `inputs` [B, 3, S, S] float32 and `labels` [B] int64."""
    crops, labels = zip(*items, strict=True)
    return {"inputs": torch.stack(crops), "labels": torch.tensor(labels, dtype=torch.int64)}
