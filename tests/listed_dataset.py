"""A bench dataset made of given arrays, for tests of training data. `import listed_dataset`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import Dataset, DatasetCard, Sample

# Unseen classes lie scattered, as in `shapes` and COCO-Stuff.
SEEN = (True, False, True, True, False, True, False)


def card(seen: Sequence[bool] = SEEN, name: str = "listed") -> DatasetCard:
    """A card with one class a flag."""
    names = tuple(f"class {label}" for label in range(len(seen)))
    return DatasetCard(
        name=name,
        names=names,
        seen=tuple(seen),
        full_size=9,
        split="val",
        protocol_notes=("made for a test",),
        matched_sides=(32, 64),
        title="",
        open="",
        source="",
        layout="",
        terms="",
    )


class ListedDataset(Dataset):
    """Samples of label maps [H, W]; images show the label, or what is given. `reads` counts how often one was read."""

    def __init__(
        self,
        labels: Sequence[NDArray[np.integer]],
        images: Sequence[NDArray[np.uint8]] | None = None,
        seen: Sequence[bool] = SEEN,
    ) -> None:
        self.card = card(seen)
        self.all_labels = list(labels)
        self.images = list(images or [np.repeat(each.astype(np.uint8)[..., None], 3, -1) for each in labels])
        self.reads = 0

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(f"sample-{index}" for index in range(len(self.all_labels)))

    @property
    def identity(self) -> str:
        return hashlib.sha256(b"".join(each.tobytes() for each in self.all_labels)).hexdigest()

    def sample(self, index: int) -> Sample:
        self.reads += 1
        return Sample(self.ids[index], self.images[index].copy(), self.all_labels[index].copy())


def random_maps(count: int, seed: int, classes: int = len(SEEN)) -> list[NDArray[np.uint16]]:
    """Label maps of blocks: all classes, values of none, 255 and 65535; sizes differ."""
    random = np.random.default_rng(seed)
    values = np.array([*range(classes), classes, 200, 254, 255, 65535], np.uint16)
    maps = []
    for _ in range(count):
        blocks = random.choice(values, size=tuple(random.integers(2, 6, size=2)))
        maps.append(np.kron(blocks, np.ones((12, 12), np.uint16)).astype(np.uint16))
    return maps
