"""The page on full-size methods in units of one CLIP crop."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from full_size_units import CROPS, MIB, ROUNDS, THREADS, Measured

from benchbed.cost.environment import Environment, capture
from benchbed.stages import STAGES, UNACCOUNTED

HEAD: Final = (
    "method",
    "input (pixels)",
    "seconds",
    "units (lowest to highest round)",
    "official units",
    "of official",
    "allowed units",
    "reached",
    "units by processor time",
    "peak memory above weights (MiB)",
    "weights (MiB)",
)
RIGHT: Final = (2, 3, 4, 5, 6, 8, 9, 10)


def unit_row(found: Measured) -> tuple[str, ...]:
    """One method's line."""
    candidate, units = found.candidate, found.units
    peak = (
        (f"{found.peak.total_bytes / MIB:,.0f}", f"{found.peak.weights_bytes / MIB:,.0f}")
        if found.peak
        else ("-", "-")
    )
    return (
        candidate.name,
        f"{candidate.side} x {candidate.side}",
        f"{found.seconds:.2f}",
        f"{units:.2f} ({min(found.rounds):.2f} to {max(found.rounds):.2f})",
        f"{candidate.official:g}",
        f"{units / candidate.official:.2f}",
        f"{candidate.target:.4g}",
        "yes" if units <= candidate.target else "**no**",
        f"{found.cpu_units:.2f}",
        *peak,
    )


def stage_table(measured: Sequence[Measured]) -> str:
    """Seconds by stage, and in brackets the highest memory (MiB) during it."""
    stages = [name for name in (*STAGES, UNACCOUNTED) if any(found.stage_s(name) > 0 for found in measured)]
    rows = [(found.candidate.name, *(stage_cell(found, name) for name in stages)) for found in measured]
    return table(("method", *stages), rows, range(1, len(stages) + 1))


def stage_cell(found: Measured, stage: str) -> str:
    """Seconds, and the memory's peak in brackets; "-" for a stage that a method has not."""
    seconds = found.stage_s(stage)
    if seconds == 0:
        return "-"
    peak = found.peak.per_stage.get(stage, 0) / MIB if found.peak else 0.0
    return f"{seconds:.3f} ({peak:,.0f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int]) -> str:
    """A Markdown table; columns in `right` are right-aligned."""
    aligned = set(right)
    rule = ["---:" if column in aligned else "---" for column in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def page(measured: Sequence[Measured], command: str, before: Environment, load_after: float) -> str:
    """The whole page.

    Args:
        measured: methods in order.
        command: that measured them.
        before: the machine, looked at before the first.
        load_after: its load average over the last minute, after the last.
    """
    crop = median(turn.wall_s for found in measured for turn in found.crop)
    crop_cpu = median(turn.cpu_s for found in measured for turn in found.crop)
    got = median(found.threads_got for found in measured)
    changed = ", with changes that are not committed" if before.dirty else ""
    return _PAGE.format(
        crops=CROPS,
        rounds=ROUNDS,
        threads=THREADS,
        command=command,
        commit=f"{before.commit[:12] or 'unknown'}{changed}",
        machine=f"{before.cpu}, {before.cores} cores, {before.memory_bytes / 2**30:.0f} GiB, {before.system}",
        software=f"Python {before.python}, torch {before.versions['torch']}",
        policy=before.omp_wait_policy or "not set",
        load=f"{before.load[0]:.1f}",
        load_after=f"{load_after:.1f}",
        others=f"{before.others_busy_cores:.1f}",
        got=f"{got:.2f}",
        crop=f"{crop:.3f}",
        crop_cpu=f"{crop_cpu:.3f}",
        units=table(HEAD, [unit_row(found) for found in measured], RIGHT),
        stages=stage_table(measured),
    )


class UnitsBook:
    """What was measured so far; the page is written anew after each method, so that an interrupted run leaves one."""

    def __init__(self, command: str, path: Path | None) -> None:
        self.command = command
        self.path = path
        self.measured: list[Measured] = []
        self.before: Environment | None = None

    def open(self) -> None:
        """Look at the machine, before the first measurement."""
        self.before = self.before or capture()

    def add(self, found: Measured) -> None:
        """Note one method."""
        self.measured.append(found)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(self.page())

    def page(self) -> str:
        """The page on what was measured so far."""
        if self.before is None:
            raise ValueError("a book that was not opened has no machine to speak of")
        return page(self.measured, self.command, self.before, os.getloadavg()[0])


_PAGE: Final = """\
# Full-size methods in units of one CLIP crop

One unit is the time that CLIP ViT-B/16, as OpenAI's code computes it, takes for one crop of 224 x 224 pixels in one batch of
{crops}: {crop} s here ({crop_cpu} s of processor time). Units make times comparable with those of the official code, which was
measured on another day in the same units (SAN-B 5.6, and so on; text encoded beforehand in both).

- command: `{command}`
- benchbed at commit {commit}; {software}
- {machine}; float32 on the CPU, {threads} threads, OMP_WAIT_POLICY {policy}
- load average {load} before and {load_after} after; other processes kept {others} cores busy just before; the measured code got
  {got} of its {threads} threads' time (near {threads} on a quiet machine)

One synthetic structured image, random weights, 20 classes; a call goes from the decoded image to the label map. Each batch of
crops runs between two turns of the method and is set against their mean; units are the median of {rounds} such ratios.
Processor time is that of all threads together, which a busy neighbour moves less. Peak memory is the rise of the resident set in
one call, with what the C allocator keeps by habit, so that it differs from run to run.

{units}

## By stage

Seconds, and in brackets the highest memory during the stage, MiB above the level before the call (what earlier stages left is
in it).

{stages}
"""
