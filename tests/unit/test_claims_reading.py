"""Claim files: what ships is whole and points at things that exist; whatever is unknown is one clear error."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from benchbed.claims.printed import opponent_number, printed, subject_number
from benchbed.claims.reading import named_claims, read_claims, shipped_claims
from benchbed.errors import UsageError
from benchbed.registry import choose

CLAIM = """
format = 1
[paper]
method = "mine"
title = "A Paper"
venue = "CVPR"
year = 2027
[[claims]]
name = "mine-speed"
sentence = "twice as fast"
source = "abstract"
metric = "latency"
unit = "x"
interval = [2.0, inf]
pairs = [{ subject = "mine/base", against = "deop/tiny" }]
[claims.conditions]
protocol = "matched"
size = [64, 96]
[claims.sweep]
axis = "proposals"
values = [30, 1]
"""


def written(folder: Path, text: str = CLAIM, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_issue_s_claims_ship_and_name_what_exists() -> None:
    claims = {claim.name: claim for claim in shipped_claims()}
    assert {
        "deop-speed",
        "deop-coco-hiou",
        "zegformer-voc",
        "zegformer-coco",
        "san-params",
        "san-speed",
        "lseg-closed-set",
        "lseg-label-sets",
        "bridge-text-head",
    } == set(claims)
    for claim in claims.values():
        for label in claim.labels:
            assert choose(label).label == label
        for pair in (*claim.pairs, *claim.stand_ins):
            assert choose(pair.subject).label == pair.subject
        for citation in claim.citations:
            assert subject_number(citation) is not None, citation
            assert opponent_number(citation) is not None, citation


def test_the_bridge_is_held_against_its_plain_head_on_every_full_size_backbone() -> None:
    (claim,) = named_claims(["bridge-text-head"])
    backbones = [v.name for v in choose("bridge").method.variants if not v.embedded and "plain" not in v.name]
    assert [pair.subject for pair in claim.pairs] == [f"bridge/{name}" for name in backbones]
    assert all(pair.against == f"{pair.subject}-plain" for pair in claim.pairs)
    assert claim.over == "every"


def test_deop_s_own_table_contradicts_its_sentence() -> None:
    (claim,) = named_claims(["deop-speed"])
    coco, voc = printed(claim)
    assert coco.value == pytest.approx(4.37 / 1.11)
    assert voc.value == pytest.approx(6.55 / 2.66)
    # Half a unit of the last place to both sides.
    assert (coco.low, coco.high) == pytest.approx((4.365 / 1.115, 4.375 / 1.105))
    assert coco.own
    assert voc.own
    assert coco.agrees is False
    assert voc.agrees is False


def test_published_numbers_that_agree() -> None:
    (hiou,) = named_claims(["deop-coco-hiou"])
    table, zegclip, _ = printed(hiou)
    assert (table.value, table.agrees) == (pytest.approx(0.4), True)
    assert "SimSeg 37.8" in table.text  # the best other one
    assert (zegclip.value, zegclip.agrees) == (pytest.approx(-2.6), False)
    (zegformer,) = named_claims(["zegformer-coco"])
    assert printed(zegformer)[0].agrees is True


def test_a_third_party_adds_a_file(tmp_path: Path) -> None:
    (claim,) = named_claims([str(written(tmp_path))])
    assert (claim.low, claim.high) == (2, math.inf)
    assert claim.sweep is not None
    assert claim.sweep.values == (1, 30)
    assert claim.conditions.size == (64, 96)
    assert claim.labels == ("mine/base", "deop/tiny")
    both = named_claims([str(tmp_path), "san-params"])
    assert [each.name for each in both] == ["mine-speed", "san-params"]


def test_names_mean_claims_or_methods() -> None:
    assert [claim.name for claim in named_claims(["deop"])] == ["deop-speed", "deop-coco-hiou"]
    assert [claim.name for claim in named_claims(["san-speed", "san"])] == ["san-speed", "san-params"]
    with pytest.raises(UsageError, match="did you mean deop-speed"):
        named_claims(["deop-sped"])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('metric = "latency"', 'metrc = "latency"', "field 'metric' is missing"),
        ('source = "abstract"', 'source = "abstract"\nsurce = "x"', "unknown field 'surce'; did you mean source"),
        ('unit = "x"', 'unit = "times"', "unit 'times'; latency is claimed in 'x'; write 'x'"),
        ('unit = "x"', 'unit = "ms"', "unit 'ms'; latency is claimed in 'x'"),
        ('metric = "latency"', 'metric = "latancy"', "did you mean 'latency'"),
        ("[2.0, inf]", "[7, 4]", "expected two numbers, the smaller first"),
        ("[2.0, inf]", "[2.0]", "expected two numbers"),
        ("[2.0, inf]", '"2"', "field 'interval' is '2'; expected two numbers"),
        ('against = "deop/tiny"', 'against = "deop"', "expected method/variant"),
        (', against = "deop/tiny"', "", "mine/base has 0 opponents"),
        ('against = "deop/tiny"', 'published = "table"', "no [[claims.published]] of that name"),
        ('protocol = "matched"', 'protocol = "mached"', "did you mean 'matched'"),
        ("size = [64, 96]", "size = [64]", "expected [height, width]"),
        ("size = [64, 96]", "clases = 3", "unknown field 'clases'; did you mean classes"),
        ("values = [30, 1]", "values = [30, 30]", "expected two or more different numbers"),
        ('axis = "proposals"', 'axis = "tokens"', "expected one of proposals, classes, batch"),
        ("year = 2027", 'year = "2027"', "field 'year' is '2027'; expected a whole number"),
        ("format = 1", "format = 2", "claim format 2, this benchbed reads 1"),
        ("format = 1", "format = ", "not a claim file"),
        ('name = "mine-speed"', 'name = ""', "field 'name' is empty"),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_are_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in CLAIM
    path = written(tmp_path, CLAIM.replace(old, new, 1))
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        read_claims(path)
    assert str(caught.value).startswith(str(path))
    assert caught.value.exit_code == 2


def test_a_file_without_claims_and_one_that_is_not_there(tmp_path: Path) -> None:
    head = CLAIM.partition("[[claims]]")[0]
    with pytest.raises(UsageError, match="field 'claims' is missing"):
        read_claims(written(tmp_path, head))
    with pytest.raises(UsageError, match="no claims in it"):
        read_claims(written(tmp_path, f"claims = []\n{head}"))
    with pytest.raises(UsageError, match="not a claim file"):
        named_claims([str(tmp_path / "none.toml")])


def test_one_name_in_two_files(tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path, name="other.toml")
    with pytest.raises(UsageError, match=r"claim 'mine-speed' is also in .*mine.toml"):
        named_claims([str(tmp_path)])
