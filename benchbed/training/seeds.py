"""Seeds that are a function of what they are for: a training that goes on draws what an uninterrupted one draws."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_of(seed: int, *purpose: int) -> int:
    """A 63-bit seed for one purpose (stage, iteration, process, ...) of a training of this seed; unlike any other purpose's."""
    # The count of numbers is part of the entropy: SeedSequence takes (1,) and (1, 0) for the same.
    words = np.random.SeedSequence([seed, len(purpose), *purpose]).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def sow(seed: int) -> None:
    """Set every generator that a network or a library may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def generators_kept() -> Iterator[None]:
    """Whatever is drawn inside leaves every generator as it was."""
    python, arrays = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)
