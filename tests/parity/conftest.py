"""`pytest tests/parity --parity-table FILE`: what the golden tests found, written as a page of Markdown."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from parity_ledger import ParityLedger
from parity_page import golden_methods, page

from benchbed.cost.environment import Environment, capture

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
_LEDGER = pytest.StashKey[ParityLedger]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--parity-table`."""
    parser.addoption(
        "--parity-table",
        metavar="FILE",
        help="write method x stage x largest relative difference from the official code, as Markdown",
    )


def pytest_configure(config: pytest.Config) -> None:
    """One ledger a session."""
    config.stash[_LEDGER] = ParityLedger()


@pytest.fixture(scope="session")
def parity_ledger(request: pytest.FixtureRequest) -> ParityLedger:
    """What every golden test compares through."""
    return request.config.stash[_LEDGER]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page that was asked for; a page about nothing is an error instead."""
    config = session.config
    file = config.getoption("--parity-table", default=None)
    if file is None or config.option.collectonly:
        return
    ledger = config.stash[_LEDGER]
    if not ledger.entries:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        return
    compared = {entry.method for entry in ledger.entries}
    absent = [method for method in golden_methods(GOLDEN) if method not in compared]
    command = "pytest " + shlex.join(config.invocation_params.args)
    path = config.invocation_params.dir / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(ledger, (GOLDEN / "README.md").read_text(), facts(command, capture()), absent))


def facts(command: str, here: Environment) -> list[str]:
    """What was run, on what."""
    versions = ", ".join(f"{name} {here.versions[name]}" for name in ("torch", "open_clip", "numpy"))
    changed = ", with changes that are not committed" if here.dirty else ""
    return [
        f"command: `{command}`",
        f"our side: benchbed at commit {here.commit[:12] or 'unknown'}{changed}; Python {here.python}, {versions}, "
        f"on the CPU ({here.cpu}), {here.threads} thread{'s' if here.threads > 1 else ''}",
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say where the page went, or why there is none."""
    file = config.getoption("--parity-table", default=None)
    if file is None or config.option.collectonly:
        return
    ledger = config.stash[_LEDGER]
    if not ledger.entries:
        terminalreporter.write_line(
            f"{file} not written: no golden test compared anything; is {GOLDEN} there?"
        )
        return
    far = sum(not entry.agrees for entry in ledger.entries)
    terminalreporter.write_line(f"{file}: {len(ledger.entries)} arrays, {far} beyond their limit")
