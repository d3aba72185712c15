"""The journal: nothing counted is lost, nothing torn is believed, and two runs never write one file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchbed.errors import StoreError
from benchbed.journal import journal
from benchbed.metrics import ImageCounts

CLASSES = 5


def row(name: str, seed: int) -> ImageCounts:
    """Plausible counts of one image."""
    draw = np.random.default_rng(seed)
    labelled = draw.integers(0, 50, CLASSES)
    predicted = labelled[::-1].copy()
    return ImageCounts(np.minimum(labelled, predicted) // 2, predicted, labelled, image_id=name)


def test_rows_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    with journal(tmp_path / "j", CLASSES) as book:
        for index, name in enumerate("abc"):
            book.add(row(name, index))
    with journal(tmp_path / "j", CLASSES) as book:
        counts = book.counts(("c", "a"))
    assert counts.image_ids == ("c", "a")
    assert np.array_equal(counts.labelled, np.stack([row("c", 2).labelled, row("a", 0).labelled]))
    assert np.array_equal(counts.predicted[1], row("a", 0).predicted)


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_torn_last_line_is_dropped_and_written_over(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "j"
    with journal(path, CLASSES) as book:
        book.add(row("a", 0))
        book.add(row("b", 1))
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with journal(path, CLASSES) as book:
        assert set(book.rows) == {"a"}
        book.add(row("b", 1))
    assert path.read_bytes() == whole


def test_a_second_run_works_without_the_file_and_leaves_it_alone(tmp_path: Path) -> None:
    with journal(tmp_path / "j", CLASSES) as first:
        first.add(row("a", 0))
        with journal(tmp_path / "j", CLASSES) as second:
            assert not second.owned
            second.add(row("b", 1))
            assert second.counts(("b",)).num_images == 1
        first.add(row("c", 2))
    with journal(tmp_path / "j", CLASSES) as book:
        assert set(book.rows) == {"a", "c"}


def test_a_full_disk_is_one_clear_error_and_keeps_what_was_written(tmp_path: Path) -> None:
    with journal(tmp_path / "j", CLASSES) as book:
        book.add(row("a", 0))
        assert book._file is not None
        with Path("/dev/full").open("w") as full:
            os.dup2(full.fileno(), book._file.fileno())
        with pytest.raises(StoreError, match="free room"):
            book.add(row("b", 1))
    with journal(tmp_path / "j", CLASSES) as book:
        assert set(book.rows) == {"a"}


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="--out"), journal(tmp_path / "none" / "j", CLASSES):
        pass
