"""`benchbed train`: request -> plan -> weights, their JSON and their curves."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbed.errors import EXIT_DONE, BenchError
from benchbed.progress import Reporter

if TYPE_CHECKING:
    from benchbed.training.plan import TrainPlan
    from benchbed.training.request import TrainRequest


def train_command(request: TrainRequest, dry_run: bool, as_json: bool) -> int:
    """Do what the flags say; returns the exit code. Of several processes only the first one speaks.

    Raises:
        BenchError: the training cannot begin, or stopped before its end.
    """
    from benchbed.training.allocation import keep_memory

    keep_memory()  # before torch is imported
    from benchbed.quiet import quiet_libraries
    from benchbed.training.processes import from_environment

    processes = from_environment()
    reporter = Reporter(quiet=not processes.leads)
    try:
        with quiet_libraries():
            _import_mmsegmentation()
            from benchbed.training.plan import make_plan

            plan = make_plan(request, processes)
            answer = _described(plan) if dry_run else _trained(plan, reporter)
    except BenchError as error:
        if processes.leads or not _said_by_all(error):
            raise
        sys.exit(error.exit_code)
    if processes.leads:
        _tell(answer, dry_run, as_json)
    return EXIT_DONE


def _import_mmsegmentation() -> None:
    """Its first import prints, twice, that an optional service is not installed."""
    with contextlib.redirect_stdout(io.StringIO()):
        import mmseg.datasets  # noqa: F401


def _said_by_all(error: BenchError) -> bool:
    """Whether every process comes to this error; a bad image, for one, is met by one process alone."""
    from benchbed.errors import DataError

    return not isinstance(error, DataError)


def _trained(plan: TrainPlan, reporter: Reporter) -> dict[str, Any]:
    from benchbed.training.curves import write_curves
    from benchbed.training.engine import train
    from benchbed.training.facts import facts
    from benchbed.training.folder import FINAL, begin, finished, owned
    from benchbed.training.processes import connected

    known = facts(plan)
    with contextlib.ExitStack() as stack:
        stack.enter_context(connected(plan.processes, plan.device))
        if plan.processes.leads:
            stack.enter_context(owned(plan.out))
            for note in begin(plan.out, known, plan.request.resume):
                reporter.note(note)
        plan.processes.meet()
        if finished(plan.out):
            reporter.note(f"{plan.out}: finished already")
        else:
            train(plan, known, reporter)
        if plan.processes.leads:
            write_curves(plan.out, plan.name, plan.recipe.stages)
    return _summary(plan, plan.out / FINAL)


def _summary(plan: TrainPlan, path: Path) -> dict[str, Any]:
    from benchbed.training.checkpoint import read_facts

    if not plan.processes.leads:
        return {}
    found = read_facts(path)
    names = ("method", "iterations", "losses", "sha256")
    return {"weights": str(path), **{name: found[name] for name in names}, "dataset": plan.dataset.card.name}


def _described(plan: TrainPlan) -> dict[str, Any]:
    from benchbed.training.description import described

    return described(plan)


def _tell(answer: dict[str, Any], dry_run: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer, indent=1, ensure_ascii=False))
    elif dry_run:
        from benchbed.report.console import print_tables
        from benchbed.report.training_table import training_table

        print_tables([training_table(answer)])
    else:
        print(f"weights: {answer['weights']}")
        print(
            f"measure them: benchbed run --methods {answer['method']} --dataset {answer['dataset']} "
            f"--weights {answer['method']}={answer['weights']}"
        )
