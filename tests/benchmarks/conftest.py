"""`pytest tests/benchmarks -m full_size --units-table FILE`: full-size methods in units of one CLIP crop, as Markdown.

`pytest tests/benchmarks` runs in one process and measures (`-n 0` says so for a part of it); where tests are spread over several
processes, as by plain `pytest`, pytest-benchmark runs each subject once without timing it and the assertions stay.
"""

from __future__ import annotations

import shlex

import pytest
from units_page import UnitsBook


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--units-table`."""
    parser.addoption(
        "--units-table", metavar="FILE", help="write what `-m full_size` measured, as Markdown; also printed"
    )


_BOOK = pytest.StashKey[UnitsBook]()


def pytest_configure(config: pytest.Config) -> None:
    """One book a session."""
    file = config.getoption("--units-table", default=None)
    command = "pytest " + shlex.join(config.invocation_params.args)
    config.stash[_BOOK] = UnitsBook(command, config.invocation_params.dir / file if file else None)


@pytest.fixture(scope="session")
def units_book(request: pytest.FixtureRequest) -> UnitsBook:
    """Where full-size measurements go."""
    book = request.config.stash[_BOOK]
    book.open()
    return book


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the page, and say where it was written."""
    book = config.stash[_BOOK]
    if book.measured:
        terminalreporter.write_line(f"\n{book.page()}")
    if book.path is not None:
        said = "written" if book.measured else "not written: nothing was measured; run with -m full_size"
        terminalreporter.write_line(f"{book.path} {said}")
