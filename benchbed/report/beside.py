"""What lies beside the records of runs and belongs to a report: cost records, label-set trials; what claims are judged by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchbed.claims.evidence import Evidence
from benchbed.claims.outcome import Verdict
from benchbed.claims.reading import shipped_claims
from benchbed.claims.trials import FOLDER as TRIALS
from benchbed.claims.trials import Trial, read_trials
from benchbed.claims.verdict import decide
from benchbed.cost_records import FOLDER as COSTS
from benchbed.cost_records import CostRecord, read_cost_records
from benchbed.records import Record


def evidence_of(sources: Sequence[Path], records: Sequence[Record]) -> Evidence:
    """The records that were read already, and cost records and trials of every store among the sources or below, each once.

    Args:
        sources: files and folders of `--from`.
        records: what `benchbed.report.collect.collect` found in them.
    """
    costs: dict[str, CostRecord] = {}
    trials: dict[str, Trial] = {}
    skipped: list[str] = []
    for store in dict.fromkeys(store for source in sources for store in _stores(source)):
        found, damaged = read_cost_records(store)
        costs |= {each.id: each for each in found}
        tried, torn = read_trials(store)
        trials |= {each.id: each for each in tried}
        skipped += [*damaged, *torn]
    return Evidence(
        tuple(sorted(records, key=_age)),
        tuple(sorted(costs.values(), key=_age)),
        tuple(sorted(trials.values(), key=_age)),
        tuple(skipped),
    )


def _age(each: Record | CostRecord | Trial) -> tuple[str, str]:
    return each.created, each.id


def _stores(source: Path) -> Iterator[Path]:
    """Folders that hold cost records or trials."""
    for name in (COSTS, TRIALS):
        yield from sorted(path.parent.resolve() for path in source.rglob(name) if path.is_dir())


def verdicts_of(evidence: Evidence) -> tuple[Verdict, ...]:
    """Every known claim, judged.

    Raises:
        UsageError: a claim file of a plug-in is not what it should be.
    """
    return tuple(verdict for claim in shipped_claims() for verdict in decide(claim, evidence))
