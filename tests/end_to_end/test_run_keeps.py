"""`benchbed run --keep`: the predictions behind a gallery, as the run counted them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Answer, here
from faulty_method import register

from benchbed.datasets.dataset import Sample
from benchbed.datasets.shapes import ShapesScenes
from benchbed.kept import find_kept, kept_of
from benchbed.record_store import RecordStore


def run(capsys: pytest.CaptureFixture[str], out: Path, *flags: object) -> Answer:
    """Two quick methods on 6 scenes."""
    return here(capsys, "run", "--methods", "maskclip,spnet", "--limit", 6, "--out", out, "--json", *flags)


def test_a_run_keeps_predictions_that_give_its_records_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, tmp_path).code == 0
    kept, skipped = find_kept([tmp_path])
    records, _ = RecordStore(tmp_path).read_all()
    assert skipped == []
    assert {each.label for each in kept} == {record.label for record in records}
    for record in records:
        assert record.counts is not None
        for name in record.counts.image_ids:
            place = kept_of(record, kept, name)
            assert place is not None
            assert place.photo(name).shape[:2] == place.prediction(name).shape
    size = sum(path.stat().st_size for path in (tmp_path / "predictions").rglob("*") if path.is_file())
    assert size < 2 * 4e6


def test_a_smaller_budget_keeps_fewer_and_the_same_images_of_all_methods(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, tmp_path, "--keep", 0.03).code == 0
    kept, _ = find_kept([tmp_path])
    first, second = sorted((each.images for each in kept), key=len)
    assert 0 < len(first) < 6
    assert second[: len(first)] == first


def test_nothing_is_kept_where_nothing_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    flags = ("--methods", "faulty/none", "--limit", 3, "--out", tmp_path)
    assert here(capsys, "run", *flags, "--keep", 0).code == 0
    assert RecordStore(tmp_path).read_all()[0]
    assert not (tmp_path / "predictions").exists()


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "much"])
def test_a_budget_that_is_none_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = here(capsys, "run", "--keep", value)
    assert answer.code == 2
    assert "--keep" in answer.err
    assert "Traceback" not in answer.err


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the next run stop at its fourth scene, as by Ctrl-C."""
    register(monkeypatch)
    real = ShapesScenes.sample
    failing: list[bool] = []

    def sample(self: ShapesScenes, index: int) -> Sample:
        if index == 3 and failing:  # by its place: several threads read ahead
            failing.clear()
            raise KeyboardInterrupt
        return real(self, index)

    monkeypatch.setattr(ShapesScenes, "sample", sample)
    return lambda: failing.append(True)


@pytest.mark.parametrize("first", ["4", "0"])
def test_an_interrupted_run_keeps_the_same_in_the_end(
    first: str, cut: Callable[[], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if it was not keeping before: what was counted but not kept is predicted again."""
    flags = ("run", "--methods", "faulty/none", "--limit", 6, "--out")
    assert here(capsys, *flags, tmp_path / "whole").code == 0
    cut()
    assert here(capsys, *flags, tmp_path / "cut", "--keep", first).code == 130
    before, _ = find_kept([tmp_path / "cut"])
    assert [len(each.images) for each in before] == ([3] if first == "4" else [])
    answer = here(capsys, *flags, tmp_path / "cut")
    assert answer.code == 0
    assert "going on after 3 images" in answer.err
    (whole,), (again,) = (find_kept([tmp_path / name])[0] for name in ("whole", "cut"))
    (record,), _ = RecordStore(tmp_path / "cut").read_all()
    assert len(whole.images) == 6
    assert again.images == whole.images
    for name in whole.images:
        assert np.array_equal(again.prediction(name), whole.prediction(name))
        assert kept_of(record, [again], name) is not None


@pytest.mark.usefixtures("cut")
def test_of_a_method_that_fails_no_spoilt_prediction_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here(capsys, "run", "--methods", "faulty/nan", "--limit", 5, "--out", tmp_path).code == 4
    kept, _ = find_kept([tmp_path])
    assert [len(each.images) for each in kept] == [2]  # those before the failure
    assert all(each.prediction(name).max() < 20 for each in kept for name in each.images)
