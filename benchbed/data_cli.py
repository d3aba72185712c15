"""The commands `benchbed data ...`. Light: what a command needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path

import click

from benchbed.cli_options import EPILOG, JSON

DATA_ROOT = click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where it lies.  [default: $BENCHBED_DATA]",
)


@click.group(epilog=EPILOG)
def data() -> None:
    """Datasets on this machine: what is here, getting them, checking every file."""


@data.command("list", epilog=EPILOG)
@JSON
def list_(as_json: bool) -> int:
    """Every dataset: whether it is here, and which files it is made of."""
    from benchbed.data_command import list_data

    return list_data(as_json)


@data.command(epilog=EPILOG)
@click.argument("dataset", metavar="D")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to fill.  [default: its subfolder of $BENCHBED_DATA]",
)
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with archives that you have already; they are verified where a checksum is known.",
)
@click.option(
    "--split", default="val", metavar="val|train|all", show_default=True, help="train is for training alone."
)
@click.option("--keep", is_flag=True, help="Leave downloaded archives on the disk once they are unpacked.")
def get(dataset: str, to: Path | None, source: Path | None, split: str, keep: bool) -> int:
    """Download D from its official place, verify, unpack and convert it; interrupted, run it again to go on.

    Only over TLS, and only files whose checksum is pinned; what is published without one, or to registered people alone, is
    to be got by hand: the message says where.

    \b
    benchbed data get voc --to /data/voc
    benchbed data get coco-stuff --from ~/Downloads --split all
    """
    from benchbed.data_command import GetFlags, get_data

    return get_data(GetFlags(dataset, to, source, split, keep))


@data.command(epilog=EPILOG)
@click.argument("dataset", metavar="D")
@DATA_ROOT
@click.option("--split", default="val", metavar="val|train", show_default=True, help="Which files.")
@JSON
def check(dataset: str, data_root: Path | None, split: str, as_json: bool) -> int:
    """Read every photo and label map of D (a name, or a TOML file of your own) and name each bad file; exit code 3 if any."""
    from benchbed.data_command import check_data

    return check_data(dataset, data_root, split, as_json)


@data.command(epilog=EPILOG)
@click.argument("dataset", metavar="D")
@DATA_ROOT
def where(dataset: str, data_root: Path | None) -> int:
    """Print the folder that a run on D would read; exit code 3 and where to get it if it is not there."""
    from benchbed.data_command import where_data

    return where_data(dataset, data_root)
