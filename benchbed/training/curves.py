"""`curves.csv` and `curves.png`: how losses fell and, where asked for, how validation rose."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchbed.errors import StoreError
from benchbed.record_store import write_whole
from benchbed.training.checkpoint import cannot_write
from benchbed.training.loss_log import FILE, read_log
from benchbed.training.recipe import Stage

FIGURES: Final = ("seen", "unseen", "hiou")
_SMALLEST: Final = 1e-2  # losses below are drawn on a linear scale


def write_curves(folder: Path, title: str, stages: Sequence[Stage]) -> None:
    """Make both files from the folder's loss log.

    Raises:
        StoreError: no room.
    """
    rows = table(read_log(folder / FILE), stages)
    try:
        write_whole(folder / "curves.csv", _csv(rows).encode())
        write_whole(folder / "curves.png", _png(rows, title, stages))
    except OSError as error:
        raise StoreError(cannot_write(folder / "curves.png", error)) from error


def table(log: Sequence[dict[str, Any]], stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """One row for each iteration that was logged: `step` over all stages, stage, iteration, rate, losses, validation."""
    before = [sum(stage.iterations for stage in stages[:number]) for number in range(len(stages))]
    rows: dict[int, dict[str, Any]] = {}
    for line in log:
        step = before[line["stage"]] + line["iteration"]
        row = rows.setdefault(
            step, {"step": step, "stage": stages[line["stage"]].name, "iteration": line["iteration"]}
        )
        if "losses" in line:
            row |= {"rate": line["rate"], **line["losses"]}
        else:
            row |= line["validation"]
    return [rows[step] for step in sorted(rows)]


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _png(rows: Sequence[dict[str, Any]], title: str, stages: Sequence[Stage]) -> bytes:
    from matplotlib.figure import Figure

    validated = [row for row in rows if "hiou" in row]
    figure = Figure(figsize=(9, 7 if validated else 4), layout="constrained")
    axes = figure.subplots(2 if validated else 1, 1, sharex=True, squeeze=False)[:, 0]
    _draw_losses(axes[0], rows)
    axes[0].set_title(title)
    if validated:
        _draw_validation(axes[1], validated)
    for axis in axes:
        for end in _ends(stages):
            axis.axvline(end, color="grey", linewidth=0.8, linestyle=":")
    axes[-1].set_xlabel("iteration" + (" (dotted: a stage begins)" if len(stages) > 1 else ""))
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()


def _draw_losses(axis: Any, rows: Sequence[dict[str, Any]]) -> None:
    names = dict.fromkeys(name for row in rows for name in row if "loss" in name and "aux" not in name)
    for name in names:
        points = [(row["step"], row[name]) for row in rows if name in row]
        axis.plot(*zip(*points, strict=True), label=name, linewidth=1.6 if name == "loss" else 0.9)
    axis.set_ylabel("training loss")
    values = [row[name] for row in rows for name in names if name in row]
    if max(values, default=1.0) > 10 * max(
        _SMALLEST, min(values, default=1.0)
    ):  # else no decade would be marked
        axis.set_yscale("symlog", linthresh=_SMALLEST)
    axis.legend(fontsize="small")


def _draw_validation(axis: Any, rows: Sequence[dict[str, Any]]) -> None:
    for name, label in zip(FIGURES, ("seen mIoU", "unseen mIoU", "hIoU"), strict=True):
        points = [(row["step"], row[name]) for row in rows if row[name] is not None]
        if points:
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3, label=label)
    axis.set_ylabel(f"% on {rows[-1]['images']} images of val")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize="small")


def _ends(stages: Sequence[Stage]) -> list[int]:
    return [sum(stage.iterations for stage in stages[: number + 1]) for number in range(len(stages) - 1)]
