"""Kept predictions: which ones stay within a budget, whole files only, and whose they are."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_record import example_record
from numpy.typing import NDArray
from rich.console import Console

from benchbed import keeping
from benchbed.datasets.dataset import Sample
from benchbed.errors import StoreError
from benchbed.keeping import LONGEST, Keeper, photo_jpeg
from benchbed.kept import (
    Kept,
    dataset_folder,
    find_kept,
    kept_of,
    label_png,
    read_labels,
    read_manifest,
    stem,
)
from benchbed.metrics import Counts, count_image
from benchbed.progress import Reporter

NAMES = tuple(f"photo/{i} ü" for i in range(30))


def sample(name: str, size: tuple[int, int] = (30, 40)) -> Sample:
    """Noise with 20 classes, a tenth of it ignored."""
    draw = np.random.default_rng(int(stem(name)[:6], 16))
    labels = draw.integers(0, 20, size).astype(np.uint8)
    labels[draw.random(size) < 0.1] = 255
    return Sample(name, draw.integers(0, 256, (*size, 3)).astype(np.uint8), labels)


def predicted(one: Sample) -> NDArray[np.uint8]:
    """Right on most pixels."""
    draw = np.random.default_rng(7)
    wrong = draw.integers(0, 20, one.labels.shape).astype(np.uint8)
    return np.where((one.labels == 255) | (draw.random(one.labels.shape) < 0.3), wrong, one.labels)


def place(store: Path, label: str = "san/vit-b16") -> Kept:
    """Where the predictions of `example_record` go."""
    record = example_record(label)
    return Kept(
        dataset_folder(store, "voc", "i") / "san-vit-b16-paper-0123",
        label,
        record.method["weights"]["sha256"],
        "voc",
        "i",
        record.protocol["fingerprint"],
        255,
        (),
    )


def keeper(store: Path, budget: int) -> Keeper:
    """A keeper that says nothing."""
    return Keeper(place(store), 20, budget, Reporter(Console(quiet=True)))


def offer_all(one: Keeper, names: list[str]) -> None:
    """Every image once, in this order."""
    for name in names:
        one.offer(sample(name), predicted(sample(name)))


def weight(name: str) -> int:
    """Bytes that an image takes, independently of the keeper."""
    one = sample(name)
    return len(label_png(predicted(one), 20)) + len(label_png(one.labels, 20)) + len(photo_jpeg(one.image))


def content(store: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.mark.parametrize("seed", range(4))
def test_the_longest_beginning_of_the_draw_that_fits_stays_in_whatever_order_images_come(
    seed: int, tmp_path: Path
) -> None:
    order = sorted(NAMES, key=stem)
    budget = int(sum(map(weight, NAMES)) * (0.2 + 0.2 * seed))
    longest = max(n for n in range(len(order) + 1) if sum(map(weight, order[:n])) <= budget)
    shuffled = random.Random(seed).sample(NAMES, len(NAMES))
    one = keeper(tmp_path, budget)
    offer_all(one, shuffled)
    one.write()
    (found,), skipped = find_kept([tmp_path])
    assert skipped == []
    assert list(found.images) == order[:longest]
    assert 0 < longest < len(NAMES)
    kept = content(tmp_path)
    assert sum(len(data) for name, data in kept.items() if not name.endswith(".json")) <= budget
    for name in found.images:
        assert np.array_equal(found.prediction(name), predicted(sample(name)))
        assert np.array_equal(found.truth(name), sample(name).labels)
        assert found.photo(name).shape == (30, 40, 3)


def test_an_interrupted_run_ends_with_the_same_files(tmp_path: Path) -> None:
    budget = sum(map(weight, NAMES)) // 2
    whole = keeper(tmp_path / "whole", budget)
    offer_all(whole, list(NAMES))
    whole.write()
    first = keeper(tmp_path / "cut", budget)
    offer_all(first, list(NAMES[:11]))
    first.write()
    second = keeper(tmp_path / "cut", budget)
    second.resume(NAMES[:11])
    offer_all(second, list(NAMES[11:]))
    assert list(second.missing(NAMES)) == []
    second.write()
    # Killed before anything was written: what was counted but not kept is named, and made again.
    third = keeper(tmp_path / "lost", budget)
    third.resume(NAMES[:11])
    offer_all(third, list(NAMES[11:]))
    again = []
    for name in third.missing(NAMES):
        third.offer(sample(name), predicted(sample(name)))
        again.append(name)
    third.write()
    assert again
    assert set(again) <= set(NAMES[:11])
    # A photo may stay of an image that fell out of the draw later: another method may show it.
    expected = content(tmp_path / "whole")
    for folder in ("cut", "lost"):
        found = content(tmp_path / folder)
        assert {name: found[name] for name in expected} == expected
        assert all("photos" in name or "truth" in name for name in set(found) - set(expected))


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    one = keeper(tmp_path, 10**6)
    offer_all(one, list(NAMES[:5]))
    one.write()
    path = place(tmp_path).folder / f"{stem(NAMES[2])}.png"
    path.write_bytes(path.read_bytes()[:40])
    second = keeper(tmp_path, 10**6)
    second.resume(NAMES[:5])
    assert list(second.missing(NAMES[:5])) == [NAMES[2]]


def test_a_nearly_full_disk_keeps_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(record=True, width=300)
    monkeypatch.setattr(keeping, "RESERVE", 2**62)
    one = Keeper(place(tmp_path), 20, 10**6, Reporter(console))
    offer_all(one, list(NAMES[:2]))
    assert list(one.missing(NAMES)) == []
    one.write()
    assert content(tmp_path) == {}
    assert "records find room" in console.export_text()


def test_a_folder_that_cannot_be_written_is_a_note_not_a_failure(tmp_path: Path) -> None:
    console = Console(record=True, width=300)
    one = Keeper(place(tmp_path), 20, 10**6, Reporter(console))
    offer_all(one, list(NAMES[:2]))
    (tmp_path / "predictions").write_text("a file where a folder should be")
    one.write()
    assert "predictions are not kept" in console.export_text()


@pytest.mark.parametrize("classes", [1, 20, 255, 256, 300, 847])
def test_label_maps_come_back_as_they_were(classes: int, tmp_path: Path) -> None:
    draw = np.random.default_rng(classes)
    labels = draw.integers(0, classes, (17, 23)).astype(np.uint16)
    labels[0, 0] = classes - 1
    path = tmp_path / "x.png"
    path.write_bytes(label_png(labels, classes))
    assert np.array_equal(read_labels(path), labels)


def test_large_photos_are_made_smaller_and_small_ones_are_not() -> None:
    import io

    from PIL import Image

    sizes = [
        Image.open(io.BytesIO(photo_jpeg(np.zeros((height, width, 3), np.uint8)))).size
        for height, width in ((1, 1), (375, 500), (2000, 3000))
    ]
    assert sizes[:2] == [(1, 1), (500, 375)]
    assert max(sizes[2]) == LONGEST
    assert abs(sizes[2][0] / sizes[2][1] - 1.5) < 0.01


def record_of(names: tuple[str, ...], **changes: Any) -> Any:
    """A record that counted the predictions of these images."""
    rows = [count_image(predicted(sample(n)), sample(n).labels, 20, image_id=n) for n in names]
    return example_record(counts=Counts.from_images(rows), **changes)


def test_only_a_prediction_that_gives_the_records_own_counts_is_its_own(tmp_path: Path) -> None:
    one = keeper(tmp_path, 10**6)
    offer_all(one, list(NAMES[:4]))
    one.write()
    kept, _ = find_kept([tmp_path])
    record = record_of(NAMES[:3])
    assert [kept_of(record, kept, name) is not None for name in NAMES[:5]] == [True, True, True, False, False]
    other = replace(record, label="deop/tiny", id="")
    assert kept_of(other, kept, NAMES[0]) is None
    changed = predicted(sample(NAMES[0])).copy()
    changed[5, 5] = (changed[5, 5] + 1) % 20
    assert sample(NAMES[0]).labels[5, 5] != 255
    (kept[0].folder / f"{stem(NAMES[0])}.png").write_bytes(label_png(changed, 20))
    (kept[0].folder / f"{stem(NAMES[1])}.png").write_bytes(label_png(changed[:10], 20))
    (kept[0].folder / f"{stem(NAMES[2])}.png").unlink()
    assert all(kept_of(record, kept, name) is None for name in NAMES[:3])


def test_stores_are_found_by_their_folder_a_parent_or_a_record_file(tmp_path: Path) -> None:
    store = tmp_path / "many" / "store"
    one = keeper(store, 10**6)
    offer_all(one, list(NAMES[:2]))
    one.write()
    file = store / "records" / "voc" / "r.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    for source in ([store], [tmp_path], [file], [store, tmp_path, file]):
        assert len(find_kept(source)[0]) == 1, source
    assert find_kept([tmp_path / "none"]) == ([], [])


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"kind": "else"}', '{"kind": "benchbed kept predictions"}', "\x00", "[" * 100_000],
)
def test_a_torn_or_foreign_list_is_named_and_skipped(text: str, tmp_path: Path) -> None:
    folder = place(tmp_path).folder
    folder.mkdir(parents=True)
    (folder / "kept.json").write_text(text)
    kept, skipped = find_kept([tmp_path])
    assert kept == []
    assert "kept.json" in skipped[0]
    assert "--keep" in skipped[0]
    with pytest.raises(StoreError):
        read_manifest(folder / "kept.json")


def test_ids_of_a_foreign_list_never_become_paths(tmp_path: Path) -> None:
    folder = place(tmp_path).folder
    folder.mkdir(parents=True)
    manifest = replace(place(tmp_path), images=("../../../secret", "/etc/passwd")).manifest()
    (folder / "kept.json").write_text(json.dumps(manifest))
    (kept,), _ = find_kept([tmp_path])
    for name in kept.images:
        with pytest.raises(StoreError, match=stem(name)):
            kept.prediction(name)
