"""What several commands of the command line share: exit codes in words, and flags that mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

EPILOG: Final = """\b
Exit codes:
  0    done
  2    a flag or a name is wrong
  3    data or weights are missing or damaged
  4    part of the plan failed; of a run, the rest is kept
  130  interrupted; of a run, what was measured is kept: run the same command to go on;
       of a training, the state is kept: run the same command with --resume"""

OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("benchbed-results"),
    metavar="DIR",
    show_default=True,
    help="Folder of the records.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Write JSON, and only JSON, to stdout.")
WEIGHTS = click.option(
    "--weights",
    default="auto",
    metavar="W",
    show_default=True,
    help="auto (what ships with the variant, else the official file in $BENCHBED_WEIGHTS), shipped (what ships, or an error), "
    "random, the PATH of a checkpoint, or method=W,... (methods not named get auto).",
)
DEVICE = click.option(
    "--device", default="auto", metavar="auto|cpu|cuda[:n]", show_default=True, help="Where to run."
)
PRECISION = click.option(
    "--precision", default="fp32", metavar="fp32|bf16|fp16", show_default=True, help="Of the forward pass."
)
