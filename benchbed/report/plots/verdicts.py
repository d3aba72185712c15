"""Claim plots of a report: every known claim judged by its records, cost records and trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchbed.cost_records import CostRecord
from benchbed.report.plots.claim_intervals import claims_plot
from benchbed.report.plots.plot import Plot

if TYPE_CHECKING:
    from benchbed.records import Record


def verdict_plots(
    records: Sequence[Record], costs: Sequence[CostRecord], sources: Sequence[Path]
) -> list[Plot]:
    """A plot for each unit in which something claimed was also measured.

    Args:
        records, costs: what was read.
        sources: folders in which trials may lie.

    Raises:
        UsageError: a claim file of a plug-in is not what it should be.
    """
    from benchbed.claims.evidence import Evidence
    from benchbed.claims.reading import shipped_claims
    from benchbed.claims.trials import read_trials
    from benchbed.claims.verdict import decide
    from benchbed.report.claim_points import (
        claim_points,
    )  # draws with this package: imported when that is whole

    trials = {each.id: each for folder in sources if folder.is_dir() for each in read_trials(folder)[0]}
    evidence = Evidence(
        tuple(sorted(records, key=lambda each: (each.created, each.id))),
        tuple(costs),
        tuple(sorted(trials.values(), key=lambda each: (each.created, each.id))),
    )
    verdicts = [verdict for claim in shipped_claims() for verdict in decide(claim, evidence)]
    plots = [claims_plot(lines) for lines in claim_points(verdicts).values()]
    return [plot for plot in plots if plot is not None]
