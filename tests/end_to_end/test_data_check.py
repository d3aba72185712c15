"""`benchbed data check`: every file of a dataset read once, and each bad one named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pair_files import write_pairs
from PIL import Image

from benchbed.cli import run_cli
from benchbed.errors import EXIT_DONE, EXIT_MISSING


def test_each_bad_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, masks = tmp_path / "images/validation", tmp_path / "annotations/validation"
    names = [f"ADE_val_{number:08d}" for number in range(40)]
    write_pairs(images, masks, names, range(151))
    (images / f"{names[3]}.jpg").write_bytes((images / f"{names[3]}.jpg").read_bytes()[:500])
    (masks / f"{names[11]}.png").write_bytes(b"")
    Image.fromarray(np.full((8, 8), 151, np.uint8)).save(masks / f"{names[38]}.png")
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(masks / f"{names[39]}.png")
    command = ["data", "check", "ade20k-150", "--data-root", str(tmp_path)]
    assert run_cli(command) == EXIT_MISSING
    *bad, last = capsys.readouterr().out.splitlines()
    assert [each for each in (3, 11, 38, 39) if any(names[each] in line for line in bad)] == [
        3,
        11,
        38,
        39,
    ]
    assert len(bad) == 4
    assert last.startswith("ade20k-150: 40 of 2,000 images, 4 bad")
    assert run_cli([*command, "--json"]) == EXIT_MISSING
    found = json.loads(capsys.readouterr().out)
    assert found["bad"] == bad


def test_all_missing_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"ADE_val_{number:08d}" for number in range(9)]
    write_pairs(tmp_path / "images", tmp_path / "annotations", names, range(151))
    for name in names[:7]:
        (tmp_path / "annotations" / f"{name}.png").unlink()
    assert run_cli(["data", "check", "ade20k-150", "--data-root", str(tmp_path)]) == EXIT_MISSING
    *bad, last = capsys.readouterr().out.splitlines()
    assert len(bad) == 7
    assert all(name in line for name, line in zip(names, bad, strict=False))
    assert last == "ade20k-150: 7 files are missing; nothing else was read"


def test_the_real_photos(shared_voc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["data", "check", "voc-21", "--data-root", str(shared_voc)]) == EXIT_DONE
    assert "voc-21: 347 of 1,449 images, all good; every class has pixels" in capsys.readouterr().out


def test_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(tmp_path / "p", tmp_path / "m", ("a", "b"), [0, 1, 255])
    toml = tmp_path / "mine.toml"
    toml.write_text('name = "mine"\nimages = "p"\nmasks = "m"\nclasses = ["x", "y", "z"]\n')
    assert run_cli(["data", "check", str(toml)]) == EXIT_DONE
    assert "mine: 2 of 2 images, all good; 1 classes have no pixel: z" in capsys.readouterr().out
    assert run_cli(["data", "where", str(toml)]) == EXIT_DONE


def test_list_tells_what_is_missing_from_what_is_there_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCHBED_DATA", str(tmp_path))
    (tmp_path / "voc/VOCdevkit/VOC2012/JPEGImages").mkdir(parents=True)
    assert run_cli(["data", "list"]) == EXIT_DONE
    lines = capsys.readouterr().out.splitlines()
    (voc,) = [line for line in lines if line.startswith("voc:")]
    assert "here, but cannot be read" in voc
    assert "VOC2012 has no SegmentationClass" in voc
    (ade,) = [line for line in lines if line.startswith("ade20k-150:")]
    assert ade.endswith("not here, can be got")
