"""The command line. Light: what a command needs is imported when it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import click
import typer

from benchbed import __version__
from benchbed.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_USAGE, BenchError

EPILOG: Final = (
    "Exit codes: 0 done; 2 a flag or name is wrong; 3 data or weights are missing or damaged; "
    "4 part of the plan failed (the rest is kept); 130 interrupted (what was measured is kept: run the same command to go on)."
)
HELP: Final = (
    "One bench for zero-shot and open-vocabulary semantic segmentation: seen and unseen mIoU, hIoU, parameters, FLOPs, "
    "latency, throughput and memory of every method under one stated protocol."
)

app = typer.Typer(
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

JsonFlag = Annotated[bool, typer.Option("--json", help="Write JSON, and only JSON, to stdout.")]
OutFlag = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the records.")]


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version and stop.", is_eager=True)
    ] = False,
) -> None:
    if version:
        typer.echo(f"benchbed {__version__}")
        raise typer.Exit


@app.command(epilog=EPILOG)
def run(
    methods: Annotated[
        str,
        typer.Option(
            metavar="A,B/VARIANT", help="Methods or method/variant, comma-separated. Default: every method."
        ),
    ] = "",
    dataset: Annotated[
        str,
        typer.Option(metavar="D[,D]", help="Datasets, comma-separated. Default: the embedded one, shapes."),
    ] = "",
    protocol: Annotated[
        str, typer.Option(metavar="paper|matched", help="See benchbed list protocols.")
    ] = "paper",
    weights: Annotated[
        str,
        typer.Option(
            metavar="W", help="auto, random, a checkpoint's PATH, or method=PATH,... (others: auto)."
        ),
    ] = "auto",
    data_root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the dataset lies, e.g. the folder that holds VOCdevkit."),
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:n]", help="Device to measure on.")] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="fp32|bf16|fp16", help="Precision of the forward pass.")
    ] = "fp32",
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Use the first N images of each dataset.")
    ] = None,
    out: OutFlag = Path("benchbed-results"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and what it will cost, measure nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure methods on datasets, side by side, and print the tables.

    Examples:  benchbed run   |   benchbed run --methods deop,san --dataset voc --data-root DIR
    """
    from benchbed.run_command import RunFlags, run_command

    flags = RunFlags(
        methods=_names(methods),
        datasets=_names(dataset),
        protocol=protocol,
        weights=weights,
        data_root=data_root,
        device=device,
        precision=precision,
        limit=limit,
        out=out,
        dry_run=dry_run,
        as_json=as_json,
    )
    raise typer.Exit(run_command(flags))


@app.command("list", epilog=EPILOG)
def list_(
    what: Annotated[str, typer.Argument(metavar="methods|datasets|protocols", help="What to list.")],
    as_json: JsonFlag = False,
) -> None:
    """List methods, datasets or protocols: where each comes from and what it still needs."""
    from benchbed.list_command import list_command

    list_command(what, as_json)


@app.command(epilog=EPILOG)
def show(
    record: Annotated[
        str, typer.Argument(metavar="RECORD", help="A record's path, id, or the start of its id.")
    ],
    out: OutFlag = Path("benchbed-results"),
    as_json: JsonFlag = False,
) -> None:
    """Show one record in full: accuracy under every rule, per-class IoU, cost, stages, protocol, machine."""
    from benchbed.show_command import show_command

    show_command(record, out, as_json)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def run_cli(arguments: list[str]) -> int:
    """Run one command line; the user's mistakes become one line on stderr and an exit code, never a traceback."""
    try:
        code = typer.main.get_command(app)(args=arguments, prog_name="benchbed", standalone_mode=False)
    except BenchError as error:
        return _complain(str(error), error.exit_code)
    except click.exceptions.Abort:
        return _complain("interrupted", EXIT_INTERRUPTED)
    except click.ClickException as error:
        hint = error.ctx.get_usage() + "\n" if isinstance(error, click.UsageError) and error.ctx else ""
        return _complain(hint + error.format_message(), EXIT_USAGE)
    except KeyboardInterrupt:
        return _complain(
            "interrupted: what was measured is kept; run the same command to go on", EXIT_INTERRUPTED
        )
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_DONE
    return code if isinstance(code, int) else EXIT_DONE


def _complain(message: str, code: int) -> int:
    print(f"benchbed: {message}", file=sys.stderr)
    return code
