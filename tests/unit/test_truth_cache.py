"""Ground truth is decoded once, mapped afterwards, and never believed unchecked."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from light_data import light_data
from PIL import Image
from rich.console import Console

from benchbed import truth_cache
from benchbed.datasets.dataset import Dataset, Sample
from benchbed.datasets.shapes import ShapesScenes
from benchbed.errors import DataError
from benchbed.progress import Reporter
from benchbed.registry import dataset_card
from benchbed.truth_cache import CACHE, TruthCache

IMAGES = 6
Opener = Callable[[], Dataset]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """Opens six tiny images anew, as each run does; the cache lies in `tmp_path / "cache"`."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    path = light_data(tmp_path / "data", IMAGES)
    return lambda: dataset_card(str(path)).opened(None)


def read(dataset: Dataset, reporter: Reporter | None = None) -> tuple[list[Sample], int]:
    """All samples through the cache, and how many label maps were decoded for that."""
    with TruthCache(dataset, reporter or Reporter(Console(quiet=True))) as cache:
        return [cache.sample(index) for index in range(len(dataset))], cache.decoded


def same(samples: list[Sample], dataset: Dataset) -> bool:
    """Whether they are what the dataset itself reads, to the last pixel and type."""
    pairs = [(mine, dataset.sample(index)) for index, mine in enumerate(samples)]
    return all(
        (a.id, a.labels.dtype, a.image.tobytes()) == (b.id, b.labels.dtype, b.image.tobytes())
        and np.array_equal(a.labels, b.labels)
        for a, b in pairs
    )


def files(tmp_path: Path, ending: str) -> list[Path]:
    return sorted((tmp_path / "cache").rglob(f"*{ending}"))


def test_the_second_run_decodes_nothing_and_reads_the_same(opened: Opener) -> None:
    first, decoded = read(opened())
    assert decoded == IMAGES
    assert same(first, opened())
    second, decoded = read(opened())
    assert decoded == 0
    assert same(second, opened())
    assert isinstance(second[0].labels.base, np.memmap) or isinstance(second[0].labels.base.base, np.memmap)  # type: ignore[union-attr]


def test_16_bit_labels(tmp_path: Path, opened: Opener) -> None:
    path = tmp_path / "data" / "wide.toml"
    text = (tmp_path / "data" / "tiny.toml").read_text().replace('"tiny"', '"wide"')
    path.write_text(text + f"ignored = [255, 65535]\nvalues = {[0, 1, 300]}\n")
    for mask in (tmp_path / "data" / "labels").glob("*.png"):
        raw = np.asarray(Image.open(mask)).astype(np.uint16)
        Image.fromarray(np.where(raw == 2, 300, raw).astype(np.uint16)).save(mask)
    wide = dataset_card(str(path)).opened(None)
    first, _ = read(wide)
    again, decoded = read(wide)
    assert decoded == 0
    assert again[0].labels.dtype == first[0].labels.dtype == np.uint16
    assert same(again, wide)


def test_a_mask_that_changed_is_decoded_whatever_its_size(tmp_path: Path, opened: Opener) -> None:
    """The dataset's identity goes by sizes; a mask edited to the same size must be noticed all the same."""
    read(opened())
    mask = opened().mask_file(0)  # type: ignore[attr-defined]
    before = mask.read_bytes()
    labels = np.asarray(Image.open(mask)).copy()
    labels[labels == 0] = 9
    labels[labels == 1] = 0
    labels[labels == 9] = 1
    changed = io.BytesIO()
    Image.fromarray(labels).save(changed, "PNG")
    mask.write_bytes(changed.getvalue())
    samples, decoded = read(opened())
    assert same(samples, opened())
    assert decoded >= 1
    mask.write_bytes(before)
    assert same(read(opened())[0], opened())


@pytest.mark.parametrize("ending", [".bin", ".jsonl"])
@pytest.mark.parametrize("how", ["flip", "cut", "empty", "garbage", "gone"])
def test_a_damaged_cache_is_never_believed(tmp_path: Path, opened: Opener, ending: str, how: str) -> None:
    read(opened())
    (path,) = files(tmp_path, ending)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    damage = {
        "flip": bytes(content),
        "cut": content[: len(content) // 2],
        "empty": b"",
        "garbage": b"\xff\x00{}\n" * 9,
    }
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(damage[how])
    samples, decoded = read(opened())
    assert same(samples, opened())
    assert decoded >= 1
    assert read(opened())[1] == 0  # and what was missing has been kept anew


def test_lines_that_promise_nonsense_are_left_out(tmp_path: Path, opened: Opener) -> None:
    read(opened())
    (path,) = files(tmp_path, ".jsonl")
    line = path.read_bytes().splitlines()[0]
    for old, new in (
        (b'"start": 0', b'"start": -5'),
        (b'"uint8"', b'"float64"'),
        (b'"shape": [40', b'"shape": [0'),
    ):
        path.write_bytes(line.replace(old, new) + b"\n")
        samples, decoded = read(opened())
        assert same(samples, opened())
        assert decoded >= 1
        for extra in files(tmp_path, ""):
            if extra.is_file() and extra.stem != path.stem:
                extra.unlink()


def test_a_kill_in_the_middle_leaves_what_was_whole(tmp_path: Path, opened: Opener) -> None:
    """A cache that is never closed, as after kill -9, with a torn tail in both files."""
    cache = TruthCache(opened(), Reporter(Console(quiet=True)))
    for index in range(3):
        cache.sample(index)
    for ending in (".bin", ".jsonl"):
        with files(tmp_path, ending)[0].open("ab") as file:
            file.write(b'{"mask": "12')
    samples, decoded = read(opened())
    assert decoded == IMAGES - 3
    assert same(samples, opened())


def test_runs_side_by_side_and_many_threads(tmp_path: Path, opened: Opener) -> None:
    reporter = Reporter(Console(quiet=True))
    wrong: list[int] = []
    expected = [opened().sample(index).labels for index in range(IMAGES)]
    with TruthCache(opened(), reporter) as one, TruthCache(opened(), reporter) as other:

        def work(cache: TruthCache) -> None:
            for turn in range(5 * IMAGES):
                index = turn % IMAGES
                if not np.array_equal(cache.sample(index).labels, expected[index]):
                    wrong.append(index)

        threads = [threading.Thread(target=work, args=(cache,)) for cache in (one, other, one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert read(opened())[1] == 0


@pytest.fixture
def heard() -> tuple[Reporter, io.StringIO]:
    """A reporter and what it says."""
    text = io.StringIO()
    return Reporter(Console(file=text, width=1000)), text


def test_a_disk_without_room_is_said_once_and_the_run_goes_on(
    opened: Opener, heard: tuple[Reporter, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(truth_cache, "RESERVE", 2**62)
    samples, decoded = read(opened(), heard[0])
    assert same(samples, opened())
    assert decoded == IMAGES
    assert heard[1].getvalue().count("decoded ground truth is not kept") == 1


def test_a_full_disk_in_the_middle(
    tmp_path: Path, opened: Opener, heard: tuple[Reporter, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = os.fstatvfs, []

    def full(file: int) -> os.statvfs_result:
        written.append(file)
        if len(written) > 3:
            raise OSError(28, "No space left on device")
        return real(file)

    monkeypatch.setattr(os, "fstatvfs", full)
    samples, _ = read(opened(), heard[0])
    assert same(samples, opened())
    assert "No space left on device" in heard[1].getvalue()
    monkeypatch.undo()
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    assert read(opened())[1] == IMAGES - 3


def test_a_cache_that_cannot_be_made_is_said_and_the_run_goes_on(
    tmp_path: Path, opened: Opener, heard: tuple[Reporter, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE, str(tmp_path / "file" / "cache"))
    samples, _ = read(opened(), heard[0])
    assert same(samples, opened())
    assert heard[1].getvalue().count("not kept") == 1


def test_none_is_wanted(tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, "off")
    assert read(opened())[1] == 0
    assert not (tmp_path / "cache").exists()


def test_drawn_scenes_pass_through(tmp_path: Path, opened: Opener) -> None:
    samples, decoded = read(ShapesScenes(size=2))
    assert decoded == 0
    assert same(samples, ShapesScenes(size=2))
    assert not (tmp_path / "cache").exists()


def test_other_code_decodes_anew_and_clears_away(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(opened())
    (old,) = {path.parent for path in files(tmp_path, ".bin")}
    monkeypatch.setattr(truth_cache, "source_digest", lambda package: "0123456789abcdef")
    assert read(opened())[1] == IMAGES
    assert not old.exists()
    assert read(opened())[1] == 0


def test_a_bad_mask_is_bad_with_a_cache_too(opened: Opener) -> None:
    dataset = opened()
    mask = dataset.mask_file(2)  # type: ignore[attr-defined]
    mask.write_bytes(mask.read_bytes()[:-20])
    with (
        pytest.raises(DataError, match=mask.name),
        TruthCache(dataset, Reporter(Console(quiet=True))) as cache,
    ):
        cache.sample(2)
