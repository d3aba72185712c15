"""What a method's page (README.md) and card say, where a file, a number or a list can contradict it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchbed import registry
from benchbed.method_card import Method, MethodCard
from benchbed.registry import METHOD_GROUP

ROOT = Path(__file__).resolve().parents[2]
SHIPPED: dict[str, Method] = {
    found.name: found.object
    for found in registry.every(METHOD_GROUP)
    if found.distribution.startswith("benchbed ")
}
NAMES = sorted(SHIPPED)
FILE = re.compile(r"\b((?:tests|methods|benchbed|reports)/[\w/]+\.(?:py|md)|test_\w+\.py)\b")
ROW = re.compile(r"^\| `(\w+)/([\w-]+)` \|.*$", re.MULTILINE)
TRAINED_AND_ALL = re.compile(r"([\d,]{7,}) / ([\d,]{7,})|([\d.]+) M / ([\d.]+) M")


def page(name: str) -> str:
    return (ROOT / "methods" / name / "README.md").read_text()


def exists(file: str) -> bool:
    return (ROOT / file).is_file() if "/" in file else any((ROOT / "tests").rglob(file))


@pytest.mark.parametrize("name", NAMES)
def test_files_that_page_and_card_name_are_there(name: str) -> None:
    card = SHIPPED[name].card
    named = FILE.findall(" ".join([page(name), *card.verified, *card.traps, *card.claims]))
    assert any("test_" in file for file in named), "no test is named as the place where it was verified"
    assert [file for file in named if not exists(file)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_was_verified_and_what_to_beware_of(name: str) -> None:
    card: MethodCard = SHIPPED[name].card
    assert card.verified
    assert card.traps
    for text in (*card.verified, *card.traps, *card.claims):
        assert text == text.strip()
        assert len(text) > 20


@pytest.mark.parametrize("name", NAMES)
def test_every_checkpoint_says_where_it_is_what_it_saw_and_what_it_is_not_for(name: str) -> None:
    for variant in SHIPPED[name].variants:
        if variant.weights is None:
            continue
        assert variant.weights.file.endswith((".pth", ".ckpt", ".safetensors"))
        assert len(variant.weights.source) > 20
        saw_no_masks = "no masks" in variant.weights.trained_on
        assert saw_no_masks or variant.weights.not_for or "two-way episodes" in variant.weights.trained_on
        assert all(len(reason) > 20 for reason in variant.weights.not_for.values())


@pytest.mark.parametrize("name", NAMES)
def test_parameters_on_the_page_are_the_cards(name: str) -> None:
    """The card's own are held to the built model in test_card_facts.py."""
    for row in ROW.finditer(page(name)):
        assert row[1] == name
        variant = SHIPPED[name].variant(row[2])
        assert variant is not None, f"{row[1]}/{row[2]} is no variant"
        stated = TRAINED_AND_ALL.search(row[0])
        if stated is None:
            continue
        assert variant.params is not None
        if stated[1]:
            assert (int(stated[2].replace(",", "")), int(stated[1].replace(",", ""))) == variant.params
        else:
            assert (f"{variant.params[1] / 1e6:.3f}", f"{variant.params[0] / 1e6:.3f}") == (
                stated[3],
                stated[4],
            )


def test_the_bridges_page_has_each_pairs_trained_parameters() -> None:
    rows = re.findall(
        r"^\| `bridge/([\w-]+)` \(.*?\) \| ([\d,]+) / ([\d,]+) \|", page("bridge"), re.MULTILINE
    )
    found = {name: [int(number.replace(",", "")) for number in numbers] for name, *numbers in rows}
    trained = {variant.name: (variant.params or (0, 0))[1] for variant in SHIPPED["bridge"].variants}
    pairs = [name for name in trained if not name.endswith("-plain")]
    assert found == {name: [trained[name], trained[f"{name}-plain"]] for name in pairs}


def test_the_front_page_lists_every_method_with_its_family_and_variants() -> None:
    front = (ROOT / "README.md").read_text()
    for name, method in SHIPPED.items():
        row = next(line for line in front.splitlines() if line.startswith(f"| [`{name}`]"))
        assert f"| {method.card.family}" in row
        for variant in method.variants:
            # The bridge's six are described, not listed.
            assert name == "bridge" or variant.embedded or f"`{variant.name}`" in row, variant.name


@pytest.mark.parametrize("name", NAMES)
def test_the_page_names_the_paper_and_the_licence_of_the_official_code(name: str) -> None:
    card, words = SHIPPED[name].card, " ".join(page(name).replace("*", "").split())
    assert card.title in words
    assert str(card.year) in words
    assert card.arxiv in words
    licence = card.code_licence.split(" (")[0]
    assert licence in words or (licence.startswith("none") and re.search(r"no licence|none found", words))
