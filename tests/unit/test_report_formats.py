"""Formats: each shows the same table, and no name of a class or method can break or inject anything."""

from __future__ import annotations

import csv
import io
import math
import re
from html.parser import HTMLParser

import pytest
from report_records import comparison, on, trained
from test_report_presets import tables

from benchbed.report.figures import Figure
from benchbed.report.formats import FORMATS
from benchbed.report.formats.csv_lines import COLUMNS, csv_text, safe
from benchbed.report.formats.html import html_document
from benchbed.report.formats.latex import latex_cell, latex_table
from benchbed.report.formats.latex_text import latex_text
from benchbed.report.formats.markdown import escape, markdown
from benchbed.report.formats.plain import plain
from benchbed.report.table import Cell, Table, number

NASTY = (
    r"a_b & 50% $x$ <b>bold</b> {c} \d ~ ^ # 'q' \"r\" |p| `t`",
    "</script><script>alert(1)</script>",
    "grinning \N{GRINNING FACE} caf\u00e9 \u0141\u00f3d\u017a \u4e2d\u6587 \u2028 e\u0301",
    "=SUM(A1)",
    r"\input{/etc/passwd} \write18{ls} %",
    "line\nbreak\ttab",
)


def table(*cells: Cell) -> Table:
    """One row below a row of nasty names."""
    return Table("t", ("method", *[f"c{i}" for i in range(len(cells))]), ((Cell("m"), *cells),), name="t")


class Text(HTMLParser):
    """What a browser would show, and which elements there are."""

    def __init__(self) -> None:
        super().__init__()
        self.shown, self.tags = "", set[str]()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.shown += data


@pytest.mark.parametrize("name", NASTY)
def test_html_shows_a_name_as_it_is_and_makes_no_element_of_it(name: str) -> None:
    parser = Text()
    parser.feed(html_document(Table(name, (name, name), ((Cell(name), Cell(name)),), (name,), (name,))))
    assert parser.shown.count(name) == 8  # title twice: of the page and of the table
    assert "script" not in parser.tags
    assert "b" not in parser.tags


@pytest.mark.parametrize("name", NASTY)
def test_a_markdown_row_keeps_its_columns(name: str) -> None:
    shown = markdown(Table("t", ("a", "b"), ((Cell(name), Cell("x")),)))
    (row,) = [line for line in shown.splitlines() if line.endswith("| x |")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert "<" not in row.replace("<sup>", "")


def test_markdown_escapes_what_it_would_take_for_its_own() -> None:
    assert escape("a_b*c|d<e>&f`g\n h") == r"a\_b\*c\|d&lt;e&gt;&amp;f\`g h"


@pytest.mark.parametrize("name", NASTY)
def test_latex_text_leaves_no_active_character(name: str) -> None:
    written = latex_text(name)
    assert "\n" not in written
    # Take out every command that we write; what is left is plain text.
    rest = re.sub(r"\\text[a-z]+\{\}|\\[#$%&_{}]|\\ldots\{\}|\$\\(sim|times|pm)\$|\{\[\}|\{\]\}", "", written)
    assert not set(rest) & set('\\{}$&#%^_~<>|"')
    assert all(sign.isascii() or sign.isalpha() for sign in rest)


def test_latex_text_names_what_the_fonts_lack() -> None:
    assert latex_text("\N{GRINNING FACE}") == "{[}grinning face{]}"
    assert latex_text("\u4e2d") == "{[}U+4E2D{]}"
    assert latex_text("caf\u00e9 e\u0301") == "caf\u00e9 \u00e9"
    assert latex_text("\u26a0\ufe0f") == "{[}warning sign{]}"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (number(Figure(52.3, 51.1, 53.5, "%")), r"$52.3 \pm 1.2$"),
        (number(Figure(52.3, 51.2, 53.7, "%")), r"$52.3\,{}^{+1.4}_{-1.1}$"),
        (number(Figure(52.3, 51.1, 53.5, "%"), rank="best"), r"$\mathbf{52.3} \pm 1.2$"),
        (number(Figure(52.3, math.nan, math.nan, "%"), rank="second"), r"$\underline{52.3}$"),
        (
            number(Figure(52.3, math.nan, math.nan, "%", "published"), marks=(0, 2)),
            r"$52.3^{\dagger}$\textsuperscript{1,3}",
        ),
        (number(Figure(4.0, math.nan, math.nan, "x", "derived")), r"${\sim}4.0$"),
        (number(Figure(1.0, 0.5, 1.5, "%"), doubtful=True), r"\textcolor{gray}{($1.0 \pm 0.5$)}"),
        (number(Figure(12345.6, math.nan, math.nan, ""), None), "$12{,}346$"),
        (number(Figure(2e15, math.nan, math.nan, ""), None), r"$2{\times}10^{15}$"),
        (number(Figure(10.0, 0.0, math.inf, "ms")), r"$10.0\,{}^{+\infty}_{-10.0}$"),
        (number(None), "--"),
    ],
)
def test_latex_numbers(cell: Cell, written: str) -> None:
    assert latex_cell(cell) == written


def test_latex_goes_on_in_another_float_with_its_section() -> None:
    long = Table(
        "t",
        ("m", "v"),
        tuple((Cell(f"r{i}"), Cell("1")) for i in range(90)),
        sections=((0, "first"), (60, "second")),
        notes=("a note",),
    )
    written = latex_table(long)
    assert written.count(r"\begin{table}") == written.count(r"\end{table}") == 3
    assert written.count("(continued)") == 2
    assert [written.count(f"{{{name}}}") for name in ("first", "second")] == [2, 2]
    assert written.count("a note") == 1
    assert all(re.search(rf"^r{i} & 1 ", written, re.MULTILINE) for i in range(90))


def test_csv_keeps_every_digit_kind_and_source() -> None:
    record = trained("san/vit-b16", 0.9, 1)
    (shown,) = tables("efficiency", [record])
    lines = list(csv.DictReader(io.StringIO(csv_text(shown))))
    assert tuple(lines[0]) == COLUMNS
    (params,) = [line for line in lines if line["column"] == "params M"]
    assert float(params["value"]) == 157.840307
    assert (params["kind"], params["record"], params["low"]) == ("measured", record.id, "")
    (rate,) = [line for line in lines if line["column"] == "images/s"]
    assert rate["kind"] == "derived"
    assert float(rate["low"]) < float(rate["value"]) < float(rate["high"])


@pytest.mark.parametrize(
    ("text", "kept"), [("=1+1", "'=1+1"), ("@x", "'@x"), ("+1", "'+1"), ("-", "-"), ("a=1", "a=1")]
)
def test_no_spreadsheet_runs_a_name(text: str, kept: str) -> None:
    assert safe(text) == kept


def test_plain_text_has_sections_spans_and_footnotes() -> None:
    shown = plain(tables("zs3", comparison())[0])
    assert "COCO-Stuff (15/5)" in shown
    assert "published (†)" in shown
    assert re.search(r"lseg/vitl16[¹²³⁴⁵⁶⁷⁸⁹ ]+", shown)
    assert "  ¹ " in shown
    assert not re.search(r" \n", shown)


def test_markdown_tells_best_second_derived_and_published_apart() -> None:
    shown = markdown(tables("zs3", comparison())[0])
    assert re.search(r"\*\*80\.9 \[", shown)
    assert re.search(r"<ins>65\.9 \[", shown)
    assert re.search(r"\*\\~5\.03 \[", shown)
    assert "80.8†" in shown


@pytest.mark.parametrize("name", FORMATS)
def test_class_names_of_any_sort_go_through_every_format(name: str) -> None:
    record = on(trained("a/x", 0.9), "odd", classes=[f"{NASTY[i % len(NASTY)]} {i}" for i in range(20)])
    for each in tables("classes", [record]):
        assert FORMATS[name].write(each)
