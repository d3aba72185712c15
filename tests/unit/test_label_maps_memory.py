"""Peak memory of `label_maps`: at 847 classes and 1,024 x 2,048 pixels at most 300 MB above the inputs, as for 20 classes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import ctypes, json, sys, torch
from benchbed.scores import DenseScores, Geometry, MaskScores, full_scores, label_maps

SIZE, NETWORK = (1024, 2048), (640, 1280)

def megabytes(field):
    line = next(line for line in open("/proc/self/status") if line.startswith(field))
    return int(line.split()[1]) / 1024

def peak_above(work):
    try:
        ctypes.CDLL(None).malloc_trim(0)  # give back what earlier work freed, or it would hide what this needs
    except (AttributeError, OSError):
        sys.stderr.write("no malloc_trim here")
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")  # VmHWM starts anew from VmRSS
    before = megabytes("VmRSS")
    work()
    return megabytes("VmHWM") - before

def scores(kind, classes):
    if kind == "dense":
        logits = torch.randn(1, classes, SIZE[0] // 8, SIZE[1] // 8)
        return DenseScores(logits, (Geometry(SIZE, SIZE, SIZE),), class_offset=torch.zeros(classes))
    masks = torch.randn(1, 25, NETWORK[0] // 4, NETWORK[1] // 4)  # 100 take three times as long and no more memory
    return MaskScores(masks, torch.rand(1, 25, classes), (Geometry(NETWORK, NETWORK, SIZE),), kind)

torch.manual_seed(0)
warm = torch.zeros(1, 2, 4, 4)
label_maps(DenseScores(warm, (Geometry((8, 8), (8, 8), (16, 16)),)))  # the first product loads libraries
peaks = {}
for kind in ("dense", "resize-logits", "resize-scores"):
    for classes in (20, 847):
        made = scores(kind, classes)
        peaks[f"{kind} {classes}"] = peak_above(lambda: label_maps(made))
made = scores("dense", 20)
peaks["plain dense 20"] = peak_above(lambda: full_scores(made, 0).argmax(0))
print(json.dumps(peaks))
"""


@pytest.fixture(scope="module")
def peaks() -> dict[str, float]:
    """MB above the inputs by kind of scores and number of classes, from a process of their own."""
    refs = Path("/proc/self/clear_refs")
    if not os.access(refs, os.W_OK):
        pytest.skip(f"{refs} is not there or not writable: peak memory cannot be reset and read")
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["dense", "resize-logits", "resize-scores"])
def test_memory_does_not_grow_with_the_classes(peaks: dict[str, float], kind: str) -> None:
    few, many = peaks[f"{kind} 20"], peaks[f"{kind} 847"]
    assert many <= 300
    assert many <= few + 32, f"{few:.0f} MB at 20 classes, {many:.0f} MB at 847"


def test_the_measure_sees_what_the_plain_computation_takes(peaks: dict[str, float]) -> None:
    """20 x 1,024 x 2,048 float32 are 160 MB, and adding the offset makes them anew; ours needs a fraction of that."""
    assert peaks["plain dense 20"] >= 160
    assert peaks["dense 20"] < peaks["plain dense 20"] / 2
