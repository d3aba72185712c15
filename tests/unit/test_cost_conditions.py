"""Sizes, counts and sweeps as a person writes them, and what is refused."""

from __future__ import annotations

import json

import pytest

from benchbed.cost.conditions import (
    Conditions,
    axis_number,
    check_count,
    conditions_from,
    parse_size,
    parse_sweeps,
)
from benchbed.errors import UsageError


def test_conditions_survive_json() -> None:
    here = Conditions((480, 640), 20, None, 4)
    assert conditions_from(json.loads(json.dumps(here.as_dict()))) == here
    assert here.at("batch", 1) == Conditions((480, 640), 20, None, 1)


@pytest.mark.parametrize(
    ("text", "size"), [("640x853", (640, 853)), (" 32 X 32", (32, 32)), ("64\u00d796", (64, 96))]
)
def test_sizes_are_height_by_width(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["640", "640x", "x853", "640*853", "-1x20", "31x640", "640x8193", "6e2x853", ""]
)
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("proposals=1:100", (1, 3, 10, 32, 100)),
        ("proposals=1:100:3", (1, 10, 100)),
        ("proposals=100, 1,10,10", (1, 10, 100)),
        ("classes=20,171", (20, 171)),
        ("batch=1:3:50", (1, 2, 3)),
        ("size=320x427,160x213", ((160, 213), (320, 427))),
        ("size=256:1024:3", ((256, 341), (512, 682), (1024, 1365))),
    ],
)
def test_sweeps_rise_and_have_no_value_twice(text: str, values: tuple[object, ...]) -> None:
    (axis, found), *rest = parse_sweeps([text]).items()
    assert (axis, found, rest) == (text.partition("=")[0], values, [])


def test_swept_sizes_keep_the_shape_of_the_base() -> None:
    assert parse_sweeps(["size=128:256:2"], (853, 640))["size"] == ((171, 128), (341, 256))


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        (["proposal=1:10"], "expected AXIS=VALUES"),
        (["proposals"], "expected AXIS=VALUES"),
        (["proposals=1:10", "proposals=5,6"], "named twice"),
        (["proposals=ten"], "whole numbers"),
        (["proposals=1.5:10"], "whole numbers"),
        (["proposals=10:1"], "whole numbers"),
        (["proposals=1:10:1"], "whole numbers"),
        (["proposals=1:10:3:4"], "whole numbers"),
        (["proposals=0,5"], "from 1 to"),
        (["classes=5,1000000"], "from 1 to 32,000"),
        (["proposals=7"], "one value is no sweep"),
        (["proposals=7,7"], "one value is no sweep"),
        (["size=8:16"], "one value is no sweep"),
        (["size=320x427,no"], "HEIGHTxWIDTH"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(texts: list[str], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        parse_sweeps(texts)


def test_numbers_that_laws_are_fitted_over() -> None:
    assert axis_number("size", [640, 853]) == 640 * 853
    assert axis_number("proposals", 32) == 32.0
    assert check_count("--batch", "batch", 4) == 4
    with pytest.raises(UsageError, match="--batch 0: expected a number of batch from 1"):
        check_count("--batch", "batch", 0)
