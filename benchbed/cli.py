"""The command line. Light: what a command needs is imported when it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from benchbed import __version__
from benchbed.cli_options import DEVICE, EPILOG, JSON, OUT, PRECISION, WEIGHTS
from benchbed.cost_cli import cost
from benchbed.data_cli import data
from benchbed.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_USAGE, BenchError
from benchbed.gate_cli import gate
from benchbed.judging_cli import claims, compare
from benchbed.sweep_cli import sweep_like

# By command, after "interrupted".
KEPT: Final = {
    "claims": "; what was measured to its end is kept: run the same command to go on",
    "run": "; what was measured is kept: run the same command to go on",
    "sweep": "; jobs go on: run the same command to watch them and to submit the rest",
    "data get": "; what came is kept: run the same command to go on",
    "cost": "; no record was written: run the same command again",
    "train": "; the last state is kept: run the same command with --resume to go on",
}


@click.group(
    epilog=EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="benchbed %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """One bench for zero-shot and open-vocabulary semantic segmentation.

    Seen and unseen mIoU, hIoU, parameters, FLOPs, latency, throughput and memory of every method, under one
    stated protocol.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@main.command(epilog=EPILOG)
@click.option(
    "--methods", default="all", metavar="A,B/VARIANT", show_default=True, help="Methods to measure."
)
@click.option("--dataset", "datasets", default="shapes", metavar="D[,D]", show_default=True, help="Datasets.")
@click.option(
    "--protocol", default="paper", metavar="paper|matched", show_default=True, help="See: list protocols."
)
@WEIGHTS
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the dataset lies, e.g. the folder that holds VOCdevkit.",
)
@DEVICE
@PRECISION
@click.option("--limit", type=int, metavar="N", help="Use only the first N images of each dataset.")
@OUT
@click.option(
    "--keep",
    type=float,
    default=4.0,
    metavar="MB",
    show_default=True,
    help="Keep predicted label maps with photo and ground truth, for galleries: at most MB a method and dataset; 0: none.",
)
@click.option(
    "--batch",
    type=int,
    default=1,
    metavar="N",
    show_default=True,
    help="Images that go forward together while counting; halved where the memory does not hold them.",
)
@click.option(
    "--on-bad-image",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="A damaged photo or mask: stop the method there, or leave it out, which every table then says.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show the plan and what it will cost; measure nothing for a record."
)
@JSON
def run(**flags: Any) -> int:
    """Measure methods on datasets, side by side, and print the tables.

    Several processes share the images, on one machine or more: torchrun --nproc-per-node 4 -m benchbed run ...

    \b
    benchbed run
    benchbed run --methods deop,san --dataset voc --data-root DIR --weights random --limit 20
    """
    from benchbed.run_command import RunFlags, run_command

    flags["methods"] = _names(flags["methods"], "--methods")
    flags["datasets"] = _names(flags["datasets"], "--dataset")
    return run_command(RunFlags(**flags))


@main.command(epilog=EPILOG)
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PHOTO...")
@click.option(
    "--classes", required=True, metavar='"A, B"', help="Any words; quote a comma: '\"road, route\", sky'."
)
@click.option("--methods", required=True, metavar="A,B/VARIANT", help="Methods to show, or all.")
@click.option(
    "--unseen", default="", metavar='"B"', help="Classes to treat as never seen with masks. Default: none."
)
@WEIGHTS
@DEVICE
@PRECISION
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("benchbed-segment.png"),
    metavar="FILE.png",
    show_default=True,
    help="The picture.",
)
@JSON
def segment(**flags: Any) -> int:
    """Segment photos by words of your own: one picture, the photo and a panel with a legend for each method.

    \b
    benchbed segment cat.jpg --classes "cat, grass, other" --methods san --weights san_vit_b_16.pth
    benchbed segment *.jpg --classes "sky, tree" --methods san/tiny,maskclip/tiny --out tiny.png
    """
    from benchbed.segment_command import SegmentFlags, segment_command

    flags["methods"] = _names(flags["methods"], "--methods")
    return segment_command(SegmentFlags(**flags))


@main.command(epilog=EPILOG)
@click.option("--method", metavar="M[/VARIANT]", help="Method to train.")
@click.option("--dataset", metavar="D", help="Dataset whose seen classes it learns.")
@click.option(
    "--clip", metavar="shapes", help="In place of a method: the small CLIP of the embedded dataset."
)
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the dataset lies, e.g. the folder that holds VOCdevkit.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the weights.  [default: benchbed-training/METHOD-VARIANT-DATASET]",
)
@click.option("--resume", is_flag=True, help="Go on from the last state in that folder, to the same weights.")
@click.option(
    "--amp", is_flag=True, help="Mixed precision: float16 on a graphics card, bfloat16 on a processor."
)
@click.option(
    "--seed", type=int, default=0, metavar="N", show_default=True, help="Of weights, draws and augmentation."
)
@DEVICE
@click.option(
    "--iterations", type=int, metavar="N", help="At most so many a stage, to try a recipe out; recorded."
)
@click.option("--val-every", type=int, metavar="N", help="Seen, unseen and hIoU on val every N iterations.")
@click.option("--val-limit", type=int, metavar="N", help="Use only the first N images of val for that.")
@click.option("--save-every", type=int, metavar="N", help="Keep the state every N iterations.")
@click.option("--workers", type=int, metavar="N", help="Loading processes; the weights do not depend on it.")
@click.option(
    "--init",
    default="",
    metavar="W",
    help="Weights to start from, in place of the recipe's: clip=PATH,backbone=PATH or all=PATH; random for none; "
    "vectors=PATH: class vectors in place of CLIP's text tower, .npy or safetensors.",
)
@click.option("--dry-run", is_flag=True, help="Show stages and what each trains; train nothing.")
@JSON
def train(clip: str | None, dry_run: bool, as_json: bool, **flags: Any) -> int:
    """Train a method by its recipe, on the dataset's seen classes alone.

    Several processes: torchrun --nproc-per-node 2 -m benchbed train ...

    \b
    benchbed train --method san/tiny --dataset shapes --val-every 500 --val-limit 100
    benchbed train --method lseg --dataset voc --data-root DIR --amp
    benchbed train --clip shapes
    """
    if clip is not None:
        return _train_clip(clip, dry_run=dry_run, as_json=as_json, **flags)
    for name in ("method", "dataset"):
        if flags[name] is None:
            raise click.UsageError(
                f"--{name} is missing; name what to train, e.g. --method san/tiny --dataset shapes"
            )
    from benchbed.train_command import train_command
    from benchbed.training.request import TrainRequest

    return train_command(TrainRequest(**flags), dry_run, as_json)


def _train_clip(clip: str, **flags: Any) -> int:
    from benchbed.train_clip_command import train_clip_command
    from benchbed.training.clip_flags import ClipFlags

    taken = ("out", "resume", "seed", "device", "iterations", "val_every", "save_every")
    foreign = [name for name, value in flags.items() if name not in taken and value]
    if foreign:
        raise click.UsageError(
            f"--{foreign[0].replace('_', '-')} does not go with --clip, whose recipe is one of its own; leave it out"
        )
    return train_clip_command(ClipFlags(clip, **{name: flags[name] for name in taken}))


@main.command(epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to put them.  [default: where the variant's card says that its weights ship]",
)
def pack(folder: Path, to: Path | None) -> int:
    """Make the weights that benchbed train left in DIR ship with the package.

    They are stored in half precision, and without what the CLIP of shapes, which ships once, holds already.

    \b
    benchbed pack benchbed-training/san-tiny-shapes
    benchbed pack benchbed-training/clip-shapes
    """
    from benchbed.pack_command import pack_command

    return pack_command(folder, to)


@main.command("list", epilog=EPILOG)
@click.argument("what", metavar="methods|datasets|protocols|flops")
@JSON
def list_(what: str, as_json: bool) -> None:
    """List methods, datasets or protocols: where each comes from and what it still needs; or FLOPs beside the official code's."""
    from benchbed.list_command import list_command

    list_command(what, as_json)


@main.command(epilog=EPILOG)
@click.argument("name", metavar="RECORD|METHOD")
@OUT
@JSON
def show(name: str, out: Path, as_json: bool) -> None:
    """Show one record (path, id, or its start) in full, or a METHOD[/VARIANT]: claims, traps, FLOPs beside official ones."""
    from benchbed.show_command import show_command

    show_command(name, out, as_json)


@main.command(epilog=EPILOG)
@click.argument("more", nargs=-1, type=click.Path(path_type=Path), metavar="[DIR...]")
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder or file of records; repeat it, or name several after it.  [default: benchbed-results]",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write everything there: tables, plots, gallery, page.  [default: print tables]",
)
@click.option(
    "--table",
    default="",
    metavar="T[,T]",
    help="zs3, open-vocab, efficiency, parity, seeds, classes.  [default: all]",
)
@click.option(
    "--format",
    "formats",
    default="",
    metavar="F[,F]",
    help="console, markdown, csv, latex, html; with --to also plots, gallery, page.  [default: console, or all]",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; fail (4) unless the report in --to is up to date."
)
def report(more: tuple[Path, ...], sources: tuple[Path, ...], table: str, formats: str, **flags: Any) -> int:
    """Make tables, plots, a gallery and a page of records, wherever and by whomever they were measured.

    Records of all folders are merged, each once; damaged files are named and skipped (exit code 4); records that
    contradict each other are named and footnoted. Rows are ranked only where images and protocol are the same.

    \b
    benchbed report
    benchbed report --table zs3 --format latex > table.tex
    benchbed report --from mine theirs --to report
    """
    from benchbed.report_command import ReportFlags, report_command

    flags["tables"] = _names(table, "--table") if table else ()
    flags["formats"] = _names(formats, "--format") if formats else ()
    return report_command(ReportFlags(sources=(*sources, *more), **flags))


for command in (claims, compare, cost, data, gate, sweep_like(run)):
    main.add_command(command)


def _names(text: str, flag: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise click.UsageError(f"{flag} {text!r} names nothing; leave the flag out for its default")
    return found


def run_cli(arguments: list[str]) -> int:
    """Run one command line; a user's mistake becomes one line on stderr and an exit code, never a traceback."""
    try:
        code = main.main(args=arguments, prog_name="benchbed", standalone_mode=False)
    except BenchError as error:
        return _complain(str(error), error.exit_code)
    except click.UsageError as error:
        return _complain(error.format_message() + _usage(error), EXIT_USAGE)
    except (click.Abort, KeyboardInterrupt):
        kept = next((KEPT[words] for n in (2, 1) if (words := " ".join(arguments[:n])) in KEPT), "")
        return _complain(f"interrupted{kept}", EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_DONE
    return code if isinstance(code, int) else EXIT_DONE


def _usage(error: click.UsageError) -> str:
    return f" (see {error.ctx.command_path if error.ctx else 'benchbed'} --help)"


def _complain(message: str, code: int) -> int:
    print(f"benchbed: {message}", file=sys.stderr)
    return code
