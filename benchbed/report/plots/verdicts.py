"""Claim plots of a report: every known claim, as its records, cost records and trials judge it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchbed.report.plots.claim_intervals import claims_plot
from benchbed.report.plots.plot import Plot

if TYPE_CHECKING:
    from benchbed.claims.outcome import Verdict


def verdict_plots(verdicts: Sequence[Verdict]) -> list[Plot]:
    """A plot for each unit in which something claimed was also measured."""
    from benchbed.report.claim_points import (
        claim_points,
    )  # draws with this package: imported when that is whole

    plots = [claims_plot(lines) for lines in claim_points(verdicts).values()]
    return [plot for plot in plots if plot is not None]
