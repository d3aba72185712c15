"""The page's tables in a real Chromium: read, sort, filter, walk, open provenance; the whole page dark, printed, narrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, browser
from command import apart
from page_in_browser import CELL, labels, opened, place, write_page
from page_store import METHODS, made_record, page_report

from benchbed.report.figures import accuracy_figures
from benchbed.report.page import page_html
from benchbed.report.page.claim_lines import ClaimLines


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the small store."""
    return write_page(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of this file."""
    with browser() as driven:
        yield driven


@pytest.fixture
def seen(chromium: Browser, page: Path) -> Iterator[Browser]:
    """The page, freshly opened."""
    yield from opened(chromium, page)


def test_every_measured_row_is_there_under_its_protocol(seen: Browser) -> None:
    assert set(labels(seen, 0)) == {made.label for made in METHODS}
    assert set(labels(seen, 1)) == {made.label for made in METHODS[:-2]}
    assert "protocol matched" in seen.text('tbody[data-group="1"] .group')
    assert "input: as published / short side 640" in seen.text('tbody[data-group="0"] .group')


def test_a_cell_shows_the_figure_and_its_interval(seen: Browser) -> None:
    record, _ = made_record(METHODS[0], 0)
    figure = accuracy_figures(record)["hiou"]
    shown = seen.text(CELL.format(place(seen, record.label), "hiou")).split()
    assert " ".join(shown) == f"{figure.value:.1f} [{figure.low:.1f}, {figure.high:.1f}]"


def test_best_is_bold_and_random_weights_never_are(seen: Browser) -> None:
    rank = "document.querySelector('{} .value').className"
    assert "best" in seen.run(rank.format(CELL.format(place(seen, "san/vit-b16"), "hiou")))
    assert "second" in seen.run(rank.format(CELL.format(place(seen, "deop/r101c-vit-b16"), "hiou")))
    accuracies = [f"{CELL.format(place(seen, 'maskclip/vit-b16'), name)} .value" for name in ("miou", "hiou")]
    assert all("best" not in seen.run(f"document.querySelector('{each}').className") for each in accuracies)


def test_sorting_goes_down_up_and_back(seen: Browser) -> None:
    head, given = '#table th[data-key="hiou"]', labels(seen)
    by_quality = [made.label for made in sorted(METHODS, key=lambda made: made.wrong)]
    for state, order in (("descending", by_quality), ("ascending", by_quality[::-1]), ("none", given)):
        seen.click(f"{head} button")
        assert seen.run(f"document.querySelector('{head}').getAttribute('aria-sort')") == state
        assert labels(seen) == order
    seen.click('#table th[data-key="latency"] button')
    assert labels(seen)[0] == "maskclip/vit-b16", "of a latency the smallest is the best"


def test_filters_leave_what_fits_and_say_how_much(seen: Browser) -> None:
    seen.key("/")
    seen.write("zegf PAPER")
    assert labels(seen) == ["zegformer/r101"]
    assert labels(seen, 1) == []
    assert seen.text("#status").startswith("1 of ")
    seen.key("Escape")
    assert len(labels(seen)) == len(METHODS)
    seen.choose("#protocol", "matched")
    assert labels(seen) == []
    assert len(labels(seen, 1)) == len(METHODS) - 2
    seen.choose("#protocol", "")
    seen.choose("#kind", "random")
    assert labels(seen) == ["maskclip/vit-b16"]
    seen.choose("#kind", "published")
    assert labels(seen) == []
    assert "DeOP" in seen.texts("tbody .label")
    assert all(text.endswith("†") for text in seen.texts("tbody .value"))


def test_views_change_the_columns(seen: Browser) -> None:
    seen.click('#views input[value="cost"] + span')
    heads = seen.texts("#table thead th button")
    assert {"params", "trainable", "GFLOPs", "peak activations"} <= set(heads)
    assert "hIoU" not in heads


def test_provenance_is_one_click_away(seen: Browser) -> None:
    row = place(seen, "deop/r101c-vit-b16")
    seen.click(CELL.format(row, "hiou"))
    record, _ = made_record(METHODS[1], 1)
    shown = seen.text("#provenance")
    for part in (
        record.id,
        "no commit",
        "A Processor, 2 threads",
        record.protocol["fingerprint"],
        "95 % interval [",
    ):
        assert part in shown
    assert f"deop-r101c-vit-b16-paper-{record.id}.json" in shown
    assert seen.run("location.hash") == f"#{record.id}/hiou"
    seen.click("#provenance form button")
    assert not seen.run("document.querySelector('#provenance').open")
    seen.wait("location.hash === ''")


def test_provenance_of_a_published_number_is_its_source(seen: Browser) -> None:
    seen.choose("#kind", "published")
    seen.click("tbody:not([hidden]) tr[data-row] button.cell")
    assert "published; no interval" in seen.text("#provenance")
    assert "source" in seen.text("#provenance")


def test_an_address_with_a_record_opens_its_provenance(chromium: Browser, page: Path) -> None:
    record, _ = made_record(METHODS[0], 0)
    for driven in opened(chromium, page, f"#{record.id}/latency"):
        assert record.id in driven.text("#provenance")
        assert "latency, ms" in driven.text("#provenance-title")
        driven.requests[:] = [address.partition("#")[0] for address in driven.requests]


def test_keys_alone_reach_a_number_and_come_back(seen: Browser) -> None:
    focused = "(e => e && e.closest('tr') ? `${e.closest('tr').dataset.row}/${e.dataset.column}` : '')(document.activeElement)"
    seen.run("document.querySelector('#views input:checked').focus()")
    for _ in range(30):
        if seen.run(focused).split("/")[0].isdigit():
            break
        seen.key("Tab")
    assert seen.run(focused) == "0/miou"
    for key, expected in (
        ("ArrowRight", "0/seen_miou"),
        ("ArrowDown", "1/seen_miou"),
        ("ArrowLeft", "1/miou"),
    ):
        seen.key(key)
        assert seen.run(focused) == expected
    seen.key("ArrowLeft")
    assert seen.run(focused) == "1/miou", "there is nothing left of the first number"
    seen.key("Enter")
    assert seen.run("document.querySelector('#provenance').open")
    seen.key("Escape")
    assert not seen.run("document.querySelector('#provenance').open")
    assert seen.run(focused) == "1/miou"
    seen.key("Tab")
    assert not seen.run(focused).split("/")[0].isdigit(), "the table is one stop"


def test_dark_light_and_print(seen: Browser, tmp_path: Path) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    assert seen.run(paper) == "rgb(255, 255, 255)"
    seen.media(prefers_color_scheme="dark")
    assert seen.run(paper) == "rgb(21, 24, 28)"
    seen.click("#theme")
    assert seen.run(paper) == "rgb(255, 255, 255)"
    seen.click("#theme")
    assert seen.run(paper) == "rgb(21, 24, 28)"
    seen.media("print", prefers_color_scheme="dark")
    assert seen.run(paper) == "rgb(255, 255, 255)"
    assert seen.texts("nav") == seen.texts(".bar") == []
    assert len(labels(seen)) == len(METHODS)
    seen.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")
    seen.run("localStorage.clear()")


@pytest.mark.parametrize("width", [360, 768, 1300])
def test_nothing_sticks_out_of_the_window(seen: Browser, width: int) -> None:
    seen.size(width, 800)
    assert seen.run("document.documentElement.scrollWidth") <= width


def test_nothing_but_the_pages_own_script_runs(chromium: Browser, page: Path) -> None:
    chromium.open(page.as_uri())
    chromium.problems.clear()
    chromium.run(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    )
    chromium.run(
        "document.body.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.1:9/x.png'}))"
    )
    assert chromium.run("window.ran") is None
    chromium.wait("1")
    assert len([each for each in chromium.problems if "Content Security Policy" in each]) == 2


CLAIM = {
    "name": "swift-speed",
    "sentence": "Swift is 4 to 7 times faster than <i>Slow</i>.",
    "source": "Swift, a paper",
    "claimed": "4 to 7 x",
    "claimedSpan": [4.0, 7.0],
    "measured": "5.7 [5.6, 5.8] x",
    "measuredSpan": [5.6, 5.8],
    "verdict": "supported",
    "reason": "inside",
    "conditions": ["below 4 from 55 proposals down"],
    "records": [],
}


def test_claims_stand_with_their_verdicts_and_lead_to_their_records(
    chromium: Browser, tmp_path: Path
) -> None:
    report = page_report(
        tmp_path / "store", [made_record(made, seed)[0] for seed, made in enumerate(METHODS)]
    )
    first = report.rows[0].key
    lines = (
        {**CLAIM, "records": [first, "not-here"]},
        {
            **CLAIM,
            "name": "open",
            "verdict": "undecided",
            "claimedSpan": [2.0, None],
            "measuredSpan": [None, None],
        },
    )
    path = tmp_path / "claims.html"
    path.write_text(page_html(report, ClaimLines(lines, 3)), encoding="utf-8")
    for driven in opened(chromium, path):
        assert [each.strip() for each in driven.texts("#claims .badge")] == ["supported", "undecided"]
        assert "<i>Slow</i>" in driven.text("#claims")
        assert "3 more claims" in driven.text("#claims")
        assert driven.run("document.querySelectorAll('svg.span').length") == 1  # the other has one end
        driven.click("#claims button.link")
        assert first in driven.text("#provenance")


@pytest.mark.parametrize("parts", [{}, {"cost": {}}, {"counts": None}, {"cost": {}, "counts": None}], ids=str)
def test_a_page_of_one_record_with_missing_parts(
    chromium: Browser, tmp_path: Path, parts: dict[str, Any]
) -> None:
    record, _ = made_record(METHODS[0], 0, **parts)
    path = tmp_path / "one.html"
    path.write_text(page_html(page_report(tmp_path / "store", [record]), ClaimLines((), 0)), encoding="utf-8")
    for driven in opened(chromium, path):
        assert labels(driven) == ["san/vit-b16"]
        assert "twice" in driven.text("#comparison")
        assert bool(driven.texts("#scatter .marker")) == (not parts)
        assert bool(driven.texts("#stages .piece")) == ("cost" not in parts)


def test_the_page_of_a_run_of_the_bench(chromium: Browser, tmp_path: Path) -> None:
    """As a user makes it: the command, the file, the browser."""
    page_report(tmp_path / "store")
    answer = apart(
        "report", "--from", str(tmp_path / "store"), "--to", str(tmp_path / "out"), "--format", "page"
    )
    assert answer.code == 0, answer.err
    for driven in opened(chromium, tmp_path / "out" / "index.html"):
        assert set(labels(driven)) == {made.label for made in METHODS}
