"""The journal: nothing counted is lost, nothing torn is believed, and two runs never write one file."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from benchbed.errors import StoreError
from benchbed.journal import Journal, journal
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
            os.dup2(full.fileno(), book._file)
        with pytest.raises(StoreError, match="free room"):
            book.add(row("b", 1))
    with journal(tmp_path / "j", CLASSES) as book:
        assert set(book.rows) == {"a"}


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="--out"), journal(tmp_path / "none" / "j", CLASSES):
        pass


@pytest.mark.parametrize("seed", range(5))
def test_one_flipped_bit_anywhere_is_never_believed(tmp_path: Path, seed: int) -> None:
    """Also where it leaves counts that an image could have: a line has a checksum."""
    path = tmp_path / "j"
    with journal(path, CLASSES) as book:
        for index, name in enumerate("abcd"):
            book.add(row(name, index))
    content = bytearray(path.read_bytes())
    ends = [place for place, byte in enumerate(content) if byte == 10]
    random = np.random.default_rng(seed)
    for place in random.choice(len(content), 60, replace=False):
        damaged = content.copy()
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        with journal(path, CLASSES) as book:
            whole = sum(end < place for end in ends)
            assert list(book.rows) == list("abcd"[:whole])
            assert book.dropped == len(content) - (ends[whole - 1] + 1 if whole else 0)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00 not text\n", b"[1, 2]\n", b"{}\n", b"null\n", b"\n", b'{"sum": 0}\n']
)
def test_a_foreign_file_is_cut_off_and_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j").write_bytes(content)
    with journal(tmp_path / "j", CLASSES) as book:
        assert not book.rows
        assert book.dropped == len(content)
        book.add(row("a", 0))
    with journal(tmp_path / "j", CLASSES) as book:
        assert set(book.rows) == {"a"}


def test_a_journal_of_other_classes_is_not_believed(tmp_path: Path) -> None:
    with journal(tmp_path / "j", CLASSES) as book:
        book.add(row("a", 0))
    with journal(tmp_path / "j", 2) as book:
        assert not book.rows


def test_a_journal_that_its_owner_deleted_is_made_anew(tmp_path: Path) -> None:
    """The owner deletes it once its record is written; whoever comes then must not write into a file without a name."""
    first = Journal(tmp_path / "j", CLASSES)
    first.open()
    first.add(row("a", 0))
    first.close(remove=True)
    with journal(tmp_path / "j", CLASSES) as second:
        assert second.owned
        assert not second.rows
        second.add(row("b", 1))
    with journal(tmp_path / "j", CLASSES) as third:
        assert set(third.rows) == {"b"}


def test_who_does_not_own_it_never_deletes_it(tmp_path: Path) -> None:
    with journal(tmp_path / "j", CLASSES) as first:
        other = Journal(tmp_path / "j", CLASSES)
        other.open()
        other.close(remove=True)
        first.add(row("a", 0))
    assert (tmp_path / "j").exists()


def test_rows_take_little_memory_however_many_classes(tmp_path: Path) -> None:
    """847 classes dense would be 20 kB an image: 200 MB over 10,000."""
    classes = 847
    with journal(tmp_path / "j", classes) as book:
        tracemalloc.start()
        for number in range(300):
            counts = np.zeros(classes, np.int64)
            counts[number : number + 12] = 5
            book.add(ImageCounts(counts, counts.copy(), counts.copy(), f"image-{number}"))
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert used / 300 < 1500
