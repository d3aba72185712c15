"""The command `benchbed sweep`: its own flags, and all of `benchbed run` that a job can have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from benchbed.cli_options import EPILOG, JSON, OUT

# Flags of `run` that a sweep decides on its own.
_NOT_SHARED: Final = {"methods", "datasets", "out", "dry_run", "as_json"}


def sweep_like(run: click.Command) -> click.Command:
    """The command, with the flags of `run` as it is registered."""
    shared = [option for option in run.params if option.name not in _NOT_SHARED]

    def sweep(**flags: Any) -> int:
        return _sweep(shared, **flags)

    sweep.__doc__ = _sweep.__doc__
    made = click.command("sweep", epilog=EPILOG)(sweep)
    made.params = [*_OWN[:2], *shared, *_OWN[2:]]
    return made


def _sweep(shared: Sequence[click.Parameter], **flags: Any) -> int:
    """Measure methods on datasets as jobs, one record each: on a Slurm cluster, or one after the other here.

    Ctrl-C leaves jobs running; the same command watches them again, skips what is finished, and tries again what failed.
    A job that is preempted, or reaches its time limit, goes on where it was.

    \b
    benchbed sweep --methods san,deop --datasets voc,coco-stuff --executor slurm --slurm partition=gpu --gpus 1
    benchbed sweep --datasets shapes --executor local
    """
    from benchbed.sweep.executor import Resources
    from benchbed.sweep_command import SweepFlags, sweep_command

    values = {option.name: flags.pop(option.name) for option in shared if option.name}
    values["data_root"] = values["data_root"] and values["data_root"].absolute()
    resources = Resources(
        **{name: flags.pop(name) for name in ("minutes", "cpus", "gpus", "memory_gb", "nodes", "workers")},
        slurm=dict(_pair(text) for text in flags.pop("slurm")),
    )
    return sweep_command(
        SweepFlags(
            methods=_names(flags.pop("methods"), "--methods"),
            datasets=_names(flags.pop("datasets"), "--datasets"),
            resources=resources,
            shared=values,
            passed_on=_words(shared, values),
            **flags,
        )
    )


def _words(options: Sequence[click.Parameter], values: dict[str, Any]) -> tuple[str, ...]:
    """The flags that differ from their defaults, as they stand on a command line."""
    words: list[str] = []
    for option in options:
        value = values[str(option.name)]
        if option.name == "weights" or value is None or value is False or value == option.default:
            continue
        words += [option.opts[0]] if value is True else [option.opts[0], str(value)]
    return tuple(words)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.lstrip("-").partition("=")
    if not name or not value or set(text) & set("\n\r"):
        raise click.UsageError(f"--slurm {text!r}: expected NAME=VALUE, a flag of sbatch, e.g. partition=gpu")
    return name, value


def _names(text: str, flag: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise click.UsageError(f"{flag} {text!r} names nothing; leave the flag out for its default")
    return found


def _own_options() -> list[click.Parameter]:
    """The flags of a sweep alone, in the order in which help shows them."""
    count = click.IntRange(min=1)

    @click.option("--methods", default="all", metavar="A,B/VARIANT", show_default=True, help="Methods.")
    @click.option(
        "--datasets",
        "--dataset",
        "datasets",
        default="shapes",
        metavar="D[,D]",
        show_default=True,
        help="Datasets.",
    )
    @click.option(
        "--executor",
        type=click.Choice(["local", "slurm"]),
        default="local",
        show_default=True,
        help="Processes of this machine, or jobs of a Slurm cluster.",
    )
    @click.option(
        "--jobs",
        "at_once",
        type=count,
        metavar="N",
        help="At most so many at a time.  [default: local 1, slurm all]",
    )
    @click.option(
        "--minutes",
        type=count,
        default=240,
        metavar="N",
        show_default=True,
        help="Time limit of a job; it goes on after.",
    )
    @click.option("--nodes", type=count, default=1, metavar="N", show_default=True, help="Machines a job.")
    @click.option(
        "--workers",
        type=count,
        default=1,
        metavar="N",
        show_default=True,
        help="Processes on each, sharing the images.",
    )
    @click.option("--cpus", type=count, metavar="N", help="Cores of each process.")
    @click.option("--gpus", type=count, metavar="N", help="Graphics cards of each machine.")
    @click.option(
        "--memory-gb", type=click.FloatRange(min=0, min_open=True), metavar="GB", help="Of each machine."
    )
    @click.option(
        "--slurm",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any flag of sbatch, e.g. partition=gpu; repeat it.",
    )
    @OUT
    @click.option("--again", is_flag=True, help="Measure also what is finished.")
    @click.option("--dry-run", is_flag=True, help="Show the jobs; submit nothing.")
    @JSON
    @click.command()
    def own(**flags: Any) -> None:
        """Holds the flags."""

    return own.params[::-1]  # click puts the last decorator first on a finished command


_OWN: Final = _own_options()
