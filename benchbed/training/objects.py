"""One object at a time, for learning prompts: the image inside the tight box of a seen class's mask, all else painted over.

zsseg's (SimSeg's) and DeOP's first stage, dossier simseg.md, section 3: `CropImageWithMask`, then a random resized crop to the
encoder's size, then a mirror image half of the time. A class's mask is all of its pixels in the image, as in the label map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import RandomResizedCrop

from benchbed.datasets.dataset import Dataset
from benchbed.errors import DataError
from benchbed.images import resize
from benchbed.input_spec import CLIP_MEAN, CLIP_STD
from benchbed.progress import Reporter
from benchbed.training.kept_samples import KeptSamples
from benchbed.training.presence import classes_present
from benchbed.training.seen_labels import IGNORED

# zsseg's proposal_classification configurations: least share of the box's area, and width / height of a random crop.
AREA: Final = 0.08
ASPECT: Final = (3 / 4, 4 / 3)
# zsseg draws objects_per_class with a generator of its own, seed 0, whatever the training's seed.
CHOICE_SEED: Final = 0
_ATTEMPTS: Final = 10

Fill = Literal["mean", "official"]


@dataclass(frozen=True)
class SeenObject:
    """One class in one image.

    Attributes:
        sample: index in the dataset.
        label: the class's label in the dataset, 0..K-1.
        seen: its place among the seen classes, 0..S-1.
    """

    sample: int
    label: int
    seen: int


class ObjectCrops(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Crops of seen classes' masks, as pairs (crop [3, S, S] float32 RGB, normalised for CLIP; seen class 0..S-1).

    Of each item only what is random differs from call to call; it comes from torch's global generator (`SeededDataset`).

    Args:
        dataset: an opened dataset with all K classes in its label maps.
        seen_table: from `benchbed.training.seen_labels.seen_table`.
        side: pixels a side of a crop, S.
        per_class: so many objects of each class, drawn once, with replacement; 0: every object once.
        fill: what the outside of the mask becomes after normalisation: "mean" is 0, the mean colour, as the methods fill
            their crops at inference; "official" is the mean itself, about 0.48, 0.46, 0.41, which the official training code
            fills in after normalising (a mismatch between its training and its inference).
        keep: keep decoded samples in memory, see `KeptSamples`.
        record_folder: where to keep what reading all label maps found, or None for nowhere.
        reporter: where the progress of that reading is shown.
        area: least share of the object's box that a random crop takes.
        mean, std: of the normalisation, per RGB channel, in 0..255 units.

    What is not as in the official code, as far as the dossier shows it: a crop that shows nothing of the mask is drawn again,
    ten times at most (then the whole box is taken); crops are square (zsseg's are 244 high and 224 wide, by a slip).
    """

    def __init__(
        self,
        dataset: Dataset,
        seen_table: Sequence[int],
        side: int,
        per_class: int = 0,
        fill: Fill = "mean",
        keep: bool = False,
        record_folder: Path | None = None,
        reporter: Reporter | None = None,
        area: float = AREA,
        mean: Sequence[float] = CLIP_MEAN,
        std: Sequence[float] = CLIP_STD,
    ) -> None:
        if fill not in ("mean", "official"):
            raise ValueError(f"fill={fill!r}: expected 'mean' or 'official'")
        self.dataset: Dataset = KeptSamples(dataset) if keep else dataset
        self.table = tuple(seen_table)
        self.side, self.per_class, self.fill = side, per_class, fill
        self.record_folder, self.reporter, self.area = record_folder, reporter, area
        self._mean = torch.tensor(mean, dtype=torch.float32).view(3, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32).view(3, 1, 1)

    @property
    def metainfo(self) -> dict[str, Any]:
        """mmengine's: the seen classes."""
        names = zip(self.dataset.card.names, self.table, strict=True)
        return {"classes": tuple(name for name, place in names if place != IGNORED), "palette": None}

    @cached_property
    def objects(self) -> tuple[SeenObject, ...]:
        """What can be drawn, in order; all label maps are read once for it.

        Raises:
            DataError: a label map cannot be read, or no image shows a seen class.
        """
        present = classes_present(self.dataset, self.record_folder, self.reporter)
        found = tuple(
            SeenObject(sample, label, self.table[label])
            for sample, labels in enumerate(present)
            for label in labels
            if self.table[label] != IGNORED
        )
        if not found:
            raise DataError(
                f"{self.dataset.card.name}: none of the {len(present):,} training images shows a seen class; "
                "put the dataset's own label maps there"
            )
        return self._drawn(found) if self.per_class else found

    @property
    def absent(self) -> tuple[str, ...]:
        """Names of the seen classes that no image shows: nothing of them can be learnt."""
        there = {each.label for each in self.objects}
        names = self.dataset.card.names
        return tuple(names[k] for k, place in enumerate(self.table) if place != IGNORED and k not in there)

    def _drawn(self, found: tuple[SeenObject, ...]) -> tuple[SeenObject, ...]:
        """`per_class` of each class, classes in order. `RandomState`'s numbers never change (NEP 19)."""
        stream = np.random.RandomState(CHOICE_SEED)
        of_class: dict[int, list[SeenObject]] = {}
        for each in found:
            of_class.setdefault(each.seen, []).append(each)
        return tuple(
            of_class[seen][place]
            for seen in sorted(of_class)
            for place in stream.choice(len(of_class[seen]), self.per_class, replace=True)
        )

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One random crop of one object.

        Raises:
            DataError: its image or label map cannot be read; the message names the file.
        """
        chosen = self.objects[index]
        sample = self.dataset.sample(chosen.sample)
        mask = sample.labels == chosen.label
        box = tight_box(mask)
        image, mask = random_crop(sample.image[box], mask[box], self.side, self.area)
        if torch.rand(()) < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        return self._filled(image, mask), chosen.seen

    def _filled(self, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()
        outside = torch.zeros(3, 1, 1) if self.fill == "mean" else self._mean / 255
        return torch.where(
            torch.from_numpy(np.ascontiguousarray(mask)), (pixels - self._mean) / self._std, outside
        )


def tight_box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around the True pixels of [H, W]; there must be one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def random_crop(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], side: int, area: float = AREA
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A random part of an object's box, resized to [side, side], aspect ratio not kept: bilinear, and nearest for the mask.

    Args:
        image: [h, w, 3] inside the tight box.
        mask: [h, w] there.
        side: pixels.
        area: the part's least share of the box.
    """
    for _ in range(_ATTEMPTS):
        # Of the tensor only height and width are looked at.
        top, left, height, width = RandomResizedCrop.get_params(
            torch.empty(mask.shape), [area, 1.0], list(ASPECT)
        )
        rows, columns = slice(top, top + height), slice(left, left + width)
        shown = nearest(mask[rows, columns], side)
        if shown.any():
            return resize(image[rows, columns], (side, side)), shown
    return resize(image, (side, side)), nearest(mask, side)


def nearest(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """[h, w] -> [side, side]: each pixel has the value at its centre."""
    rows, columns = (((np.arange(side) + 0.5) * length / side).astype(np.int64) for length in mask.shape)
    chosen: NDArray[np.bool_] = mask[rows[:, None], columns[None, :]]
    return chosen
