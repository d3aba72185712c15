"""Which sample comes when, and with which random augmentation: a function of the seed and a running number alone.

Draw `n` is the same sample with the same augmentation in one process or eight, with any number of loading workers, and
after a resume: step `s` uses the draws `s * batch ... (s + 1) * batch - 1`, whoever computes them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from benchbed.errors import UsageError

# First words of the seed sequences: orders and augmentations never share a stream.
_ORDER, _AUGMENTATION = 1, 2

Draw = tuple[int, int]


@lru_cache(maxsize=4)  # the current pass, the next one, and the same of one more sampler
def order(size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The permutation [size] of sample indices in pass `epoch` (0, 1, ...) over the data.

    Drawn with `RandomState`, whose numbers NumPy promises never to change (NEP 19).
    """
    stream = np.random.RandomState(np.random.MT19937(np.random.SeedSequence((_ORDER, seed, epoch))))
    permuted: NDArray[np.int64] = stream.permutation(size)
    permuted.setflags(write=False)  # one array serves every caller
    return permuted


def sample_of(number: int, size: int, seed: int) -> int:
    """The index of the sample that draw `number` takes: every sample once in each pass over the data."""
    epoch, place = divmod(number, size)
    return int(order(size, seed, epoch)[place])


def augmentation_seed(number: int, seed: int) -> int:
    """32 bits from which draw `number` takes its random augmentation."""
    return int(np.random.SeedSequence((_AUGMENTATION, seed, number)).generate_state(1)[0])


class Draws(Sampler[list[Draw]]):
    """An endless batch sampler: each step's share of this process, as pairs (number of the draw, sample index).

    It has no length, for it never ends. To resume after `s` steps, make one with `first_step=s`: nothing is skipped by
    loading it.

    Args:
        size: samples in the dataset.
        batch: samples a step, over all processes together.
        seed: 0 or more; another one is another order.
        first_step: where to begin.
        rank: this process, 0 .. world - 1: it takes every `world`-th draw of a step.
        world: how many processes share a step.

    Raises:
        UsageError: the processes cannot share a batch evenly.
        ValueError: a number is out of range.
    """

    def __init__(
        self, size: int, batch: int, seed: int, first_step: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        if size < 1 or batch < 1 or world < 1 or seed < 0 or first_step < 0 or not 0 <= rank < world:
            raise ValueError(f"{size=}, {batch=}, {seed=}, {first_step=}, {rank=}, {world=}: out of range")
        if batch % world:
            raise UsageError(
                f"{world} processes cannot share a batch of {batch} evenly: start a number of processes that divides {batch}"
            )
        self.size, self.batch, self.seed = size, batch, seed
        self.first_step, self.rank, self.world = first_step, rank, world

    def __iter__(self) -> Iterator[list[Draw]]:
        """Begin at `first_step`, each time."""
        step = self.first_step
        while True:
            yield self.step(step)
            step += 1

    def step(self, step: int) -> list[Draw]:
        """This process's draws of one step, in order."""
        numbers = range(step * self.batch + self.rank, (step + 1) * self.batch, self.world)
        return [(number, sample_of(number, self.size, self.seed)) for number in numbers]


class SeededDataset(Dataset[Any]):
    """Any dataset whose items depend on global random state, made a function of the draw.

    Args:
        dataset: indexed by the sample index; its transforms may use `random`, `numpy.random` and torch's CPU generator.
        seed: as given to `Draws`.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    @property
    def metainfo(self) -> dict[str, Any]:
        """That of the wrapped dataset, for mmengine."""
        return dict(getattr(self.dataset, "metainfo", {}))

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, draw: Draw) -> Any:
        """The sample of one draw."""
        number, index = draw
        with seeded(augmentation_seed(number, self.seed)):
            return self.dataset[index]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed `random`, `numpy.random` and torch's CPU generator with `seed` (32 bits); put them back as they were afterwards.

    The generators of GPUs are not touched: `torch.manual_seed` would re-seed them, and a model's dropout with them.
    """
    python, numpy, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(torch_state)
