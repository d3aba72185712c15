"""A person's own folder as a dataset, described by one TOML file.

    name = "street"
    images = "photos"              # folders and files are looked for beside the TOML file
    masks = "labels"
    classes = ["road", "car", "sky"]    # or "classes.txt", one name a line
    unseen = ["sky"]               # or seen = [...]; each may be a file too; neither: every class counts as unseen
    ignored = [255]                # mask values that are no class

Further keys, each with a default: `title`, `first` (mask value of the first class, 0), `values` (mask value of each class, in
place of `first`), `prompts` (words for prompts, one a class), `list` (a file with one image id a line), `mask_ending`
(".png"), `photo_endings` ([".jpg", ".jpeg", ".png"]), `background` (a sentence), `matched_sides` ([512, 2048]).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from benchbed.datasets.dataset import Dataset, DatasetCard
from benchbed.datasets.own_file import OwnFile, read_own_file
from benchbed.errors import DataError
from benchbed.vocabulary import Vocabulary

# The author under which a person's own `prompts` stand; every method takes them.
_OWN: Final = "own"
_UNSPLIT: Final = (
    "No seen/unseen list was given: no class is marked as seen, so mIoU is the figure to compare"
)


@dataclass(frozen=True)
class OwnCard(DatasetCard):
    """The card of a TOML file.

    Attributes:
        file: what the TOML file says.
    """

    file: OwnFile = field(default_factory=OwnFile)

    def opened(self, data_root: Path | None) -> Dataset:
        """Open the images; folders lie beside the TOML file, or below `data_root` where one is given.

        Raises:
            DataError: a folder is missing, or files are.
        """
        from benchbed.datasets.own_reader import OwnDataset
        from benchbed.datasets.pair_folder import PairFolder

        root = self.file.path.parent if data_root is None else data_root
        how = f"correct `images` and `masks` in {self.file.path}"
        return OwnDataset(self, PairFolder(root, self.file.layout(), how))

    def vocabulary(self, spellings: tuple[str, ...] = ()) -> Vocabulary:
        """The classes, spelt as the TOML file's `prompts` where it has them."""
        return super().vocabulary((_OWN,))


def read_own(path: Path) -> OwnCard:
    """The card of a TOML file.

    Raises:
        DataError: the file is missing, no TOML, lacks a key, has an unknown one or one of another kind.
    """
    file = read_own_file(path)
    _check_name(file)
    notes = ("A person's own data: its figures compare with nothing outside them",)
    split = () if file.seen or file.unseen else (_UNSPLIT,)
    return OwnCard(
        name=file.name,
        title=file.title or f"{file.name}, {len(file.classes)} classes, from {path.name}",
        names=file.classes,
        seen=file.flags(),
        full_size=0,
        split="own",
        open="",
        source=str(path),
        layout=f"`images` and `masks` of {path}",
        terms="yours",
        protocol_notes=(*notes, *split),
        matched_sides=file.matched_sides,
        background=file.background or f"mask values {', '.join(map(str, file.ignored))} are ignored",
        ignore=file.ignore,
        spellings=MappingProxyType({_OWN: file.prompts} if file.prompts else {}),
        file=file,
    )


def _check_name(file: OwnFile) -> None:
    from benchbed.registry import DATASET_GROUP, names

    if file.name in names(DATASET_GROUP):
        raise DataError(
            f"{file.path}: name = {file.name!r} is a dataset of benchbed's; give yours another name"
        )
