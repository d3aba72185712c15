"""What every dataset is: a card that costs nothing to read, and samples in a fixed order. Free of torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.archive import Archive
from benchbed.registry import resolve
from benchbed.vocabulary import Vocabulary


@dataclass(frozen=True)
class DatasetCard:
    """What an entry point of the group `benchbed.datasets` names.

    Attributes:
        name: the name used on the command line.
        title: one line for `benchbed list datasets`.
        names: K class names in label order.
        seen: K flags of the zero-shot split.
        full_size: images in the official evaluation split.
        split: the evaluation split's name, e.g. "val".
        open: "module:callable" with signature `(data_root: Path | None) -> Dataset`.
        source: where a person gets the data, or "" where nothing needs to be got.
        layout: what `--data-root` must hold.
        terms: the data's licence or terms of use.
        protocol_notes: the rules that change numbers, each one sentence; every table shows the first.
        background: what happens to pixels of no class, one sentence; part of the protocol's fingerprint.
        ignore: the label value of ignored pixels.
        embedded: made by this package; small; ranks nothing in the real world.
        matched_sides: short and longest side, pixels, of protocol `matched`.
        spellings: author -> K class names as that author's code puts them into prompts.
        open_train: "module:callable" with signature `(data_root: Path | None) -> Dataset`: the training split, its label
            maps with all K classes (training itself drops the unseen ones); "" where there is none to open.
        open_pictures: "module:callable" with signature `() -> Pictures`: pictures of one thing each, of seen classes alone,
            for a backbone's first lessons; "" where recipes take a backbone's weights from a file.
        like: another dataset's name, whose published inputs and settings serve this one as well: the same images under
            another rule; "" for none.
        archives: the published files it is made of, for `benchbed data get`.
        convert: "module:callable" with signature `(folder: Path, split: str) -> None` that turns the unpacked archives into
            what `open` reads; "" where they are read as they are.
        home: the subfolder of `$BENCHBED_DATA` where several datasets share their files; "" for the name itself.
    """

    name: str
    title: str
    names: tuple[str, ...]
    seen: tuple[bool, ...]
    full_size: int
    split: str
    open: str
    source: str
    layout: str
    terms: str
    protocol_notes: tuple[str, ...]
    matched_sides: tuple[int, int]
    background: str = "no rule: every labelled pixel has a class"
    ignore: int = 255
    embedded: bool = False
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    open_train: str = ""
    open_pictures: str = ""
    like: str = ""
    archives: tuple[Archive, ...] = ()
    convert: str = ""
    home: str = ""

    @property
    def folder_name(self) -> str:
        """The subfolder of `$BENCHBED_DATA` that holds it."""
        return self.home or self.published_as

    @property
    def published_as(self) -> str:
        """The dataset name under which papers' inputs and settings are looked up."""
        return self.like or self.name

    def opened(self, data_root: Path | None) -> Dataset:
        """Open the evaluation split, as `open` says.

        Raises:
            MissingError: the data are not there, or only in part.
        """
        dataset: Dataset = resolve(self.open)(data_root)
        return dataset

    def vocabulary(self, spellings: tuple[str, ...] = ()) -> Vocabulary:
        """The classes, spelt for prompts as the first of `spellings` that this dataset knows."""
        author = next((name for name in spellings if name in self.spellings), "")
        return Vocabulary(self.names, self.seen, self.spellings.get(author, ()))


@dataclass(frozen=True)
class Sample:
    """One image and its ground truth.

    Attributes:
        id: unique within the dataset; stable across machines.
        image: [H, W, 3] uint8 RGB.
        labels: [H, W] uint8 or uint16; 0..K-1, or the card's `ignore`.
    """

    id: str
    image: NDArray[np.uint8]
    labels: NDArray[np.integer]


@dataclass(frozen=True)
class Pictures:
    """Pictures of one thing each, as an image classifier's training set has them.

    Attributes:
        images: [N, S, S, 3] uint8 RGB.
        labels: [N] int64, places among the seen classes, 0..S-1.
        identity: digest of what decides the content.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    identity: str


class Dataset(ABC):
    """An opened dataset: `len(dataset)` samples that can be read in any order."""

    card: DatasetCard

    @property
    @abstractmethod
    def ids(self) -> tuple[str, ...]:
        """All sample ids, in the order of the split's list."""

    @abstractmethod
    def sample(self, index: int) -> Sample:
        """Read one sample.

        Raises:
            DataError: the file is missing, damaged or malformed; the message names it.
        """

    @property
    @abstractmethod
    def identity(self) -> str:
        """A digest that changes whenever the ids or the content could: what a record stores to tell datasets apart."""

    @property
    def root(self) -> Path | None:
        """The folder the data was found in, or None where it is generated."""
        return None

    def __len__(self) -> int:
        return len(self.ids)

    def coverage(self, used: int | None = None) -> str:
        """How much of the official split this is, e.g. "347 of 1,449 images"."""
        return f"{len(self) if used is None else used:,} of {self.card.full_size:,} images"
