"""Plots of records: one file a plot, matplotlib, PDF and PNG at the width of a paper's column. Imports no torch."""

from __future__ import annotations

from benchbed.report.plots.claim_intervals import ClaimInterval, claims_plot
from benchbed.report.plots.every import make_plots, write_plots
from benchbed.report.plots.looks import Look, look_of
from benchbed.report.plots.plot import FORMATS, Plot, plot_bytes
from benchbed.report.plots.scaling import ScalingCurve, ScalingPoint, scaling_plot

__all__ = [
    "FORMATS",
    "ClaimInterval",
    "Look",
    "Plot",
    "ScalingCurve",
    "ScalingPoint",
    "claims_plot",
    "look_of",
    "make_plots",
    "plot_bytes",
    "scaling_plot",
    "write_plots",
]
