"""One module a format: each turns a `Table` into text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from benchbed.report.formats.csv_lines import csv_text
from benchbed.report.formats.html import html_document
from benchbed.report.formats.latex import latex_table
from benchbed.report.formats.markdown import markdown
from benchbed.report.formats.plain import plain
from benchbed.report.table import Table


@dataclass(frozen=True)
class Format:
    """How a table is written, and its files' suffix."""

    write: Callable[[Table], str]
    suffix: str


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "console": Format(plain, ".txt"),
        "markdown": Format(markdown, ".md"),
        "csv": Format(csv_text, ".csv"),
        "latex": Format(latex_table, ".tex"),
        "html": Format(html_document, ".html"),
    }
)
