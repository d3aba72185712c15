"""A dataset whose photos and label maps are files, one of each a sample."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import Dataset, Sample
from benchbed.datasets.image_file import read_photo
from benchbed.datasets.matching_sizes import check_sizes


class FileDataset(Dataset):
    """Says where the files of a sample are, so that a label map that was decoded before need not be decoded again."""

    @abstractmethod
    def photo_file(self, index: int) -> Path:
        """The file of a photo. Raises IndexError: no such sample."""

    @abstractmethod
    def mask_file(self, index: int) -> Path:
        """The file of a label map. Raises IndexError: no such sample."""

    @abstractmethod
    def labels(self, index: int) -> NDArray[np.integer]:
        """The labels of one sample alone, [H, W], decoded from its file; its photo is not read.

        Raises:
            DataError: the file is damaged, no label file, or holds labels out of range.
            IndexError: no such sample.
        """

    def sample(self, index: int) -> Sample:
        """Read one photo [H, W, 3] uint8 RGB and its labels [H, W].

        Raises:
            DataError: a file is damaged, no label file, holds labels out of range, or the two differ in size.
            IndexError: no such sample.
        """
        return self.joined(index, self.labels(index))

    def joined(self, index: int, labels: NDArray[np.integer]) -> Sample:
        """Read one photo and put it together with its labels [H, W], which the caller has.

        Raises:
            DataError: the photo is damaged, or of another size than the labels.
            IndexError: no such sample.
        """
        path = self.photo_file(index)
        image = read_photo(path)
        check_sizes(path, image, self.mask_file(index), labels)
        return Sample(self.ids[index], image, labels)
