"""`--weights`: what each form gives, and where a person is sent for what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchbed import weights
from benchbed.errors import MissingError, UsageError
from benchbed.registry import choose
from benchbed.weights import RANDOM_NOTE, parse


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHBED_WEIGHTS", str(tmp_path))
    return tmp_path


def test_random_marks_every_variant() -> None:
    chosen = [choose("san"), choose("deop")]
    choices = parse("random", chosen)
    assert {choice.note for choice in choices.values()} == {RANDOM_NOTE}
    assert set(choices) == {"san/vit-b16", "deop/r101c-vit-b16"}


def test_auto_finds_the_official_file_and_else_says_where_to_get_it(folder: Path) -> None:
    san = choose("san")
    with pytest.raises(
        MissingError, match=r"san_vit_b_16\.pth.*Hugging Face.*--weights san=PATH.*--weights random"
    ):
        parse("auto", [san])
    (folder / "san_vit_b_16.pth").write_bytes(b"x")
    choice = parse("auto", [san])["san/vit-b16"]
    assert (choice.kind, choice.path) == ("file", folder / "san_vit_b_16.pth")
    assert choice.as_dict()["file"] == "san_vit_b_16.pth"  # never somebody's folders


def test_auto_takes_the_weights_that_ship_and_else_random_ones_for_embedded_variants_only() -> None:
    chosen = choose("san", embedded=True)
    shipped = parse("auto", [chosen])["san/tiny"]
    assert shipped.kind == "packaged"
    assert shipped.path is not None
    assert shipped.path.is_file()
    bare = replace(chosen, variant=replace(chosen.variant, packaged=""))
    assert parse("auto", [bare])["san/tiny"].kind == "random"


def test_shipped_takes_the_weights_that_ship_for_a_whole_run_or_one_method() -> None:
    chosen = [choose("san/tiny"), choose("maskclip/tiny")]
    assert parse("shipped", chosen) == parse("auto", chosen)
    kinds = {label: choice.kind for label, choice in parse("san=shipped,maskclip=random", chosen).items()}
    assert kinds == {"san/tiny": "packaged", "maskclip/tiny": "random"}


@pytest.mark.parametrize("flag", ["shipped", "san=shipped", "san/vit-b16=shipped"])
def test_shipped_takes_nothing_else_where_none_ship(flag: str, folder: Path) -> None:
    (folder / "san_vit_b_16.pth").write_bytes(b"x")  # which `auto` would take
    says = r"san/vit-b16: no weights come with it; they come with san/tiny; give --weights san=auto, san=PATH or san=random"
    with pytest.raises(UsageError, match=says):
        parse(flag, [choose("san")])


def test_shipped_does_not_fall_back_to_random_ones_for_an_embedded_variant() -> None:
    assert parse("auto", [choose("bridge/tiny-plain")])["bridge/tiny-plain"].kind == "random"
    with pytest.raises(
        UsageError, match=r"bridge/tiny-plain: no weights come with it; they come with bridge/tiny;"
    ):
        parse("shipped", [choose("bridge/tiny-plain")])


def test_one_path_serves_one_variant(folder: Path) -> None:
    path = folder / "c.pth"
    path.write_bytes(b"x")
    assert parse(str(path), [choose("san")])["san/vit-b16"].path == path
    with pytest.raises(UsageError, match=r"2 variants .*say method="):
        parse(str(path), [choose("san"), choose("deop")])


def test_pairs_name_methods_or_variants_and_the_rest_is_auto(folder: Path) -> None:
    path = folder / "c.pth"
    path.write_bytes(b"x")
    chosen = [choose("san"), choose("deop"), choose("maskclip", embedded=True)]
    choices = parse(f"san={path},deop/r101c-vit-b16=random", chosen)
    assert [choices[each.label].kind for each in chosen] == ["file", "random", "packaged"]


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("san=", "expected method=PATH"),
        ("sam=random", "did you mean san"),
        ("maskclip=random", "not in this run"),
    ],
)
def test_malformed_pairs_are_refused(flag: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse(flag, [choose("san"), choose("deop")])


def test_a_missing_file_is_named() -> None:
    with pytest.raises(
        MissingError, match=r"no-such\.pth: no such file; expected 'auto', 'random', 'shipped', or"
    ):
        parse("no-such.pth", [choose("san")])
    with pytest.raises(MissingError, match=r"no-such\.pth"):
        parse("san=no-such.pth", [choose("san")])


def test_the_folder_follows_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.folder() == folder
    monkeypatch.delenv("BENCHBED_WEIGHTS")
    assert weights.folder() == Path.home() / ".cache" / "benchbed" / "weights"
