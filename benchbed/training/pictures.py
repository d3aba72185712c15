"""Pictures of one thing each and its class, augmented: what a backbone learns from before it sees scenes."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.datasets.dataset import Dataset, Pictures
from benchbed.errors import UsageError
from benchbed.registry import resolve

MOST_SHIFT: Final = 8  # pixels that a picture may be moved by, its border repeated


class PictureDraws(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Pictures as pairs (image [3, S, S] float32 RGB 0..255, seen class): turned, mirrored and moved by chance.

    Args:
        pictures: of seen classes.
    """

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One picture; what is random comes from torch's global generator (`SeededDataset`)."""
        image = torch.from_numpy(self.pictures.images[index]).permute(2, 0, 1).float()
        turns, mirrored = int(torch.randint(4, ())), bool(torch.randint(2, ()))
        down, across = torch.randint(2 * MOST_SHIFT + 1, (2,)).tolist()
        image = torch.rot90(image, turns, (1, 2))
        image = image.flip(2) if mirrored else image
        side = image.shape[1]
        padded = F.pad(image[None], (MOST_SHIFT,) * 4, mode="replicate")[0]
        return padded[:, down : down + side, across : across + side], int(self.pictures.labels[index])


def picture_draws(dataset: Dataset) -> PictureDraws:
    """The pictures that go with a dataset.

    Raises:
        UsageError: it has none.
    """
    if not dataset.card.open_pictures:
        raise UsageError(
            f"{dataset.card.name} has no pictures of single things to teach a backbone by; give the backbone's weights with "
            "--init backbone=FILE and a recipe without such a stage"
        )
    opened: Pictures = resolve(dataset.card.open_pictures)()
    return PictureDraws(opened)
