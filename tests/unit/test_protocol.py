"""Protocols: the fingerprint moves with every field, and two records' differences are named."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from benchbed.datasets.voc import DATASET
from benchbed.errors import UsageError
from benchbed.protocol import Protocol, differences, named
from benchbed.registry import choose


@pytest.fixture
def paper() -> Protocol:
    return named("paper", DATASET, "fp32", 2, "cpu")


def test_every_field_moves_the_fingerprint(paper: Protocol) -> None:
    prints = {paper.fingerprint}
    for field in fields(Protocol):
        value = getattr(paper, field.name)
        prints.add(
            replace(paper, **{field.name: value + 1 if isinstance(value, int) else f"{value} x"}).fingerprint
        )
    assert len(prints) == 1 + len(fields(Protocol))


def test_the_fingerprint_is_the_same_in_every_process(paper: Protocol) -> None:
    assert paper.fingerprint == named("paper", DATASET, "fp32", 2, "cpu").fingerprint
    assert len(paper.fingerprint) == 16


def test_paper_keeps_the_published_input_and_matched_gives_all_the_same(paper: Protocol) -> None:
    matched = named("matched", DATASET, "fp32", 2, "cpu")
    san, deop = choose("san").variant, choose("deop").variant
    assert paper.input_for(san, DATASET).short_side == 640
    assert paper.input_for(deop, DATASET).short_side == 512
    sides = {matched.input_for(v, DATASET).short_side for v in (san, deop)}
    assert sides == {DATASET.matched_sides[0]}
    assert matched.input_for(deop, DATASET).mean == deop.inputs["*"].mean


def test_text_runs_again_for_each_image_only_where_the_paper_did_so(paper: Protocol) -> None:
    deop, san = choose("deop"), choose("san")
    assert paper.text_per_image(deop.method.card, deop.variant)
    assert not paper.text_per_image(san.method.card, san.variant)
    assert not paper.text_per_image(deop.method.card, replace(deop.variant, text_per_image=False))
    assert not named("matched", DATASET, "fp32", 2, "cpu").text_per_image(deop.method.card, deop.variant)


def test_what_was_published_for_one_dataset_alone_goes_over_the_rest() -> None:
    variant = replace(choose("deop").variant, config={"a": 1, "b": 2}, per_dataset={"voc": {"b": 3}})
    assert variant.config_for("voc") == {"a": 1, "b": 3}
    assert variant.config_for("shapes") == {"a": 1, "b": 2}


def test_differences_name_the_fields(paper: Protocol) -> None:
    other = replace(paper, threads=8, precision="bf16")
    assert differences(paper.as_dict(), other.as_dict()) == ["precision: fp32 / bf16", "threads: 2 / 8"]
    assert differences(paper.as_dict(), paper.as_dict()) == []


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean matched"):
        named("mached", DATASET, "fp32", 2, "cpu")
    with pytest.raises(UsageError, match="--precision fp8: expected one of fp32, bf16, fp16"):
        named("paper", DATASET, "fp8", 2, "cpu")
