"""`benchbed segment`: any photo, any words, every method; and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from command import Answer, apart, here
from PIL import Image
from random_photo import pixels
from safetensors.torch import save_file

from benchbed import registry
from benchbed.images import prepare
from benchbed.registry import METHOD_GROUP, load_method
from benchbed.report import overlay
from benchbed.scores import label_maps
from benchbed.vocabulary import Vocabulary

# The smallest variant of every registered method that takes any words.
TINY = ",".join(
    f"{found.name}/{found.object.default_variant(embedded=True).name}"
    for found in registry.every(METHOD_GROUP)
    if found.distribution.startswith("benchbed ")
)
TWO = "lseg/tiny,san/tiny"  # pixels, and masks, where `benchbed.conformance` has the same of every method


def found(answer: Answer, index: int = 0) -> dict[str, dict[str, int]]:
    """method -> class -> pixels of one photo."""
    assert answer.code == 0, answer.err
    methods = json.loads(answer.out)["photos"][index]["methods"]
    return {name: method["pixels"] for name, method in methods.items()}


def test_every_method_gives_a_panel_and_its_labels_are_those_of_the_model(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("cat", "grass", "sky", "road", "tree", "other")
    out = tmp_path / "new" / "picture.png"
    answer = here(
        capsys,
        "segment",
        photo,
        "--classes",
        ", ".join(names),
        "--methods",
        TINY,
        "--weights",
        "random",
        "--out",
        out,
        "--json",
    )
    assert list(found(answer)) == TINY.split(",")
    for label, counts in found(answer).items():
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed(0)
            segmenter = load_method(label)
            batch = prepare([pixels(90, 120)], segmenter.input_spec)
            text = segmenter.text_for(Vocabulary(names, (True,) * len(names)))
            labels = label_maps(segmenter.segment(batch, text))[0]
        assert counts == {names[k]: int((labels == k).sum()) for k in labels.unique().tolist()}, label
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert picture.width > 2000


def test_the_table_and_the_picture_say_that_weights_are_random(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(overlay._Cell, "draw", lambda self, *_: drawn.append((self.title, self.note)))
    flags = ("--methods", "maskclip/tiny", "--weights", "random", "--out", tmp_path / "a.png")
    answer = here(capsys, "segment", photo, "--classes", "cat, other", *flags)
    assert answer.code == 0
    assert drawn == [
        ("photo.png", "120 x 90 pixels"),
        ("maskclip/tiny", "random weights: labels mean nothing"),
    ]
    assert "maskclip/tiny: random weights: labels mean nothing" in answer.out
    assert f"picture: {tmp_path / 'a.png'}" in answer.err


def test_a_checkpoint_is_named_and_its_panel_does_not_say_random(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = load_method("maskclip/tiny").state_dict()
    official = {name.removeprefix("text."): value.clone() for name, value in state.items()}
    save_file(official, tmp_path / "mine.safetensors")
    flags = ("--methods", "maskclip/tiny,san/tiny", "--out", tmp_path / "a.png", "--json")
    weights = f"maskclip={tmp_path / 'mine.safetensors'},san=random"
    answer = here(capsys, "segment", photo, "--classes", "cat, other", "--weights", weights, *flags)
    assert answer.code == 0, answer.err
    methods = json.loads(answer.out)["photos"][0]["methods"]
    assert methods["maskclip/tiny"]["note"] == "weights: mine.safetensors"
    assert methods["san/tiny"]["note"].startswith("random weights")


def test_a_bare_name_means_the_full_size_variant_whose_weights_must_be_there(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHBED_WEIGHTS", str(tmp_path))
    out = tmp_path / "a.png"
    answer = here(capsys, "segment", photo, "--classes", "cat, other", "--methods", "san", "--out", out)
    assert answer.code == 3
    assert "san/vit-b16: its weights san_vit_b_16.pth are not in" in answer.err
    assert "get them from" in answer.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        ("cat", ["cat"]),
        ('"road, route" , sky ', ["road, route", "sky"]),
        ("sofa, couch, settee", ["sofa", "couch", "settee"]),
        ("кошка, 猫, Straße, 🦊 fox", ["кошка", "猫", "Straße", "🦊 fox"]),
        ("word " * 58, [("word " * 58).strip()]),
    ],
    ids=["one", "comma", "synonyms", "unicode", "long"],
)
def test_any_words(
    classes: str, names: list[str], photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With every method: `benchbed.conformance`; here how the flag is read, with pixels and with masks."""
    flags = ("--methods", TWO, "--out", tmp_path / "a.png", "--json")
    answer = here(capsys, "segment", photo, "--classes", classes, *flags)
    for label, counts in found(answer).items():
        assert sum(counts.values()) == 90 * 120, label
        assert set(counts) <= set(names)
    assert json.loads(answer.out)["classes"] == names


def test_a_thousand_classes(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of every method in `benchbed.conformance`; here the command and its legend."""
    classes = ", ".join(f"thing number {index}" for index in range(1000))
    flags = ("--methods", "san/tiny,lseg/tiny", "--out", tmp_path / "a.png", "--json")
    for counts in found(here(capsys, "segment", photo, "--classes", classes, *flags)).values():
        assert sum(counts.values()) == 90 * 120


@pytest.mark.parametrize("unseen", ["grass", "cat, grass, other"])
def test_unseen_classes_reach_the_methods(
    unseen: str, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = (
        TINY if unseen.startswith("cat") else TWO
    )  # one unseen class in every method: `benchbed.conformance`
    flags = ("--methods", methods, "--unseen", unseen, "--out", tmp_path / "a.png", "--json")
    answer = here(capsys, "segment", photo, "--classes", "cat, grass, other", *flags)
    assert json.loads(answer.out)["unseen"] == unseen.split(", ")
    assert all(sum(counts.values()) == 90 * 120 for counts in found(answer).values())


@pytest.mark.parametrize("size", [(1, 1), (17, 3000), (3000, 17)], ids=["1x1", "wide", "tall"])
def test_any_size(size: tuple[int, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(pixels(*size)).save(tmp_path / "odd.png")
    flags = ("--methods", TWO, "--out", tmp_path / "a.png", "--json")
    answer = here(capsys, "segment", tmp_path / "odd.png", "--classes", "cat, grass, sky, other", *flags)
    for label, counts in found(answer).items():
        assert sum(counts.values()) == size[0] * size[1], label


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16"])
def test_any_colour_mode_gives_what_its_rgb_gives(
    mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = pixels(60, 80)[..., 0].copy()
    image = Image.fromarray(grey.astype(np.uint16) * 257 if mode == "I;16" else grey)
    image = image if image.mode == mode else image.convert(mode)
    path = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    image.save(path)
    plain = tmp_path / "plain.png"
    Image.fromarray(grey).convert("1" if mode == "1" else "L").convert("RGB").save(plain)
    flags = ("--methods", "maskclip/tiny", "--out", tmp_path / "a.png", "--json")
    answer = here(capsys, "segment", path, plain, "--classes", "cat, grass, sky, other", *flags)
    assert found(answer, 0) == found(answer, 1)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precisions_run(
    precision: str, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = TINY if precision == "fp16" else TWO
    flags = ("--methods", methods, "--precision", precision, "--out", tmp_path / "a.png", "--json")
    answer = here(capsys, "segment", photo, "--classes", "cat, grass, other", *flags)
    assert all(sum(counts.values()) == 90 * 120 for counts in found(answer).values())


def test_help_and_refusals_import_no_torch(photo: Path) -> None:
    for arguments in (
        ["segment", "--help"],
        ["segment", str(photo), "--classes", "a,a", "--methods", "san/tiny"],
    ):
        code = f"import sys; from benchbed.cli import run_cli; run_cli({arguments!r}); sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_real_photos_through_the_command_line(shared_voc: Path, tmp_path: Path) -> None:
    photos = sorted((shared_voc / "VOCdevkit/VOC2012/JPEGImages").glob("2007_*.jpg"))[:2]
    flags = ("--methods", "san/tiny,deop/tiny,maskclip/tiny", "--out", tmp_path / "a.png", "--json")
    answer = apart("segment", *photos, "--classes", "cat, grass, sky, person, road, other", *flags)
    for index, path in enumerate(photos):
        with Image.open(path) as image:
            size = image.width * image.height
        assert all(sum(counts.values()) == size for counts in found(answer, index).values())
    with Image.open(tmp_path / "a.png") as picture:
        assert np.asarray(picture).std() > 20
