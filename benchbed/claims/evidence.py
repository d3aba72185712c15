"""Everything that claims are judged by: records, cost records and label-set trials, read from folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchbed.claims.trials import Trial, read_trials
from benchbed.cost_records import CostRecord, read_cost_records
from benchbed.errors import UsageError
from benchbed.records import Record
from benchbed.report.collect import collect


@dataclass(frozen=True)
class Evidence:
    """What was read, each kind oldest first; `skipped` has a sentence for each file that is damaged, edited or too new."""

    records: tuple[Record, ...] = ()
    costs: tuple[CostRecord, ...] = ()
    trials: tuple[Trial, ...] = ()
    skipped: tuple[str, ...] = ()


def read_evidence(folders: Sequence[Path]) -> Evidence:
    """Read the stores in these folders.

    Raises:
        UsageError: one of them is not a folder.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"--from {folder}: no such folder; expected one that benchbed run, cost or claims wrote"
            )
    stores = [folder / "records" for folder in folders if (folder / "records").is_dir()]
    collection = collect(stores) if stores else None
    costs: dict[str, CostRecord] = {}
    trials: dict[str, Trial] = {}
    skipped = list(collection.skipped) if collection else []
    for folder in folders:
        found, damaged = read_cost_records(folder)
        costs |= {each.id: each for each in found}
        tried, torn = read_trials(folder)
        trials |= {each.id: each for each in tried}
        skipped += [*damaged, *torn]
    records = sorted(collection.records if collection else (), key=lambda each: (each.created, each.id))
    return Evidence(
        tuple(records),
        tuple(sorted(costs.values(), key=lambda each: (each.created, each.id))),
        tuple(sorted(trials.values(), key=lambda each: (each.created, each.id))),
        tuple(dict.fromkeys(skipped)),
    )
