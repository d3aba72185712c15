"""What a dry run of a training shows."""

from __future__ import annotations

from typing import Any

from benchbed.report.table import Cell, Table, significant, text

COLUMNS = (
    "stage",
    "samples",
    "iterations",
    "batch",
    "passes",
    "optimiser",
    "rate",
    "schedule",
    "trained M",
    "of M",
)


def training_table(plan: dict[str, Any]) -> Table:
    """One row a stage, from `benchbed.training.description.described`."""
    starts = ", ".join(
        f"{part}: {found if isinstance(found, str) else found['file']}"
        for part, found in plan["starts_from"].items()
    )
    notes = (
        f"{plan['images']:,} training images, masks of {len(plan['seen'])} seen classes; starts from {starts}",
        f"recipe: {plan['source']}",
        *plan["differences"],
        f"on {plan['device']}; weights would go to {plan['out']}; nothing was trained",
    )
    rows = tuple(_row(stage) for stage in plan["stages"])
    return Table(f"Training {plan['method']} on {plan['dataset']}", COLUMNS, rows, notes)


def _row(stage: dict[str, Any]) -> tuple[Cell, ...]:
    passes = stage["passes"]
    return (
        text(stage["stage"]),
        text(stage["samples"]),
        text(f"{stage['iterations']:,}"),
        text(stage["batch"]),
        text("-" if passes is None else significant(passes)),
        text(stage["optimiser"]),
        text(f"{stage['rate']:g}"),
        text(stage["schedule"]),
        text(significant(stage["trained"] / 1e6)),
        text(significant(stage["parameters"] / 1e6)),
    )
