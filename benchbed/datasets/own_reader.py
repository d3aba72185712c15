"""A person's own images, as the bench reads them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from benchbed.datasets.dataset import DatasetCard
from benchbed.datasets.pair_folder import PairFolder
from benchbed.datasets.pair_reader import PairDataset


class OwnDataset(PairDataset):
    """All images that the TOML file names are the whole split.

    Raises:
        DataError: there are none, or some lack a file.
    """

    def __init__(self, card: DatasetCard, folder: PairFolder) -> None:
        super().__init__(card, folder)
        self.card = replace(card, full_size=len(self))

    @property
    def identity(self) -> str:
        """SHA-256 over what `PairDataset` says and which mask value is which label."""
        values = sorted(self.folder.layout.rule.mapping.items())
        return hashlib.sha256(f"{super().identity} {values}".encode()).hexdigest()
