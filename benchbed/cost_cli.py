"""`benchbed cost` on the command line. Light: what it needs is imported when it runs."""

from __future__ import annotations

from typing import Any

import click

from benchbed.cli_options import DEVICE, EPILOG, JSON, OUT


@click.command(epilog=EPILOG)
@click.option(
    "--methods", required=True, metavar="A,B/VARIANT", help="Methods; a bare name means its full size."
)
@click.option(
    "--size",
    default="640x853",
    metavar="HxW",
    show_default=True,
    help="Of the photo and the network's input, pixels.",
)
@click.option("--classes", type=int, default=171, metavar="K", show_default=True, help="Of the vocabulary.")
@click.option("--proposals", type=int, metavar="N", help="Masks proposed an image.  [default: as published]")
@click.option("--batch", type=int, default=1, metavar="B", show_default=True, help="Images a call.")
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="AXIS=VALUES",
    help="proposals=1:100, classes=10,171,847, size=256:1024 (short sides) or batch=1:8; may be given again.",
)
@click.option(
    "--protocol", default="matched", metavar="matched|paper", show_default=True, help="See: list protocols."
)
@click.option(
    "--weights", default="random", metavar="W", show_default=True, help="As of run; random ones need nothing."
)
@DEVICE
@click.option(
    "--precision",
    default="fp32",
    metavar="P[,P]",
    show_default=True,
    help="fp32, bf16, fp16: each beside fp32.",
)
@click.option("--compile", "compiled", is_flag=True, help="Measure torch.compile beside the plain pass.")
@click.option("--channels-last", is_flag=True, help="Measure the NHWC layout beside the plain pass.")
@click.option(
    "--throughput", is_flag=True, help="Find the largest batch that fits, and images a second there."
)
@click.option(
    "--memory-budget",
    metavar="8GiB",
    help="What weights and activations may take there.  [default: half of the free memory, or the card's]",
)
@click.option(
    "--seconds",
    type=float,
    default=180.0,
    metavar="S",
    show_default=True,
    help="At most about so long for the rounds.",
)
@click.option(
    "--until",
    type=float,
    default=3.0,
    metavar="PERCENT",
    show_default=True,
    help="Stop when every interval is within so much of its median; 0 for never.",
)
@OUT
@JSON
def cost(**flags: Any) -> int:
    """Measure parameters, FLOPs, latency, memory and energy without data or weights, methods side by side.

    The record goes to DIR/costs.

    \b
    benchbed cost --methods san,deop,zegformer --size 640x853 --classes 171 --proposals 100 --batch 1
    benchbed cost --methods deop,zegformer --sweep proposals=1:100 --seconds 600
    benchbed cost --methods san/tiny --size 128x171 --classes 20 --throughput --memory-budget 1GiB
    """
    from benchbed.cost_command import CostFlags, cost_command

    flags["methods"] = tuple(part.strip() for part in flags["methods"].split(",") if part.strip())
    return cost_command(CostFlags(**flags))
