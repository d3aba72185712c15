"""Scaling curves and claim intervals: from plain points and from cost records."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from benchbed.cost.conditions import Conditions
from benchbed.cost_records import CostRecord, Point, to_json
from benchbed.report.beside import evidence_of, verdicts_of
from benchbed.report.plots import (
    ClaimInterval,
    ScalingCurve,
    ScalingPoint,
    claims_plot,
    plot_bytes,
    scaling_plot,
    write_plots,
)
from benchbed.report.plots.claim_intervals import LOOKS
from benchbed.report.plots.cost_curves import cost_plots, curves_of
from benchbed.report.plots.style import SMALL

BASE = Conditions(size=(640, 853), classes=171, proposals=100, batch=1)


def curve(
    label: str = "deop/a", values: tuple[float, ...] = (10.0, 20.0, 40.0), **changes: Any
) -> ScalingCurve:
    """A curve over 1, 2, 4 proposals."""
    points = tuple(ScalingPoint(2.0**i, v, 0.9 * v, 1.1 * v) for i, v in enumerate(values))
    return replace(ScalingCurve(label, "pixel", "proposals", "latency, ms", points), **changes)


def cost_record(
    timed: dict[str, dict[int | None, float]], sweep: tuple[int, ...], **changes: Any
) -> CostRecord:
    """A cost record of subjects with latencies (ms) by number of proposals, 8 rounds."""
    subjects = {
        name: {
            "label": name,
            "family": "two-stream",
            "proposals": None if None in by else 100,
        }
        for name, by in timed.items()
    }
    draw = np.random.default_rng(0)
    found = tuple(
        Point(
            name,
            replace(BASE, proposals=n),
            (640, 864),
            {"total_ms": (ms * draw.normal(1, 0.01, 8)).tolist(), "stage_ms": {}, "unit": "ms"},
        )
        for name, by in timed.items()
        for n, ms in by.items()
    )
    fields: dict[str, Any] = {
        "points": found,
        "protocol": {"name": "matched", "device": "cpu", "threads": 2, "fingerprint": "f"},
        "conditions": BASE,
        "sweeps": {"proposals": list(sweep)},
        "subjects": subjects,
        "null": {},
        "stopping": {},
        "matmul_peak": {},
        "run_id": "r",
        "environment": {},
        "bench": {},
        "created": "2026-01-01T00:00:00+00:00",
    }
    return CostRecord(**{**fields, **changes})


def a_sweep() -> CostRecord:
    """ZegFormer grows by 50 ms a proposal from 400; SAN does not."""
    sweep = (1, 3, 10, 32, 100)
    grows = {n: 400.0 + 50 * n for n in sweep}
    return cost_record({"zegformer/a": dict(grows), "san/a": {None: 330.0}}, sweep)


def test_curves_and_laws_of_a_cost_record() -> None:
    zegformer, san = curves_of(a_sweep(), "proposals")
    assert [point.x for point in zegformer.points] == [1, 3, 10, 32, 100]
    for point in zegformer.points:
        assert point.low <= point.value <= point.high
        assert point.value == pytest.approx(400 + 50 * point.x, rel=0.03)
    for x, y in zegformer.law:
        assert y == pytest.approx(400 + 50 * x, rel=0.03)
    slope = float(zegformer.words.split(" + ")[1].split(" x")[0])
    assert slope == pytest.approx(50, rel=0.05)
    assert len(san.points) == len(san.law) == 1
    assert san.words.endswith("ms")
    assert "x" not in san.words


def test_pixels_become_megapixels_in_points_and_laws_alike() -> None:
    draw = np.random.default_rng(0)
    sizes = ((320, 427), (640, 853), (1280, 1706), (960, 1280))
    points = tuple(
        Point(
            "lseg/a",
            replace(BASE, size=size, proposals=None),
            size,
            {"total_ms": ((5 + 2e-4 * size[0] * size[1]) * draw.normal(1, 0.005, 8)).tolist()},
        )
        for size in sizes
    )
    record = cost_record(
        {"lseg/a": {None: 1.0}}, (), points=points, sweeps={"size": [list(size) for size in sizes]}
    )
    (found,) = curves_of(record, "size")
    assert [point.x for point in found.points] == sorted(size[0] * size[1] / 1e6 for size in sizes)
    for x, y in found.law:
        assert y == pytest.approx(5 + 200 * x, rel=0.05)
    assert found.over == "input, megapixels"


def test_a_plot_a_sweep_and_nothing_without_one(tmp_path: Path) -> None:
    record = a_sweep()
    (plot,) = cost_plots([record])
    assert plot.name == f"scaling-proposals-{record.id[:6]}"
    assert f"zegformer/a: {curves_of(record, 'proposals')[0].words}" in plot.caption
    assert "Dashed" in plot.caption
    assert cost_plots([replace(record, sweeps={}, id="")]) == []
    store = tmp_path / "store"
    (store / "costs").mkdir(parents=True)
    (store / "costs" / f"{record.id}.json").write_text(to_json(record))
    evidence = evidence_of([store, tmp_path, tmp_path / "none"], ())
    assert [each.id for each in evidence.costs] == [record.id]
    report = SimpleNamespace(rows=(), evidence=evidence, verdicts=verdicts_of(evidence))
    written = write_plots(report, tmp_path / "out")  # type: ignore[arg-type]
    names = {path.name for path in written}
    assert {f"{plot.name}.pdf", f"{plot.name}.png"} <= names
    assert all(name.startswith(("scaling-", "claims-")) for name in names)


def test_points_that_are_not_finite_are_left_out() -> None:
    spoilt = curve(values=(10.0, math.nan, 40.0))
    plot = scaling_plot([spoilt, curve("san/a", (math.nan,))])
    assert plot is not None
    assert "1 method" in plot.alt
    assert scaling_plot([curve(values=(math.nan, math.inf))]) is None
    assert scaling_plot([]) is None
    open_end = replace(curve(), points=(ScalingPoint(1.0, 5.0, 0.0, math.inf),))
    assert scaling_plot([open_end]) is not None


def test_curves_over_different_things_are_refused() -> None:
    with pytest.raises(ValueError, match="share"):
        scaling_plot([curve(), curve("san/a", over="classes")])


def test_many_curves_and_hostile_names() -> None:
    curves = [curve(f"$m_{i}$ <b> 🦊 {'x' * 80}/v", (10.0 + i, 20.0 + i, 1e7 * (i + 1))) for i in range(12)]
    plot = scaling_plot(curves, "$\\frac & % title " * 20)
    assert plot is not None
    pixels = np.asarray(Image.open(io.BytesIO(plot_bytes(plot, "png"))).convert("L"))
    assert (pixels[:, :2] == 255).all()
    assert (pixels[:, -2:] == 255).all()
    assert min(text.get_fontsize() for text in plot.figure.findobj(Text) if text.get_text()) >= SMALL


def claim(name: str = "DeOP: 4 to 7 times faster", **changes: Any) -> ClaimInterval:
    """A supported claim."""
    return replace(ClaimInterval(name, "x", 4.0, 7.0, 5.2, 4.8, 5.7, "supported"), **changes)


def test_claims_and_what_was_measured() -> None:
    claims = [
        claim(),
        claim(
            "SAN: 19 times faster",
            claimed_low=19.0,
            claimed_high=math.inf,
            value=9.1,
            low=8.5,
            high=9.9,
            decision="refuted",
        ),
        claim("on a card", value=math.nan, low=math.nan, high=math.nan, decision="undecided"),
    ]
    plot = claims_plot(claims, "speed")
    assert plot is not None
    axes = plot.figure.axes[0]
    marks = {line.get_marker(): float(line.get_xdata()[0]) for line in axes.lines}  # type: ignore[index]
    assert {marks[LOOKS["supported"][1]], marks[LOOKS["refuted"][1]]} == {5.2, 9.1}
    assert marks[">"] == axes.get_xlim()[1]  # "19 times and more" has no end
    assert "<" not in marks
    shown = [text.get_text() for text in plot.figure.findobj(Text)]
    assert "on a card (not measured)" in shown
    assert {"measured: supported", "measured: refuted"} <= set(shown)
    assert "measured: undecided" not in shown
    assert "Not measured: on a card." in plot.caption
    left, right = axes.get_xlim()
    assert left < 4
    assert right > 19
    assert len(plot_bytes(plot, "pdf")) > 1000


@pytest.mark.parametrize(
    "numbers",
    [
        {"claimed_low": 0.0, "claimed_high": 0.0, "value": 0.0, "low": 0.0, "high": 0.0},
        {"claimed_low": -5.0, "claimed_high": math.inf, "value": 1e12, "low": -math.inf, "high": math.inf},
        {"claimed_low": -math.inf, "claimed_high": 3.0, "value": math.nan, "low": math.nan, "high": math.nan},
    ],
)
def test_claims_with_open_huge_or_no_ends(numbers: dict[str, float]) -> None:
    plot = claims_plot([claim(**numbers)])
    assert plot is not None
    assert len(plot_bytes(plot, "png")) > 1000


def test_of_many_claims_the_first_are_drawn_and_the_rest_is_told() -> None:
    plot = claims_plot([claim(f"claim {i}") for i in range(40)])
    assert plot is not None
    assert "Not shown: claim 16, claim 17" in plot.caption
    assert plot.figure.get_size_inches()[1] < 9


def test_no_claims_and_mixed_units() -> None:
    assert claims_plot([]) is None
    nothing = {
        "claimed_low": -math.inf,
        "claimed_high": math.inf,
        "value": math.nan,
        "low": math.nan,
        "high": math.nan,
    }
    assert claims_plot([claim(**nothing)]) is None
    with pytest.raises(ValueError, match="unit"):
        claims_plot([claim(), claim(unit="points")])
