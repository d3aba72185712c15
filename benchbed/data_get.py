"""`benchbed data get`: archives downloaded or handed over, unpacked and converted into what the dataset's reader takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchbed.datasets.archive import Archive
from benchbed.datasets.dataset import DatasetCard
from benchbed.download.digests import check_digests
from benchbed.download.room import check_room
from benchbed.download.transfer import download
from benchbed.download.unpack import unpack
from benchbed.errors import DataError, MissingError, StoreError, UsageError
from benchbed.progress import Reporter
from benchbed.registry import resolve

DOWNLOADS: Final = "downloads"
SPLITS: Final = ("val", "train", "all")


@dataclass(frozen=True)
class Getting:
    """What was asked for.

    Attributes:
        card: the dataset.
        folder: where it goes.
        source: a folder with archives that a person has got already, or None.
        split: "val", "train" or "all".
        keep: leave downloaded archives on the disk.
    """

    card: DatasetCard
    folder: Path
    source: Path | None
    split: str
    keep: bool

    @property
    def archives(self) -> tuple[Archive, ...]:
        """Those of the split; evaluation's are needed for training too."""
        return tuple(each for each in self.card.archives if self.split != "val" or each.split == "val")


def get(getting: Getting, reporter: Reporter) -> None:
    """Do it; what an earlier, interrupted call has done is not done again.

    Raises:
        UsageError: the dataset needs nothing, or says nothing of where it is.
        MissingError: an archive must be got by hand, or the network is gone.
        DataError: an archive is not the published one, damaged, or points outside.
        StoreError: the disk is full or cannot be written.
    """
    _check_asked(getting)
    missing = [each for each in getting.archives if not each.url and _place(getting, each) is None]
    missing = [each for each in missing if not _unpacked(getting, each)]
    if missing:
        raise _by_hand(getting, missing)
    todo = [each for each in getting.archives if not _unpacked(getting, each)]
    loads = [each for each in todo if _place(getting, each) is None]
    check_room(
        getting.folder, sum(2 * each.bytes for each in loads), f"{getting.card.name} with its archives"
    )
    for archive in todo:
        _bring(getting, archive, reporter)
    if getting.card.convert:
        for split in ("val", "train") if getting.split == "all" else (getting.split,):
            reporter.note(f"{getting.card.name}: converting {split}")
            resolve(getting.card.convert)(getting.folder, split)


def _check_asked(getting: Getting) -> None:
    card = getting.card
    if card.embedded:
        raise UsageError(f"dataset {card.name} is made on the fly: there is nothing to get")
    if not card.archives:
        raise UsageError(f"dataset {card.name} names no archives to get: {card.source or 'ask its authors'}")
    if getting.split not in SPLITS:
        raise UsageError(f"--split {getting.split}: expected one of {', '.join(SPLITS)}")
    if getting.source is not None and not getting.source.is_dir():
        raise UsageError(f"--from {getting.source} is no folder: expected the one that holds the archives")


def _bring(getting: Getting, archive: Archive, reporter: Reporter) -> None:
    """Archive to files; a mark beside the downloads says that it is done."""
    found = _place(getting, archive)
    if found is None:
        path = download(archive, getting.folder / DOWNLOADS, reporter)
    else:
        path = found
        check_digests(path, archive)
    if not archive.digests:
        reporter.note(
            f"{path}: no checksum of it is known, so that it cannot be verified; unpacking it as it is"
        )
    unpack(path, getting.folder / archive.below, reporter)
    mark = _mark(getting, archive)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        if path.parent == mark.parent and not getting.keep:
            path.unlink()
    except OSError as error:
        raise StoreError(
            f"{mark} cannot be written: {error.strerror}; free space or pass another folder as --to, then run the same command"
        ) from error


def _place(getting: Getting, archive: Archive) -> Path | None:
    """The archive, where it is there already: handed over, or downloaded before."""
    folders = [getting.folder / DOWNLOADS] + ([getting.source] if getting.source else [])
    return next((folder / archive.file for folder in folders if (folder / archive.file).is_file()), None)


def _mark(getting: Getting, archive: Archive) -> Path:
    return getting.folder / DOWNLOADS / f"{archive.file}.unpacked"


def _unpacked(getting: Getting, archive: Archive) -> bool:
    """By us, or, for what cannot be downloaded, by a person's hand."""
    if _mark(getting, archive).is_file():
        return True
    by_hand = archive.holds and not archive.url and _place(getting, archive) is None
    return bool(by_hand and next(getting.folder.glob(archive.holds), None))


def _by_hand(getting: Getting, missing: list[Archive]) -> MissingError:
    files = "; ".join(
        f"{each.file} ({each.size_words}) from {each.page}: {each.why_by_hand}" for each in missing
    )
    where = "the folder of --from" if getting.source is None else str(getting.source)
    return MissingError(
        f"dataset {getting.card.name}: to be got by hand, into {where}: {files}; then run "
        f"`benchbed data get {getting.card.name} --from FOLDER --to {getting.folder}`"
    )


def target_folder(card: DatasetCard, given: Path | None, root: str) -> Path:
    """Where a dataset goes: `--to`, or its subfolder of `$BENCHBED_DATA`.

    Raises:
        UsageError: neither is there.
        DataError: the place is a file.
    """
    if given is None and not root:
        raise UsageError(
            f"where to? pass --to DIR, or set BENCHBED_DATA to a folder, whose subfolder {card.folder_name} is then filled"
        )
    folder = given.expanduser() if given is not None else Path(root).expanduser() / card.folder_name
    if folder.exists() and not folder.is_dir():
        raise DataError(f"--to {folder} is a file: a folder is expected; pass another path")
    return folder
