"""`benchbed run --dataset file.toml`: a person's own folder is measured like any dataset, its labels of 8 or of 16 bits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from faulty_method import register
from pair_files import write_pairs
from PIL import Image

from benchbed.cli import run_cli
from benchbed.records import from_json

METHOD = "faulty/none"  # the quickest there is: files are the matter here


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def write_own(folder: Path) -> tuple[Path, Path]:
    """The same photos twice: labels of 8 bits, and 1,000 higher in 16 bits; returns both TOML files."""
    raw = write_pairs(folder / "photos", folder / "narrow", ("a", "b", "c"), [0, 1, 2, 255])
    (folder / "wide").mkdir()
    for name, values in raw.items():
        wide = np.where(values == 255, 65535, values.astype(np.uint16) + 1000).astype(np.uint16)
        Image.fromarray(wide).save(folder / "wide" / f"{name}.tif")
    shared = 'images = "photos"\nclasses = ["road", "car", "sky"]\nunseen = ["sky"]\n'
    narrow, wide_file = folder / "narrow.toml", folder / "wide.toml"
    narrow.write_text(f'name = "narrow"\nmasks = "narrow"\n{shared}')
    wide_file.write_text(
        f'name = "wide"\nmasks = "wide"\nmask_ending = ".tif"\nfirst = 1000\nignored = [65535]\n{shared}'
    )
    return narrow, wide_file


def test_two_own_datasets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    narrow, wide = write_own(tmp_path)
    out = tmp_path / "results"
    flags = ["--methods", METHOD, "--weights", "random", "--out", str(out), "--json"]
    assert run_cli(["run", "--dataset", f"{narrow},{wide}", *flags]) == 0
    found = json.loads(capsys.readouterr().out)
    records = [from_json(Path(each["path"]).read_text(), each["path"]) for each in found["records"]]
    assert [record.dataset["name"] for record in records] == ["narrow", "wide"]
    first, second = (record.counts for record in records)
    assert first is not None
    assert first == second  # the same labels, whatever numbers the files store
    assert first.labelled.sum() == sum(int((labels != 255).sum()) for labels in _labels(tmp_path / "narrow"))
    for record in records:
        assert record.dataset["coverage"] == "3 of 3 images"
        assert record.dataset["seen"] == [True, True, False]
        assert record.dataset["notes"][0].startswith("A person's own data")


def _labels(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]


@pytest.mark.parametrize(
    ("dataset", "code", "message"),
    [
        ("nowhere.toml", 3, "--dataset nowhere.toml cannot be read"),
        ("broken.toml", 3, "broken.toml: 'name' is missing"),
    ],
)
def test_slips_end_before_anything_is_built(
    dataset: str,
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.toml").write_text('images = "photos"\n')
    assert run_cli(["run", "--methods", METHOD, "--dataset", dataset, "--out", "o"]) == code
    assert message in capsys.readouterr().err


def test_training_needs_a_dataset_with_a_training_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow, _ = write_own(tmp_path)
    assert (
        run_cli(["train", "--method", "san/tiny", "--dataset", str(narrow), "--out", str(tmp_path / "t")])
        == 2
    )
    message = capsys.readouterr().err
    assert "narrow" in message
    assert message.count("\n") == 1
