"""`benchbed segment` and bad input: one clear error before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import faulty_method
import pytest
from command import here
from PIL import Image
from random_photo import pixels

from benchbed.segment_command import _choose


def truncated(path: Path) -> None:
    Image.fromarray(pixels(200, 200)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:-500])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (truncated, "truncated"),
        (lambda path: path.write_text("not a picture"), "is no image that can be read here"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.mkdir(), "is not a file"),
        (lambda path: None, "No such file"),
    ],
    ids=["truncated", "text", "empty", "folder", "missing"],
)
def test_a_bad_photo_is_one_clear_error_before_anything_runs(
    make: Callable[[Path], object],
    says: str,
    photo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad, out = tmp_path / "bad.jpg", tmp_path / "a.png"
    make(bad)
    flags = ("--classes", "cat, other", "--methods", "maskclip/tiny", "--out", out)
    answer = here(capsys, "segment", photo, bad, *flags)
    assert answer.code == 3
    assert answer.out == ""
    assert len(answer.err.splitlines()) == 1
    assert str(bad) in answer.err
    assert says in answer.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--classes", "cat, cat"), "--classes: class name 'cat' stands at 0 and at 1"),
        (("--classes", "cat,"), "--classes: class name 1 of the vocabulary is empty"),
        (("--classes", ""), "--classes: class name 0 of the vocabulary is empty"),
        (("--classes", '"cat, dog'), "--classes: the quote"),
        (("--classes", "Cat, cat"), "read the same to CLIP"),
        (("--classes", "word " * 80), "80 tokens"),
        (("--unseen", "dog"), "--unseen: 'dog' is not among --classes"),
        (("--methods", "mask"), "did you mean maskclip"),
        (("--methods", ","), "names nothing"),
        (("--methods", "san/tiny,san/tiny"), "san/tiny is named twice"),
        (("--weights", "deop=x.pth"), "deop is not in this run"),
        (("--precision", "fp8"), "--precision fp8"),
        (("--device", "tpu"), "--device tpu"),
        (("--out", "a.jpg"), "ends in .png"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, tuple) else "",
)
def test_a_wrong_flag_is_one_clear_error(
    flags: tuple[str, str],
    says: str,
    photo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    right = {"--classes": "cat, other", "--methods": "maskclip/tiny", "--out": str(tmp_path / "a.png")}
    if flags[0] == "--classes":
        right["--out"] = str(tmp_path / "new" / "a.png")
    given = {**right, flags[0]: flags[1]}
    answer = here(capsys, "segment", photo, *(part for pair in given.items() for part in pair))
    assert answer.code == 2
    assert says in answer.err
    assert len(answer.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_places_that_cannot_be_written_are_refused_before_anything_runs(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = photo.read_bytes()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(photo)
    cases = {
        photo / "a.png": "cannot be written",
        Path("/proc/benchbed/a.png"): "cannot be written",
        tmp_path / "folder.png": "is a folder",
        photo: "is one of the photos",
        tmp_path / "link.png": "is one of the photos",
    }
    for out, says in cases.items():
        flags = ("--classes", "cat, other", "--methods", "maskclip/tiny", "--out", out)
        answer = here(capsys, "segment", photo, *flags)
        assert answer.code == 2, answer.err
        assert f"--out {out}" in answer.err
        assert says in answer.err
    assert photo.read_bytes() == before


def test_too_many_photos_are_refused(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--classes", "cat", "--methods", "maskclip/tiny", "--out", tmp_path / "a.png")
    answer = here(capsys, "segment", *[photo] * 33, *flags)
    assert answer.code == 2
    assert "at most 32" in answer.err


def test_a_method_that_knows_only_some_datasets_is_refused_and_left_out_of_all(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty_method.register(monkeypatch)
    card = replace(faulty_method.METHOD.card, only_datasets=("voc",))
    monkeypatch.setattr(faulty_method, "METHOD", replace(faulty_method.METHOD, card=card))
    flags = ("--classes", "cat", "--out", tmp_path / "a.png")
    answer = here(capsys, "segment", photo, "--methods", "maskclip/tiny,faulty/none", *flags)
    assert answer.code == 2
    assert "faulty/none knows only the classes of voc" in answer.err
    labels = [chosen.found.name for chosen in _choose(("all",))]
    assert "faulty" not in labels
    assert {"san", "deop", "maskclip"} <= set(labels)


def test_scores_that_no_label_map_can_be_made_of_leave_no_picture(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty_method.register(monkeypatch)
    flags = ("--classes", "cat, dog", "--methods", "faulty/nan", "--out", tmp_path / "a.png")
    answer = here(capsys, "segment", photo, photo, photo, *flags)
    assert answer.code == 4
    assert "nan" in answer.err.lower()
    assert not (tmp_path / "a.png").exists()
