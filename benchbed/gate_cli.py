"""`benchbed gate`: its flags. Light: what the command needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

GATE_EPILOG: Final = """\b
Exit codes:
  0    pass
  5    regressed: method, stage and metric are named
  6    inconclusive: too noisy or too short to tell; the smallest slow-down it would have seen is printed
  7    nothing measured: the two sides have nothing in common
  2    a flag or a name is wrong, a revision does not exist or import, files are not comparable
  3    the two sides measure under different conditions
  4    a file is damaged or was edited, or a measuring process died
  130  interrupted"""
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(epilog=GATE_EPILOG)
@click.option("--against", metavar="REV", help="Measure the working tree against this branch, tag or commit.")
@click.option(
    "--baseline",
    type=_FILE,
    metavar="FILE",
    help="Measure the working tree against a file of --write-baseline; or a file of pytest-benchmark, with --current.",
)
@click.option(
    "--current",
    type=_FILE,
    metavar="FILE",
    help="Measure nothing: hold this file against --baseline, both of --write-baseline or of pytest-benchmark.",
)
@click.option(
    "--reference", metavar="NAME", help="With --current: a benchmark that the others are divided by."
)
@click.option("--write-baseline", type=_FILE, metavar="FILE", help="Measure the working tree into a file.")
@click.option(
    "--methods", default="all", metavar="A,B/VARIANT", show_default=True, help="On the embedded dataset."
)
@click.option(
    "--seconds",
    type=float,
    default=150.0,
    metavar="S",
    show_default=True,
    help="For all of it, imports included.",
)
@click.option(
    "--images",
    type=int,
    default=24,
    metavar="N",
    show_default=True,
    help="Embedded images of the accuracy part.",
)
@click.option(
    "--margin",
    type=float,
    metavar="F",
    help="Slow-downs below it are let pass.  [default: 0.03 with --against]",
)
@click.option(
    "--effect",
    type=float,
    metavar="F",
    help="Slow-down that a pass must exclude.  [default: 0.10 with --against]",
)
@click.option(
    "--accept",
    default="",
    metavar="M[,M]",
    help="Regressions that are meant: accuracy, flops, parameters, operators, latency, waits, runs.",
)
@click.option(
    "--repository",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="A folder in the checkout to gate.  [default: the current one]",
)
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write everything there as JSON.")
@click.option("--markdown", "markdown_file", type=_FILE, metavar="FILE", help="Write a pull-request comment.")
@click.option("--all", "everything", is_flag=True, help="Print what passed, too.")
def gate(methods: str, accept: str, **flags: Any) -> int:
    """Did speed, cost or accuracy regress? For CI, on noisy machines.

    Two source trees run in turn in processes of their own, one thread, one core: what a neighbour does falls on both.
    Times are processor times by stage; a slow-down counts only if fresh processes confirm it. FLOPs, parameters, operators
    and accuracy on the embedded images are held exactly.

    \b
    benchbed gate --against main --markdown comment.md
    benchbed gate --write-baseline results/gate.json
    benchbed gate --baseline results/gate.json
    benchbed gate --baseline old.json --current new.json     (both of --write-baseline, or of pytest --benchmark-json)
    """
    from benchbed.gate_command import GateFlags, gate_command

    chosen = tuple(part.strip() for part in methods.split(",") if part.strip())
    if not chosen:
        raise click.UsageError(f"--methods {methods!r} names nothing; leave the flag out for its default")
    accepted = tuple(part.strip() for part in accept.split(",") if part.strip())
    return gate_command(GateFlags(methods=chosen, accepted=accepted, **flags))
