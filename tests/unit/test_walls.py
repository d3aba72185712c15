"""The walls of the house (design, section 3), checked on every file's imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import benchbed
import methods

BENCH = Path(benchbed.__file__).parent
METHODS = Path(methods.__file__).parent
CLOCKS = {"time", "timeit"}
# Progress tells a person how long something will take; it measures nothing.
MAY_READ_CLOCKS = {"progress.py"}


def imports(path: Path) -> set[str]:
    """Absolute names of everything that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def files(folder: Path) -> list[Path]:
    """All Python files below a folder."""
    return sorted(folder.rglob("*.py"))


@pytest.mark.parametrize("path", files(BENCH), ids=lambda path: str(path.relative_to(BENCH)))
def test_the_bench_knows_no_method(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0] == "methods"]


@pytest.mark.parametrize("path", files(METHODS), ids=lambda path: str(path.relative_to(METHODS)))
def test_a_method_knows_no_other_method_no_clock_and_no_metric(path: Path) -> None:
    own = path.relative_to(METHODS).parts[0]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "methods" and len(parts) > 1:
            assert parts[1] in (own, "parts"), f"{path} imports {name}"
        assert parts[0] not in CLOCKS, f"{path} reads clocks"
        assert not name.startswith(("benchbed.metrics", "benchbed.cost", "benchbed.runner")), (
            f"{path} imports {name}"
        )


@pytest.mark.parametrize("path", files(BENCH), ids=lambda path: str(path.relative_to(BENCH)))
def test_only_the_cost_room_reads_clocks(path: Path) -> None:
    room = path.relative_to(BENCH).parts[0]
    if room != "cost" and path.name not in MAY_READ_CLOCKS:
        assert not imports(path) & CLOCKS


@pytest.mark.parametrize("path", [*files(BENCH), *files(METHODS)], ids=str)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350
