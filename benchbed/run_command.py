"""`benchbed run`: request -> plan -> measure -> tables."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbed.errors import EXIT_DONE, UsageError
from benchbed.progress import Reporter
from benchbed.record_store import RecordStore
from benchbed.report.summary import paired_latencies, summary

if TYPE_CHECKING:
    from benchbed.counting_pass import OnBadImage
    from benchbed.plan import Plan
    from benchbed.runner import Outcome
    from benchbed.sharding import Workers


@dataclass(frozen=True)
class RunFlags:
    """The flags of `benchbed run`, one field each."""

    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    protocol: str
    weights: str
    data_root: Path | None
    device: str
    precision: str
    limit: int | None
    out: Path
    keep: float
    batch: int
    on_bad_image: OnBadImage
    dry_run: bool
    as_json: bool


def run_command(flags: RunFlags) -> int:
    """Do what the flags say; returns the exit code.

    Raises:
        BenchError: the plan cannot be made, or records cannot be written.
    """
    from benchbed.quiet import quiet_libraries

    _check_keep(flags.keep)
    from benchbed.sharding import sharing

    with quiet_libraries(), sharing(flags.device) as workers:
        reporter = Reporter(quiet=not workers.leads)
        plan = workers.together("the plan", None, lambda: _plan(flags, workers))
        workers.agree("plan", plan.digest)
        for note in plan.notes:
            reporter.note(note)
        if flags.dry_run:
            forecasts = _forecasts(plan) if workers.leads else []
        else:
            from benchbed.counting_pass import Counting
            from benchbed.runner import run_plan

            how = Counting(on_bad_image=flags.on_bad_image)
            store, keep_bytes = RecordStore(flags.out), int(flags.keep * 1e6)
            outcome = run_plan(plan, store, reporter, keep_bytes, how, workers)
            code = int(workers.tell(str(outcome.exit_code).encode())[0])
    if not workers.leads:
        return EXIT_DONE if flags.dry_run else code
    if flags.dry_run:
        _show_plan(forecasts, flags)
        return EXIT_DONE
    _tell(outcome, flags, reporter)
    return code


def _check_keep(megabytes: float) -> None:
    if not 0 <= megabytes < math.inf:
        raise UsageError(f"--keep {megabytes:g}: expected megabytes for kept predictions, 0 or more")


def _plan(flags: RunFlags, workers: Workers) -> Plan:
    from benchbed.plan import Request, make_plan

    return make_plan(
        Request(
            methods=flags.methods,
            datasets=flags.datasets,
            protocol=flags.protocol,
            weights=flags.weights,
            data_root=flags.data_root,
            device=flags.device if workers.world == 1 else str(workers.device),
            precision=flags.precision,
            limit=flags.limit,
            batch=flags.batch,
        )
    )


def _forecasts(plan: Plan) -> list[dict[str, Any]]:
    from benchbed.forecast import forecast

    return [forecast(item, plan.device).as_dict() for item in plan.items]


def _show_plan(forecasts: list[dict[str, Any]], flags: RunFlags) -> None:
    from benchbed.report.console import print_tables
    from benchbed.report.plan_table import plan_table

    if flags.as_json:
        _print_json({"plan": forecasts, "out": str(flags.out)})
    else:
        print_tables([plan_table(forecasts, str(flags.out))])


def _tell(outcome: Outcome, flags: RunFlags, reporter: Reporter) -> None:
    records = [record for record, _ in outcome.records]
    if flags.as_json:
        _print_json(
            {
                "records": [{"path": str(path), **summary(record)} for record, path in outcome.records],
                "paired": paired_latencies([record for record, _ in outcome.records]),
                "failures": [
                    {"item": failure.item, "message": failure.message} for failure in outcome.failures
                ],
            }
        )
    elif records:
        from benchbed.report.console import print_tables
        from benchbed.report.run_tables import run_tables

        print_tables(run_tables(records))
    for _, path in outcome.records:
        reporter.note(f"record: {path}")
    for failure in outcome.failures:
        reporter.note(f"failed: {failure.item}: {failure.message}")


def _print_json(content: dict[str, Any]) -> None:
    print(json.dumps(content, indent=1, ensure_ascii=False))
