"""`benchbed compare` and `benchbed claims`, which judge records. Light: what a command needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchbed.cli_options import DEVICE, EPILOG, JSON, OUT


@click.command(epilog=EPILOG)
@click.argument("records", nargs=-1, required=True, metavar="A B [C...]")
@OUT
@click.option("--dataset", metavar="D", help="Which records are meant, where methods are named.")
@click.option("--protocol", metavar="P", help="Likewise: a protocol's name or fingerprint.")
@click.option(
    "--images",
    type=int,
    default=5,
    metavar="N",
    show_default=True,
    help="How many images won and lost to show.",
)
@JSON
def compare(records: tuple[str, ...], out: Path, **flags: Any) -> int:
    """Tell methods apart on the same images; A, B, C are records (path, id) or methods.

    Paired bootstrap over images of the differences in mIoU, seen, unseen and hIoU, Holm-corrected over all pairs; the
    images won and lost most.

    \b
    benchbed compare san deop
    benchbed compare 3fa9c1 81b02d --json
    """
    from benchbed.compare_command import compare_command

    return compare_command(records, out, **flags)


@click.command(epilog=EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of records to judge by, beside --out; may be given several times.",
)
@OUT
@click.option("--no-measure", is_flag=True, help="Judge by the records at hand alone.")
@click.option(
    "--minutes", type=float, default=14.0, metavar="M", show_default=True, help="For measuring, all in all."
)
@DEVICE
@click.option("--dry-run", is_flag=True, help="Say what would be measured; measure and judge nothing.")
@JSON
def claims(**flags: Any) -> int:
    """Decide claims of papers from records: supported, refuted or undecided, and under which conditions that flips.

    NAME is a claim, a method, or a TOML file or folder of your own claims; all shipped claims if none is given. What a
    named claim still needs is measured, full-size with random weights, if that takes neither data nor trained weights.

    \b
    benchbed claims
    benchbed claims deop-speed
    benchbed claims mine.toml --from results --no-measure --json
    """
    from benchbed.claims_command import ClaimsFlags, claims_command

    return claims_command(ClaimsFlags(**flags))
