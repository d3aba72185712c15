"""Claims made up for tests, and records that decide them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from example_record import example_record

from benchbed.claims.claim import Claim, Conditions, Pair, Paper, Sweep
from benchbed.claims.evidence import Evidence
from benchbed.claims.outcome import Verdict
from benchbed.claims.trials import Trial
from benchbed.claims.verdict import decide
from benchbed.metrics import Counts
from benchbed.records import Record

ONE = (400.0, 0.0)  # a single-pass method: ms whatever the number of proposals
TWO = (400.0, 20.0)  # a crop-based one: 6 times as slow at 100 proposals, 4 times at 60, 7 times at 120
PAPER = Paper("one", "A Paper", "CVPR", 2023, "")


def speed(low: float = 4.0, high: float = 7.0, **changes: object) -> Claim:
    """A claim about latency: one/a is so many times faster than two/a."""
    claim = Claim(
        name="speed",
        paper=PAPER,
        sentence="4 to 7 times faster",
        source="abstract",
        metric="latency",
        low=low,
        high=high,
        pairs=(Pair("one/a", "two/a"),),
        conditions=Conditions(protocol="matched", size=(640, 853), classes=171, proposals=100, batch=1),
        sweep=Sweep("proposals", (1, 10, 40, 100)),
    )
    return replace(claim, **changes)


def judged(claim: Claim, *costs: object, records: tuple[Record, ...] = ()) -> Verdict:
    """The one verdict of a claim by these cost records and records."""
    (verdict,) = decide(claim, Evidence(records=records, costs=tuple(costs)))
    return verdict


def better(base: Counts, share: float) -> Counts:
    """The same truth, and so much more of it right."""
    right = base.intersection + ((base.labelled - base.intersection) * share).astype(np.int64)
    predicted = right.copy()
    predicted[:, 0] += base.labelled.sum(1) - right.sum(1)
    return Counts(base.image_ids, right, predicted, base.labelled)


def trained(label: str, share: float, name: str = "coco-stuff", images: int = 12) -> Record:
    """A record with trained weights on a made-up part of a data set of twenty classes."""
    draw = np.random.default_rng(3)
    labelled = draw.integers(50, 100, (images, 20))
    counts = Counts(tuple(f"i{n}" for n in range(images)), labelled // 4, labelled, labelled)
    blank = example_record(label)
    weights = {"kind": "file", "file": "w.pth", "note": "", "seed": None, "sha256": "1" * 64}
    return example_record(
        label,
        counts=better(counts, share),
        method={**blank.method, "weights": weights},
        dataset={**blank.dataset, "name": name, "images": images, "used_identity": f"{name}:{images}"},
    )


def hiou(**changes: object) -> Claim:
    """A claim about hIoU: one/a is better than two/a."""
    claim = speed(0.0, math.inf, metric="hiou", sweep=None, name="hiou")
    return replace(claim, conditions=Conditions(dataset="coco-stuff", weights="trained"), **changes)


def trial(*kept: float, failed: tuple[str, ...] = ()) -> Trial:
    """A trial of label sets with these shares of pixels kept."""
    return Trial(
        "lseg/tiny", {"kind": "random", "note": ""}, (1, 3), 2, 1, (1, 2), kept, failed, {}, {}, "2026"
    )
