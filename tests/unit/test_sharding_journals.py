"""Workers' journals: what the dead counted is taken over, the living are left alone, torn lines are dropped."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from benchbed.errors import StoreError
from benchbed.journal import journal
from benchbed.metrics import ImageCounts
from benchbed.sharding_journals import SHARES, append_lines, forget, known_lines, share_folder, take_in

CLASSES = 3


def row(name: str) -> ImageCounts:
    """Counts of one image."""
    some = np.array([len(name), 0, 2])
    return ImageCounts(some // 2, some, some, image_id=name)


def write(path: Path, *names: str) -> None:
    with journal(path, CLASSES) as book:
        for name in names:
            book.add(row(name))


def dead_worker(partial: Path, rank: int, *names: str) -> Path:
    """A worker that counted these and is gone; its folder."""
    with share_folder(partial, rank) as folder:
        write(folder / "k.jsonl", *names)
    return folder


def test_a_folder_is_gone_if_nothing_is_left_in_it_and_stays_otherwise(tmp_path: Path) -> None:
    with share_folder(tmp_path, 0) as folder:
        assert folder.parent == tmp_path / SHARES
    assert not folder.exists()
    assert dead_worker(tmp_path, 1, "a").exists()


def test_what_dead_workers_counted_is_taken_over_once(tmp_path: Path) -> None:
    write(tmp_path / "k.jsonl", "a")
    folders = [dead_worker(tmp_path, 0, "b", "cc"), dead_worker(tmp_path, 1, "ddd")]
    assert take_in(tmp_path) == 2
    assert set(known_lines(tmp_path / "k.jsonl", CLASSES)) == {"a", "b", "cc", "ddd"}
    assert not any(folder.exists() for folder in folders)
    before = (tmp_path / "k.jsonl").read_bytes()
    assert take_in(tmp_path) == 0
    assert (tmp_path / "k.jsonl").read_bytes() == before


def test_a_living_worker_is_left_alone(tmp_path: Path) -> None:
    with share_folder(tmp_path, 0) as folder:
        write(folder / "k.jsonl", "a")
        assert take_in(tmp_path) == 0
        assert (folder / "k.jsonl").exists()
    assert take_in(tmp_path) == 1


def test_a_journal_that_another_run_writes_is_left_alone(tmp_path: Path) -> None:
    folder = dead_worker(tmp_path, 0, "b")
    with journal(tmp_path / "k.jsonl", CLASSES) as book:
        book.add(row("a"))
        assert take_in(tmp_path) == 0
        book.add(row("cc"))
    assert (folder / "k.jsonl").exists()
    assert take_in(tmp_path) == 1
    assert set(known_lines(tmp_path / "k.jsonl", CLASSES)) == {"a", "b", "cc"}


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_torn_last_lines_are_dropped_on_both_sides(tmp_path: Path, cut: int) -> None:
    write(tmp_path / "k.jsonl", "a", "b")
    folder = dead_worker(tmp_path, 0, "cc", "ddd")
    for path in (tmp_path / "k.jsonl", folder / "k.jsonl"):
        path.write_bytes(path.read_bytes()[:-cut])
    assert take_in(tmp_path) == 1
    assert set(known_lines(tmp_path / "k.jsonl", CLASSES)) == {"a", "cc"}


def test_lines_are_those_of_the_journal(tmp_path: Path) -> None:
    write(tmp_path / "one.jsonl", "a", "b")
    append_lines(
        tmp_path / "two.jsonl", reversed(list(known_lines(tmp_path / "one.jsonl", CLASSES).values()))
    )
    with journal(tmp_path / "two.jsonl", CLASSES) as book:
        assert book.counts(("a", "b")).labelled.tolist() == [[1, 0, 2], [1, 0, 2]]
    assert known_lines(tmp_path / "none.jsonl", CLASSES) == {}


def test_no_room_is_one_clear_error(tmp_path: Path) -> None:
    """Files may grow to a few bytes, as on a disk that is all but full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(StoreError, match="free room"):
            append_lines(tmp_path / "k.jsonl", [b"a line of more than ten bytes\n"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_place_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="--out"), share_folder(tmp_path / "file", 0):
        pass


def test_forgetting_leaves_a_journal_in_use(tmp_path: Path) -> None:
    with journal(tmp_path / "k.jsonl", CLASSES) as book:
        forget(tmp_path / "k.jsonl")
        assert book.path.exists()
    forget(tmp_path / "k.jsonl")
    assert not (tmp_path / "k.jsonl").exists()
    forget(tmp_path / "k.jsonl")
