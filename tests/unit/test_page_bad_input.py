"""The page of odd records: hostile names, missing parts, huge numbers, one row, sixty methods; and that it needs nothing."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_record import example_counts, example_latency, example_record
from page_store import (
    NOTHING,
    Made,
    data_of,
    measured,
    page_of,
    page_report,
    write_page_store,
)

from benchbed.metrics import Counts
from benchbed.report.content import make_report
from benchbed.report.page import page_html, render
from benchbed.report.page.pairs import MOST_PAIRS
from benchbed.report.page.render import LARGEST, SCRIPTS, embedded


def same_images(seed: int) -> Counts:
    """The example's counts with other pixels right: a second method on the same images."""
    first = example_counts()
    draw = np.random.default_rng(seed)
    return replace(first, intersection=draw.integers(0, first.intersection + 1))


HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "]]>",
    "<!--",
    "a\u2028b",
    "\"&'",
)


def test_embedded_data_cannot_end_its_element() -> None:
    text = embedded({"names": list(HOSTILE)})
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == {"names": list(HOSTILE)}
    with pytest.raises(ValueError, match="Out of range"):
        embedded({"value": math.nan})


def test_hostile_names_stay_inside_the_data(tmp_path: Path) -> None:
    plain = example_record("<b>x</b>/y")
    names = [*HOSTILE, *plain.dataset["names"]][:20]
    record = example_record("<b>x</b>/y", dataset={**plain.dataset, "names": names}, warnings=HOSTILE[:5])
    report = page_report(tmp_path / "store", [record])
    report = replace(
        report,
        collection=replace(report.collection, skipped=("<script>alert(3)</script>", "half a pair: \ud800")),
    )
    html = page_html(report, NOTHING)
    html.encode("utf-8")
    assert html.count("<script") == 2
    assert "<b>x</b>" not in html
    assert "alert(1)" in html, "the names are there, escaped"
    assert "&lt;script&gt;alert(3)" in html
    assert data_of(html)["vocabularies"][0]["names"][0] == names[0]


def test_the_page_holds_all_it_needs_and_its_policy_allows_nothing_else(tmp_path: Path) -> None:
    html = page_html(page_report(tmp_path, [example_record()]), NOTHING)
    assert not re.findall(r'(?:src|href)="(?!#|data:)', html)
    assert "url(" not in html
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    assert policy[1].startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy[1]
    assert page_html(page_report(tmp_path, [example_record()]), NOTHING) == html


def test_every_script_is_on_the_page() -> None:

    found = {path.stem for path in Path(render.__file__).parent.glob("*.js")}
    assert found == set(SCRIPTS)


def test_one_record_alone(tmp_path: Path) -> None:
    data = page_of(tmp_path, [example_record()])
    assert len(measured(data)) == 1
    assert data["pairs"] == {}
    assert all(line[6] == 0 for line in measured(data)[0]["cells"].values()), "nobody is best of one"


@pytest.mark.parametrize(
    ("part", "kept", "gone"),
    [("accuracy", "miou", "latency"), ("cost", "latency", "miou"), ("nothing", "", "miou")],
)
def test_records_with_missing_parts(tmp_path: Path, part: str, kept: str, gone: str) -> None:
    without: dict[str, Any] = {"accuracy": {"cost": {}}, "cost": {"counts": None}}.get(
        part, {"cost": {}, "counts": None}
    )
    data = page_of(
        tmp_path,
        [
            example_record(name, i, **{"counts": same_images(i), **without})
            for i, name in enumerate(("a/b", "c/d"))
        ],
    )
    for row in measured(data):
        assert gone not in row["cells"]
        assert not kept or kept in row["cells"]
    assert bool(data["pairs"]) == (part == "accuracy")


def test_huge_and_missing_numbers(tmp_path: Path) -> None:
    plain = example_record()
    cost = {**plain.cost, "latency": example_latency(scale=1e12), "params": {"total": 10**18}}
    seen = {**plain.dataset, "seen": [True] * 20}
    data = page_of(tmp_path, [example_record(cost=cost, dataset=seen)])
    cells = measured(data)[0]["cells"]
    assert "unseen_miou" not in cells, "no class is unseen, so the number does not exist"
    assert "hiou" not in cells
    assert cells["latency"][2] == pytest.approx(1e14, rel=0.1)
    assert cells["params"][0] == "1e+12"


def test_sixty_methods_have_a_look_and_every_pair_that_fits(tmp_path: Path) -> None:
    records = [example_record(f"method-{i}/v", i % 60, cost={}, counts=same_images(i)) for i in range(60)]
    data = page_of(tmp_path, records)
    assert len(measured(data)) == 60
    assert len(data["styles"]) == 60
    assert len(data["pairs"]) == 35 * 34 // 2 <= MOST_PAIRS


def test_thirty_records_with_pictures_stay_below_three_megabytes(tmp_path: Path) -> None:
    made = [Made(f"m{i}/v", 0.02 * i, 1 + i / 10) for i in range(30)]
    write_page_store(tmp_path, made)
    html = page_html(make_report([tmp_path]))
    assert len(html.encode()) < LARGEST
    assert data_of(html)["scenes"]


def test_the_page_needs_no_torch(tmp_path: Path) -> None:
    page_report(tmp_path, [example_record()])
    code = (
        "import sys; from pathlib import Path; from benchbed.report.content import make_report; "
        "from benchbed.report.page import page_html; page_html(make_report([Path(sys.argv[1])])); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True).returncode == 0
