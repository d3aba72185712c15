"""From data to one HTML text: style, script and data inside, nothing fetched, nothing of the data ever parsed as HTML."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from benchbed import __version__
from benchbed.kept import find_kept
from benchbed.report.content import Report
from benchbed.report.gallery import galleries
from benchbed.report.page.assemble import page_data
from benchbed.report.page.claim_lines import ClaimLines, claim_lines
from benchbed.report.page.scenes import within

# In the order in which they are read; together they are one function.
SCRIPTS: Final = (
    "elements",
    "axes",
    "provenance",
    "table",
    "scatter",
    "stages",
    "compare",
    "paired",
    "pixels",
    "gallery",
    "claims",
    "main",
)
PANEL: Final = 320  # pixels of a gallery picture's longer side
LARGEST: Final = 3_000_000  # bytes of a page; pictures beyond it are left out
FRAME: Final = 120_000  # of them for script, style and sentences, which take about half of it
# Inside a <script> these would end it or begin a comment; as escapes JSON reads them back the same.
_ESCAPES: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def page_html(report: Report, claims: ClaimLines | None = None) -> str:
    """The page, with a gallery of what the report's stores keep; pictures that would make it larger than 3 MB are left out.

    Args:
        report: what was read.
        claims: verdicts to show; None for those of all known claims. Their section is left out where nothing was measured.

    Raises:
        UsageError: a claim file of a plug-in is not what it should be.
    """
    claims = claim_lines(report) if claims is None else claims
    kept, _ = find_kept(report.sources)
    data = page_data(report, galleries(report.rows, kept, side=PANEL) if kept else [], claims)
    data["others"] = claims.without
    pictures, data["scenes"] = data["scenes"], []
    data["scenes"] = within(pictures, LARGEST - FRAME - len(embedded(data).encode("utf-8", "replace")))
    return _filled(data, report)


def _filled(data: dict[str, Any], report: Report) -> str:
    style, script = _read("style.css"), _script()
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.from_string(_read("page.html.j2")).render(
        title="benchbed report",
        summary=_summary(report),
        warnings=report.problems,
        colophon=_colophon(report),
        has_measured=bool(report.rows),
        has_gallery=bool(data["scenes"]),
        has_claims=bool(data["claims"]),
        other_claims=_count(data["others"], "more claim"),
        style=Markup(style),
        style_hash=_hash(style),
        script=Markup(script),
        script_hash=_hash(script),
        data=Markup(embedded(data)),
    )
    return text.encode("utf-8", "replace").decode() + "\n"  # a name may hold half a surrogate pair


def embedded(data: Any) -> str:
    """JSON that can stand inside a `<script>`: the same data, without a character that HTML could take for its own."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def _read(name: str) -> str:
    return (files("benchbed.report.page") / name).read_text(encoding="utf-8")


def _script() -> str:
    parts = "\n".join(_read(f"{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();'


def _hash(text: str) -> str:
    """What a content security policy lets run: this text and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _summary(report: Report) -> str:
    rows = report.rows
    parts = [
        _count(len(rows), "record"),
        _count(len({row.label for row in rows}), "variant"),
        _count(len({row.dataset for row in rows}), "dataset"),
        _count(len({row.provenance.fingerprint for row in rows}), "protocol"),
        _count(len({row.provenance.machine for row in rows}), "machine"),
        *([_count(len(report.evidence.costs), "cost record")] if report.evidence.costs else []),
    ]
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _colophon(report: Report) -> str:
    newest = max((row.provenance.created for row in report.rows), default="")
    last = f"; the newest record is of {newest}" if newest else ""
    return f"Made by benchbed report {__version__} from records alone{last}. This file needs no network."
