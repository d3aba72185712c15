"""What the tests of the page in a browser share: a page as a file, opened in a window, and where things are on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from browser import Browser
from page_store import page_report

from benchbed.report.page import page_html

CELL = '[data-row="{}"] [data-column="{}"]'


def write_page(folder: Path) -> Path:
    """The page of the small store, as a file."""
    path = folder / "index.html"
    path.write_text(page_html(page_report(folder / "store")), encoding="utf-8")
    return path


def opened(chromium: Browser, page: Path, fragment: str = "") -> Iterator[Browser]:
    """The page in a window of its own size; afterwards nothing may have been complained of or fetched."""
    chromium.size(1300, 900)
    chromium.media(prefers_color_scheme="light")
    chromium.open("about:blank")
    chromium.problems.clear()
    chromium.requests.clear()
    chromium.open(page.as_uri() + fragment)
    chromium.wait("document.documentElement.dataset.ready === 'yes'")
    yield chromium
    assert chromium.problems == []
    assert chromium.requests == [page.as_uri()]


def labels(driven: Browser, group: int = 0) -> list[str]:
    """The labels that a person sees below a heading, in order."""
    return driven.texts(f'tbody[data-group="{group}"] .label')


def place(driven: Browser, label: str, group: int = 0) -> str:
    """The place of a row on the page, as its attribute has it."""
    script = f"""[...document.querySelectorAll('tbody[data-group="{group}"] tr[data-row]')]
      .find(e => e.querySelector('.label').textContent === {json.dumps(label)}).dataset.row"""
    return str(driven.run(script))
