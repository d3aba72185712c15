"""`benchbed data list|get|check|where`. Imports no torch."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchbed import registry
from benchbed.data_get import DOWNLOADS, Getting, get, target_folder
from benchbed.datasets.dataset import Dataset, DatasetCard
from benchbed.datasets.lacking import LackingFiles
from benchbed.errors import EXIT_DONE, EXIT_MISSING, BenchError, DataError, UsageError
from benchbed.progress import Reporter
from benchbed.registry import DATASET_GROUP, dataset_card

ROOT: Final = "BENCHBED_DATA"
_SHOWN: Final = 12


@dataclass(frozen=True)
class GetFlags:
    """The flags of `benchbed data get`."""

    dataset: str
    to: Path | None
    source: Path | None
    split: str
    keep: bool


def list_data(as_json: bool) -> int:
    """Every registered dataset: whether it is here, and how it is got."""
    rows = [_row(dataset_card(name)) for name in registry.names(DATASET_GROUP)]
    if as_json:
        _print_json(rows)
        return EXIT_DONE
    for row in rows:
        print(f"{row['name']}: {row['classes']} classes, {row['images']:,} images; {row['state']}")
        for archive in row["archives"]:
            print(f"    {archive}")
    return EXIT_DONE


def _row(card: DatasetCard) -> dict[str, Any]:
    try:
        dataset = card.opened(None)
        state = f"here: {dataset.root or 'made on the fly'}, {dataset.coverage()}"
    except DataError as error:
        state = f"here, but cannot be read: {error}"
    except BenchError:
        by_hand = any(not each.url for each in card.archives)
        state = "not here" + (", a part to be got by hand" if by_hand else ", can be got")
    archives = [
        f"{each.file} ({each.size_words}, {each.what}): {each.url or f'by hand, {each.page}; {each.why_by_hand}'}"
        for each in card.archives
    ]
    return {
        "name": card.name,
        "classes": len(card.names),
        "images": card.full_size,
        "state": state,
        "archives": archives,
    }


def get_data(flags: GetFlags) -> int:
    """Download, unpack and convert; then open it, to say what is there now.

    Raises:
        BenchError: as `benchbed.data_get.get`, or the result cannot be opened.
    """
    card = dataset_card(flags.dataset)
    folder = target_folder(card, flags.to, os.environ.get(ROOT, ""))
    reporter = Reporter()
    get(Getting(card, folder, flags.source, flags.split, flags.keep), reporter)
    if flags.split == "train":
        print(folder)
        return EXIT_DONE
    try:
        dataset = card.opened(folder)
    except DataError as error:
        raise DataError(
            f"{error}; what was unpacked before is not unpacked again: remove {folder / DOWNLOADS} to have all of it anew"
        ) from error
    print(f"{dataset.root}")
    reporter.note(
        f"{card.name}: {dataset.coverage()}; pass --data-root {folder}, or set {ROOT} to the folder above"
    )
    return EXIT_DONE


def where_data(name: str, data_root: Path | None) -> int:
    """Print the folder that a run would read.

    Raises:
        MissingError: the data are not there; the message says where they are got.
    """
    card = dataset_card(name)
    dataset = card.opened(data_root)
    print(dataset.root if dataset.root is not None else "made on the fly")
    return EXIT_DONE


def check_data(name: str, data_root: Path | None, split: str, as_json: bool) -> int:
    """Read every file; 3 where one is bad or missing.

    Raises:
        MissingError: the data are not there at all.
    """
    from benchbed.data_check import check_dataset

    card = dataset_card(name)
    try:
        dataset = _opened(card, data_root, split)
    except LackingFiles as error:
        return _tell(card, {"images": None, "bad": list(error.each)}, as_json)
    checked = check_dataset(dataset, Reporter())
    absent = [each for each, pixels in zip(card.names, checked.labelled, strict=True) if not pixels]
    found = {
        "root": str(dataset.root),
        "coverage": dataset.coverage(),
        "images": checked.images,
        "bad": list(checked.bad),
        "classes_without_a_pixel": absent,
    }
    return _tell(card, found, as_json)


def _opened(card: DatasetCard, data_root: Path | None, split: str) -> Dataset:
    if split == "val":
        return card.opened(data_root)
    if split != "train" or not card.open_train:
        raise UsageError(
            f"--split {split}: {card.name} has {'val and train' if card.open_train else 'val alone'}"
        )
    dataset: Dataset = registry.resolve(card.open_train)(data_root)
    return dataset


def _tell(card: DatasetCard, found: dict[str, Any], as_json: bool) -> int:
    bad = found["bad"]
    if as_json:
        _print_json({"dataset": card.name, **found})
    else:
        for line in bad:
            print(line)
        print(_summary(card, found))
    return EXIT_MISSING if bad else EXIT_DONE


def _summary(card: DatasetCard, found: dict[str, Any]) -> str:
    bad = f"{len(found['bad']):,} bad" if found["bad"] else "all good"
    if found["images"] is None:
        return f"{card.name}: {len(found['bad']):,} files are missing; nothing else was read"
    absent = found["classes_without_a_pixel"]
    shown = ", ".join(absent[:_SHOWN]) + (", ..." if len(absent) > _SHOWN else "")
    rest = f"; {len(absent)} classes have no pixel: {shown}" if absent else "; every class has pixels"
    return f"{card.name}: {found['coverage']}, {bad}{rest}"


def _print_json(content: Any) -> None:
    print(json.dumps(content, indent=1, ensure_ascii=False))
