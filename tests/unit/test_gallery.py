"""Galleries from kept predictions: which images, what is wrong where, and nothing that a record did not count."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kept_store import IMAGES, guess, scene, write_store
from PIL import Image

from benchbed.kept import find_kept, label_png, stem
from benchbed.report.collect import collect
from benchbed.report.error_maps import (
    IGNORED,
    RIGHT,
    UNSEEN_AS_SEEN,
    WRONG,
    error_map,
    error_picture,
    hatched,
)
from benchbed.report.gallery import Gallery, galleries
from benchbed.report.gallery_choice import BY_LOT, choose_images, difference
from benchbed.report.gallery_files import write_gallery
from benchbed.report.gallery_sheet import MARGIN, draw_gallery
from benchbed.report.gallery_strip import LARGEST, strip_image, strip_png
from benchbed.report.rows import Row, rows

METHODS = {"deop/a": 0.2, "san/a": 0.25, "lseg/a": 0.8}


def read(store: Path) -> tuple[Row, ...]:
    """The store's rows."""
    return rows(collect([store]))


def made(store: Path, **flags: Any) -> Gallery:
    """The one gallery of a store."""
    (found,) = galleries(read(store), find_kept([store])[0], **flags)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_each_pixel_is_right_wrong_or_ignored(seed: int) -> None:
    draw = np.random.default_rng(seed)
    seen = np.array([True, True, False, False])
    truth, guessed = draw.integers(0, 5, (20, 30)), draw.integers(0, 4, (20, 30))
    found = error_map(truth, guessed, seen)
    for t, g, sort in zip(truth.ravel(), guessed.ravel(), found.ravel(), strict=True):
        if t == 4:
            expected = IGNORED
        elif t == g:
            expected = RIGHT
        else:
            expected = UNSEEN_AS_SEEN if not seen[t] and seen[g] else WRONG
        assert sort == expected


def test_ignored_pixels_are_hatched_and_nothing_else() -> None:
    where = np.zeros((40, 40), bool)
    where[10:30, 5:25] = True
    picture = np.asarray(hatched(Image.new("RGB", (40, 40), (10, 200, 30)), where))
    assert (picture[~where] == (10, 200, 30)).all()
    inside = picture[where]
    assert len(np.unique(inside, axis=0)) == 2
    assert (inside == inside[:, :1]).all()  # grey
    errors = np.asarray(
        error_picture(np.zeros((40, 40, 3), np.uint8), np.where(where, IGNORED, WRONG).astype(np.uint8))
    )
    assert len(np.unique(errors[where], axis=0)) == 2
    assert len(np.unique(errors[~where], axis=0)) == 1


def test_the_difference_is_a_lower_bound_of_pixels_that_one_alone_has_right(tmp_path: Path) -> None:
    first, second, _ = (record.counts for record in write_store(tmp_path, METHODS))
    assert first is not None
    assert second is not None
    names = list(first.image_ids)
    for index, share in enumerate(difference(first, second, names)):
        one = scene(index)
        a, b = guess(one, 0.2, index), guess(one, 0.25, 100 + index)
        alone = ((a == one.labels) != (b == one.labels))[one.labels != 255].mean()
        assert 0 < share <= alone


def test_half_is_by_lot_and_half_is_where_two_methods_differ_most(tmp_path: Path) -> None:
    write_store(tmp_path, METHODS)
    found = read(tmp_path)
    names = [scene(i).id for i in range(IMAGES)]
    choices = choose_images(found, names, 6)
    assert len({choice.image_id for choice in choices}) == 6
    differing = [choice for choice in choices if choice.why != BY_LOT]
    assert len(differing) == 3
    by_lot = [choice.image_id for choice in choices if choice.why == BY_LOT]
    others = [name for name in sorted(names, key=stem) if name not in {c.image_id for c in differing}]
    assert by_lot == others[:3]
    counts = {row.label: row.record.counts for row in found if row.record}
    pairs = [("deop/a", "lseg/a"), ("deop/a", "san/a"), ("lseg/a", "san/a")]
    shares = {pair: difference(counts[pair[0]], counts[pair[1]], names) for pair in pairs}  # type: ignore[arg-type]
    best = max(pairs, key=lambda pair: shares[pair].max())
    assert differing[0].image_id == names[int(shares[best].argmax())]
    assert differing[0].why.startswith(f"{best[0]} and {best[1]} differ most")
    assert len({choice.why.partition(" differ")[0] for choice in differing}) == 3  # each pair once


def test_fewer_images_methods_or_differences_than_asked_for(tmp_path: Path) -> None:
    write_store(tmp_path, {"deop/a": 0.2})
    (row,) = read(tmp_path)
    names = [scene(i).id for i in range(IMAGES)]
    assert [choice.why for choice in choose_images([row], names, 4)] == [BY_LOT] * 4
    assert len(choose_images([row], names, 99)) == IMAGES
    assert choose_images([row], [], 4) == []
    assert [choice.why for choice in choose_images([row, row], names, 4)] == [BY_LOT] * 4


def test_panels_tell_what_each_method_has_right(tmp_path: Path) -> None:
    write_store(tmp_path, METHODS)
    gallery = made(tmp_path)
    assert len(gallery.images) == 6
    for image in gallery.images:
        assert [panel.row.label for panel in image.panels] == ["deop/a", "san/a", "lseg/a"]  # best hIoU first
        index = int(image.image_id)
        one = scene(index)
        exact = (guess(one, 0.2, index) == one.labels)[one.labels != 255].mean()
        assert image.panels[0].right == pytest.approx(exact)
        assert image.photo.shape == (*image.truth.shape, 3) == (192, 256, 3)
        assert image.truth.max() == 20
        truth_classes = set(np.unique(one.labels)) - {255}
        assert set(image.classes[: len(truth_classes)]) == truth_classes


def test_a_prediction_that_the_record_did_not_count_is_left_out_and_told(tmp_path: Path) -> None:
    write_store(tmp_path, METHODS)
    kept, _ = find_kept([tmp_path])
    deop = next(each for each in kept if each.label == "deop/a")
    shown = made(tmp_path).images[0].image_id
    labels = deop.prediction(shown).copy()
    labels[10:20] = 0
    (deop.folder / f"{stem(shown)}.png").write_bytes(label_png(labels, 20))
    gallery = made(tmp_path)
    image = next(image for image in gallery.images if image.image_id == shown)
    assert [panel.row.label for panel in image.panels] == ["san/a", "lseg/a"]
    assert any("deop/a" in note and shown in note for note in gallery.notes)


def test_damaged_photos_and_truths_do_not_break_a_gallery(tmp_path: Path) -> None:
    write_store(tmp_path, METHODS)
    images = made(tmp_path).images
    (folder,) = (tmp_path / "predictions").iterdir()
    (folder / "photos" / f"{stem(images[0].image_id)}.jpg").write_bytes(b"no photo")
    (folder / "truth" / f"{stem(images[1].image_id)}.png").write_bytes(b"")
    gallery = made(tmp_path)
    assert len(gallery.images) == 4
    assert any("photos" in note for note in gallery.notes)


def test_nothing_kept_nothing_shown(tmp_path: Path) -> None:
    write_store(tmp_path, METHODS, keep=0)
    report = SimpleNamespace(rows=read(tmp_path), sources=(tmp_path,))
    assert write_gallery(report, tmp_path / "out") == []  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_of_many_methods_the_best_trained_ones_are_shown(tmp_path: Path) -> None:
    write_store(tmp_path, {f"m{i}/a": 0.9 - 0.06 * i for i in range(12)})
    gallery = made(tmp_path, images=1)
    assert [panel.row.label for panel in gallery.images[0].panels] == [f"m{i}/a" for i in range(11, 3, -1)]
    assert sum("for want of room" in note for note in gallery.notes) == 4


def test_random_weights_are_marked_and_come_last(tmp_path: Path) -> None:
    write_store(tmp_path / "a", {"deop/a": 0.9})
    write_store(tmp_path / "b", {"aaa/a": 0.1, "bbb/a": 0.2}, kind="random")
    gallery = made(tmp_path)
    assert [panel.row.label for panel in gallery.images[0].panels] == ["deop/a", "aaa/a", "bbb/a"]


@pytest.mark.parametrize("methods", [1, 3, 6])
def test_a_strip_is_narrow_small_and_shows_methods_from_best_to_worst(methods: int, tmp_path: Path) -> None:
    write_store(tmp_path, {f"m{i}/a": 0.1 + 0.1 * i for i in range(methods)}, size=(300, 400))
    image = made(tmp_path).images[0]
    small = strip_image(image)
    best = [panel.row.label for panel in image.panels]
    shown = [panel.row.label for panel in small.panels]
    assert (shown[0], shown[-1]) == (best[0], best[-1])
    assert len(shown) == min(methods, 4)
    assert shown == sorted(shown, key=best.index)
    content = strip_png(image)
    strip = Image.open(io.BytesIO(content))
    assert len(content) <= LARGEST
    assert strip.width <= 920
    for panel in small.panels:
        assert panel.labels.shape == small.truth.shape == small.photo.shape[:2]
        assert np.array_equal(panel.errors == RIGHT, panel.labels == small.truth)
    labelled = small.truth < len(small.names)
    occur = {
        int(k)
        for labels in (small.truth, *[p.labels for p in small.panels])
        for k in np.unique(labels[labelled])
    }
    assert set(small.classes) == occur


def test_a_strip_of_noise_gets_fewer_colours_until_it_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_store(tmp_path, METHODS, size=(60, 80))
    image = made(tmp_path).images[0]
    whole = strip_png(image)
    monkeypatch.setattr("benchbed.report.gallery_strip.LARGEST", len(whole) - 1)
    smaller = strip_png(image)
    assert len(smaller) < len(whole)
    assert len(Image.open(io.BytesIO(smaller)).getcolors()) < len(Image.open(io.BytesIO(whole)).getcolors())


@pytest.mark.parametrize("size", [(60, 80), (5, 5), (12, 400), (400, 12)])
@pytest.mark.parametrize("methods", [1, 12])
def test_no_shape_number_or_name_breaks_the_sheet(
    size: tuple[int, int], methods: int, tmp_path: Path
) -> None:
    hostile = ["a_b & 100 % $x$ <script>", "🦊" * 40, "\U0010fffd", "x" * 3000, "", "two\nlines"]
    names = [f"{hostile[k % len(hostile)]} {k}" for k in range(20)]
    write_store(tmp_path, {f"m{i}/{'v' * 60}": 0.5 for i in range(methods)}, size=size, names=names)
    images = made(tmp_path, images=2, panels=12).images
    sheet = draw_gallery(images, columns=4)
    pixels = np.asarray(sheet)
    for border in (pixels[:MARGIN], pixels[-MARGIN:], pixels[:, :MARGIN], pixels[:, -MARGIN:]):
        assert (border == 255).all()  # nothing is cut off
    assert (pixels != 255).any()


def test_the_same_store_gives_the_same_file(tmp_path: Path) -> None:
    write_store(tmp_path / "s", METHODS)
    report = SimpleNamespace(rows=read(tmp_path / "s"), sources=(tmp_path / "s",))
    first, second = (write_gallery(report, tmp_path / name) for name in "ab")  # type: ignore[arg-type]
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.name.partition("-voc-paper-")[0] for path in first] == ["gallery", "strip"]


def test_galleries_need_no_torch() -> None:
    code = (
        "import sys, benchbed.report.gallery, benchbed.report.gallery_files;sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
