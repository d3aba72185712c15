"""Plots of records: what is drawn, what is told instead, and files that change only where their content does."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from example_record import example_record
from matplotlib.text import Text
from PIL import Image
from plot_rows import as_rows, trained_record

from benchbed.claims.evidence import Evidence
from benchbed.report.page.style_of import method_styles
from benchbed.report.plots import Plot, look_of, make_plots, plot_bytes, write_plots
from benchbed.report.plots.classes import ENDS, classes_plot
from benchbed.report.plots.every import GROUPS
from benchbed.report.plots.looks import COLOURS, MARKERS
from benchbed.report.plots.spread import spread_plot, spreads
from benchbed.report.plots.stages import COLOURS as STAGE_COLOURS
from benchbed.report.plots.stages import stages_plot
from benchbed.report.plots.style import SMALL, WIDTH, shown
from benchbed.report.plots.tradeoff import pareto_front, tradeoff_plot
from benchbed.report.rows import Row
from benchbed.stages import STAGES

HOSTILE = (
    "a_b^c & 100 % $x$ \\frac",
    "<script>alert(1)</script>",
    "🦊 猫 \U0010fffd",
    "x" * 500,
    "two\nlines",
    "",
)


@cache
def some_rows() -> tuple[Row, ...]:
    """Four trained methods and one with random weights, of one group."""
    records = [
        trained_record("deop/a", 0.62, 1.0, 1),
        trained_record("san/a", 0.55, 0.6, 2),
        trained_record("zegformer/a", 0.6, 6.0, 3),
        trained_record("spnet/a", 0.35, 0.3, 4),
        example_record("lseg/a", 5),
    ]
    return as_rows(records)


@cache
def some_plots() -> list[Plot]:
    """Their plots, drawn once."""
    return make_plots(some_rows())


def words(plot: Plot) -> list[str]:
    """Every visible text on it."""
    return [text.get_text() for text in texts(plot)]


def texts(plot: Plot) -> Iterator[Text]:
    """Every visible text that is not empty."""
    return (each for each in plot.figure.findobj(Text) if each.get_visible() and each.get_text())


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_nothing_beats(seed: int) -> None:
    draw = np.random.default_rng(seed)
    points = [(float(x), float(y)) for x, y in draw.integers(0, 8, (12, 2))]
    front = pareto_front(points)

    def beaten(i: int) -> bool:
        x, y = points[i]
        better = [a <= x and b >= y and (a, b) != (x, y) for a, b in points]
        return any(better) or (x, y) in points[:i]

    assert sorted(front) == [i for i in range(len(points)) if not beaten(i)]
    assert [points[i] for i in front] == sorted(points[i] for i in front)


def test_a_methods_look_depends_on_its_name_alone() -> None:
    ours = ("bridge", "deop", "lseg", "maskclip", "san", "simseg", "spnet", "zegformer")
    assert len({look_of(name).colour for name in ours}) == len(COLOURS) == 8
    assert look_of("deop", "single-pass").marker == MARKERS["single-pass"][0]
    assert look_of("deop", "pixel").colour == look_of("deop", "single-pass").colour
    assert look_of("plugin") == look_of("plugin")
    others = {look_of(f"plugin{i}", "pixel").marker for i in range(40)}
    assert others == set(MARKERS["pixel"][1:])  # never the shape of ours


def test_a_plugins_card_gives_its_colour_and_nothing_else(tmp_path: Path) -> None:
    first = trained_record("plugin/a")
    card = {**first.method["card"], "colour": "#12AB9f"}
    (row,) = as_rows([replace(first, method={**first.method, "card": card}, id="")])
    assert look_of(row.method, row.family, row.colour).colour == "#12ab9f"
    assert look_of(row.method, row.family, row.colour).marker == look_of("plugin", row.family).marker
    assert method_styles([row]) == {"plugin": asdict(look_of("plugin", row.family, "#12ab9f"))}
    plot = tradeoff_plot([row])
    assert plot is not None
    assert "#12ab9f" in {line.get_color() for line in plot.figure.axes[0].lines}
    for wrong in ("red", "#12", "#12ab9f;}</style><script>", "url(x)"):
        assert look_of("plugin", "pixel", wrong) == look_of("plugin", "pixel")


def test_only_what_may_be_ranked_is_on_the_front() -> None:
    rows = some_rows()
    plot = tradeoff_plot(rows)
    assert plot is not None
    assert plot.alt.endswith("On the Pareto front: spnet/a, san/a, deop/a.")
    assert "Hollow" in plot.caption
    alone = tradeoff_plot([row for row in rows if row.label in ("lseg/a", "deop/a")])
    assert alone is not None
    assert "Pareto" not in " ".join([alone.alt, alone.caption, *words(alone)])


def test_every_point_stands_at_its_figures() -> None:
    rows = some_rows()
    plot = tradeoff_plot(rows)
    assert plot is not None
    axes = plot.figure.axes[0]
    marks = [line for line in axes.lines if line.get_marker() not in ("None", "")]
    points = {tuple(float(value) for value in line.get_xydata()[0]) for line in marks}  # type: ignore[index]
    expected = {(row.figures["latency"].value, row.figures["hiou"].value) for row in rows}
    assert points == expected
    arms = [tuple(line.get_xdata()) for line in axes.lines if line.get_marker() in ("None", "")]  # type: ignore[arg-type]
    for row in rows:
        assert (row.figures["latency"].low, row.figures["latency"].high) in arms


def test_accuracy_only_and_cost_only_records() -> None:
    accuracy = trained_record("deop/a", cost={})
    cost = trained_record("san/a", counts=None)
    both = as_rows([accuracy, cost])
    assert tradeoff_plot(both) is None
    assert stages_plot(as_rows([accuracy])) is None
    assert classes_plot(as_rows([cost])) is None
    assert spread_plot(as_rows([cost])) is None
    assert {plot.name.partition("-")[0] for plot in make_plots(both)} == {"stages", "classes", "spread"}
    rows = as_rows([accuracy, cost, trained_record("lseg/a")])
    plot = tradeoff_plot(rows)
    assert plot is not None
    assert "for want of accuracy or latency: deop/a, san/a" in plot.caption
    assert make_plots([]) == []


def test_a_vocabulary_without_unseen_classes_is_drawn_by_miou() -> None:
    record = trained_record("deop/a")
    seen = trained_record("deop/a", dataset={**record.dataset, "seen": [True] * 20})
    (row,) = as_rows([seen])
    plots = [tradeoff_plot([row]), spread_plot([row]), classes_plot([row])]
    assert all(plot is not None for plot in plots)
    assert "mIoU, %" in words(plots[0]) + words(plots[1])  # type: ignore[arg-type]
    assert not any("unseen" in word for word in words(plots[2]))  # type: ignore[arg-type]


def test_stages_add_up_and_each_has_its_own_colour() -> None:
    assert set(STAGE_COLOURS) == set(STAGES)
    assert len(set(STAGE_COLOURS.values())) == len(STAGES)
    rows = some_rows()
    plot = stages_plot(rows)
    assert plot is not None
    axes = plot.figure.axes[0]
    for row, label in zip(
        sorted(rows, key=lambda each: each.figures["latency"].value), axes.get_yticklabels(), strict=True
    ):
        assert label.get_text() == row.label
    longest = max(patch.get_x() + patch.get_width() for patch in axes.patches)  # type: ignore[attr-defined]
    zegformer = next(row.record for row in rows if row.label == "zegformer/a")
    assert zegformer is not None
    stages = zegformer.cost["latency"]["stage_ms"]
    assert longest == pytest.approx(sum(np.median(each) for each in stages.values()))


def test_classes_are_sorted_apart_and_of_many_the_ends_are_shown() -> None:
    plot = classes_plot(some_rows())
    assert plot is not None
    names = [[label.get_text() for label in axes.get_yticklabels()] for axes in plot.figure.axes]
    record = trained_record("deop/a")
    unseen = {n for n, s in zip(record.dataset["names"], record.dataset["seen"], strict=True) if not s}
    assert set(names[0]) == unseen
    assert set(names[1]) == set(record.dataset["names"]) - unseen
    many = [f"class {k}" for k in range(171)]
    large = {**record.dataset, "names": many, "seen": [k < 156 for k in range(171)], "prompts": many}
    plot = classes_plot(as_rows([trained_record("deop/a", dataset=large)]))
    assert plot is not None
    labels = [label.get_text() for label in plot.figure.axes[1].get_yticklabels()]
    assert len(labels) == 2 * ENDS + 1
    assert labels[ENDS] == f"… {156 - 2 * ENDS} more …"
    (line,) = [each for each in plot.figure.axes[1].lines if each.get_marker() == "^"]
    values = np.asarray(line.get_xdata())
    assert len(values) == 2 * ENDS
    assert (np.diff(values) <= 0).all()


def test_seed_and_bootstrap_spread_are_told_apart() -> None:
    records = [trained_record("deop/a", 0.6 + 0.02 * seed, 1, seed) for seed in range(4)]
    records += [
        trained_record("deop/a", 0.6, 1, 0, created="2027-01-01T00:00:00+00:00")
    ]  # the same weights again
    rows = as_rows(records)
    (found,), _ = spreads(rows, "hiou")
    assert len(found.values) == 4
    values = [row.figures["hiou"].value for row in rows[:4]]
    assert found.between == pytest.approx(np.std(values, ddof=1))
    assert 0 < found.within < found.between
    half = (rows[0].figures["hiou"].high - rows[0].figures["hiou"].low) / 2
    assert found.within == pytest.approx(half / 1.96, rel=0.25)
    plot = spread_plot(rows)
    assert plot is not None
    assert f"deop/a {found.between:.2f} over 4 weights, {found.within:.2f} over images" in plot.caption
    (single,), _ = spreads(rows[:1], "hiou")
    assert np.isnan(single.between)


def test_one_image_has_no_spread() -> None:
    counts = trained_record("deop/a").counts
    one = trained_record("deop/a", counts=counts.select(counts.image_ids[:1]))
    assert spread_plot(as_rows([one])) is None
    assert tradeoff_plot(as_rows([one])) is not None


def test_sixty_methods_are_drawn_and_names_without_room_are_told() -> None:
    rows = as_rows([trained_record(f"m{i}/a", 0.3 + 0.005 * i, 1.05**i, i) for i in range(60)])
    for plot in make_plots(rows):
        image = Image.open(io.BytesIO(plot_bytes(plot, "png")))
        assert image.width == round(WIDTH * 300)
        assert image.height < 6000
    plot = tradeoff_plot(rows)
    assert plot is not None
    shown_names = [word for word in words(plot) if word.startswith("m") and word.endswith("/a")]
    assert 10 < len(shown_names) < 60
    assert "No room for the names of" in plot.caption


def latency_of(values: list[float]) -> dict[str, Any]:
    """A record's latency with these samples."""
    latency = trained_record("deop/a").cost["latency"]
    return {"latency": {**latency, "total_ms": values, "stage_ms": {"backbone": values}}}


def test_huge_and_tiny_values_and_a_single_round() -> None:
    records = [
        trained_record("deop/a", cost=latency_of([1e9, 2e9, 3e9])),
        trained_record("san/a", cost=latency_of([1e-4, 2e-4, 3e-4])),
        trained_record("lseg/a", 0.0, cost=latency_of([5.0])),
    ]
    for plot in make_plots(as_rows(records)):
        assert len(plot_bytes(plot, "png")) > 1000


def test_no_class_or_method_name_breaks_a_plot() -> None:
    first = trained_record("deop/a")
    names = [f"{HOSTILE[k % len(HOSTILE)]}{k}" for k in range(20)]
    dataset = {**first.dataset, "names": names, "prompts": names}
    records = [
        trained_record(f"{name[:40]}{i}/v", 0.5, 1 + i, i, dataset=dataset) for i, name in enumerate(HOSTILE)
    ]
    for plot in make_plots(as_rows(records)):
        for kind in ("png", "pdf", "svg"):
            assert len(plot_bytes(plot, kind)) > 1000
    assert b"<script" not in plot_bytes(make_plots(as_rows(records))[0], "svg")


def test_letters_that_no_font_has_are_spelt_out(recwarn: pytest.WarningsRecorder) -> None:
    assert shown("\U0010fffd") == "[U+10FFFD]"
    assert shown("two\n  lines") == "two lines"
    assert 20 < len(shown("x" * 500)) < 35
    assert len(shown("W" * 500)) < len(shown("i" * 500))
    plot = tradeoff_plot(as_rows([trained_record("\U0010fffd/v")]))
    assert plot is not None
    plot_bytes(plot, "png")
    assert [str(each.message) for each in recwarn if "Glyph" in str(each.message)] == []


def test_all_letters_are_seven_points_or_more_and_the_width_is_a_column() -> None:
    for plot in some_plots():
        assert plot.figure.get_size_inches()[0] == WIDTH
        assert all(text.get_fontsize() >= SMALL == 7.0 for text in texts(plot)), words(plot)


def test_nothing_is_cut_off_at_the_edge() -> None:
    for plot in some_plots():
        pixels = np.asarray(Image.open(io.BytesIO(plot_bytes(plot, "png"))).convert("L"))
        for border in (pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:]):
            assert (border == 255).all(), plot.name


@pytest.mark.parametrize("kind", ["pdf", "png", "svg"])
def test_the_same_records_give_the_same_bytes_whatever_a_user_set(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [plot_bytes(plot, kind) for plot in some_plots()]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    with matplotlib.rc_context({"font.size": 30, "font.family": "No Such Font", "axes.facecolor": "red"}):
        second = [plot_bytes(plot, kind) for plot in make_plots(reversed(some_rows()))]
    assert first == second
    assert not any(
        b"CreationDate" in data or b"matplotlib" in data[:2000].lower() for data in first if kind != "svg"
    )


def test_an_unknown_format_is_refused() -> None:
    plot = tradeoff_plot(some_rows())
    assert plot is not None
    with pytest.raises(ValueError, match="expected one of"):
        plot_bytes(plot, "bmp")


def test_groups_and_machines_are_drawn_apart() -> None:
    rows = some_rows()
    elsewhere = [replace(row, provenance=replace(row.provenance, machine="other")) for row in rows[:2]]
    names = [plot.name for plot in make_plots([*rows, *elsewhere])]
    assert sum(name.startswith("tradeoff-") for name in names) == 2
    assert sum(name.startswith("classes-") for name in names) == 1
    assert len(set(names)) == len(names)
    first = trained_record("deop/a")
    many = [
        trained_record("deop/a", dataset={**first.dataset, "used_identity": str(i)})
        for i in range(GROUPS + 3)
    ]
    assert len({plot.name.rpartition("-")[2] for plot in make_plots(as_rows(many))}) == GROUPS


def test_files_are_written_whole_and_named_for_their_group(tmp_path: Path) -> None:
    report = SimpleNamespace(rows=some_rows(), evidence=Evidence(), verdicts=())
    written = write_plots(report, tmp_path / "plots")  # type: ignore[arg-type]
    assert sorted(tmp_path.rglob("*.*")) == sorted(written)
    assert {path.suffix for path in written} == {".pdf", ".png"}
    names = {path.stem.partition("-")[0] for path in written}
    assert names == {"tradeoff", "stages", "classes", "spread"}
    assert all(path.read_bytes()[:4] in (b"%PDF", b"\x89PNG") for path in written)


def test_plots_need_no_torch() -> None:
    code = "import sys, benchbed.report.plots; sys.exit('torch' in sys.modules or 'matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
