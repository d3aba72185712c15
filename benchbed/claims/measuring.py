"""Measuring what claims still need. The one part of the room that imports torch, when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchbed.claims.plan import CostPlan, TrialPlan
from benchbed.claims.trials import write_trial
from benchbed.cost.conditions import DEFAULT_CLASSES, DEFAULT_SIZE, Conditions
from benchbed.cost.stopping import NARROW_FROM, Stopping
from benchbed.cost_records import prepare, write_cost_record

if TYPE_CHECKING:
    from benchbed.progress import Reporter


def hardware_of(device: str) -> str:
    """`cpu` or `cuda`: what `--device` means on this machine.

    Raises:
        UsageError: a device that is not there.
    """
    from benchbed.device import resolve_device

    return str(resolve_device(device).type)


def measure(step: CostPlan | TrialPlan, out: Path, device: str, reporter: Reporter) -> list[str]:
    """Measure one step and write its record below `out`; returns a sentence for each part that failed.

    Raises:
        BenchError: it cannot be measured at all, or the record cannot be written.
    """
    logs = prepare(out)
    reporter.note(step.words)
    if isinstance(step, TrialPlan):
        from benchbed.claims.label_sets import try_label_sets

        path = write_trial(out, try_label_sets(step.label, device))
        reporter.note(f"trial: {path}")
        return []
    return _measure_cost(step, out, logs, device, reporter)


def _measure_cost(step: CostPlan, out: Path, logs: Path, device: str, reporter: Reporter) -> list[str]:
    from benchbed.cost.request import CostRequest
    from benchbed.cost_study import run_study

    wanted = step.conditions
    request = CostRequest(
        methods=step.labels,
        conditions=Conditions(
            wanted.size or DEFAULT_SIZE,
            wanted.classes or DEFAULT_CLASSES,
            wanted.proposals,
            wanted.batch or 1,
        ),
        sweeps={step.sweep.axis: step.sweep.values} if step.sweep else {},
        protocol=wanted.protocol or "matched",
        device=device,
        precisions=(wanted.precision or "fp32",),  # type: ignore[arg-type]  # checked when the claim was read
        stopping=Stopping(seconds=step.seconds, least_rounds=NARROW_FROM),
    )
    outcome = run_study(request, reporter, logs)
    if outcome.record is not None:
        reporter.note(f"record: {write_cost_record(out, outcome.record)}")
    if outcome.interrupted:
        raise KeyboardInterrupt
    return [each.message for each in outcome.failures]
