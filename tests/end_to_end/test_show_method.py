"""`benchbed show METHOD` and `benchbed list flops`: what cards say of a paper, of its traps, and of its cost."""

from __future__ import annotations

import json

import pytest
from command import here

from benchbed import registry


@pytest.mark.parametrize("name", ["zegformer", "maskclip", "bridge"])
def test_a_card_is_shown_in_full(capsys: pytest.CaptureFixture[str], name: str) -> None:
    card = registry.choose(name).method.card
    content = json.loads(here(capsys, "show", name, "--json").out)
    assert content["card"]["claims"] == list(card.claims)
    assert content["card"]["traps"] == list(card.traps)
    shown = " ".join(here(capsys, "show", name).out.split())
    for heading in ("claims", "verified", "traps", "variants"):
        assert (heading in shown) == (heading == "variants" or bool(getattr(card, heading)))
    for item in (*card.claims, *card.verified, *card.traps):
        assert item.split()[0] in shown


def test_flops_beside_the_official_ones_say_why_they_differ(capsys: pytest.CaptureFixture[str]) -> None:
    answer = here(capsys, "show", "zegformer/r101")
    assert answer.code == 0
    assert "0.934" in answer.out
    assert "whole_last_block=True" in answer.out
    content = json.loads(here(capsys, "show", "zegformer/r101", "--json").out)
    (variant,) = content["variants"]
    figure = variant["official_flops"][0]
    assert figure["ratio"] == pytest.approx(3554.2 / 3806.8)
    rows = json.loads(here(capsys, "list", "flops", "--json").out)
    assert {row["name"] for row in rows} >= {
        "san/vit-b16",
        "deop/r101c-vit-b16",
        "simseg/r101c",
        "lseg/vitl16",
    }
    assert all(abs(float(row["ratio"]) - 1) <= 0.01 or len(row["why"]) > 40 for row in rows)


def test_names_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in (("zegformer/r999", "unknown variant"), ("zegforme", "none fits")):
        answer = here(capsys, "show", name)
        assert answer.code == 2
        assert words in answer.err
        assert answer.err.count("\n") == 1
