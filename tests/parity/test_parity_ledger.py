"""The parity ledger itself: what it lets pass, what it refuses, and what the page says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from parity_ledger import STAGES, Entry, ParityLedger, distance
from parity_page import golden_methods, page, sources

README = """\
Environment: Python 3.11, torch 2.15 on CPU,
two threads.
Cross-machine noise is to be expected.

| method | source commit | licence of the official repository |
|---|---|---|
| One | somebody/one 0123456789 | MIT |
| Two | somebody/two abcdef0123 | **no licence** (all rights reserved) |

## Deviations from the official code (environment only)
* Run in float32,
  on the CPU.

## Quirks
"""
LIMIT = 1e-4
GOLDEN = Path(__file__).parents[3] / "shared" / "golden"


def test_the_distance_is_the_largest_difference_over_the_largest_magnitude() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        official = random.normal(size=(3, 4)).astype(np.float32)
        ours = official + random.normal(size=(3, 4)).astype(np.float32) * 1e-3
        plain = max(abs(float(a) - float(b)) for a, b in zip(ours.flat, official.flat, strict=True))
        assert distance(ours, official) == pytest.approx(plain / max(abs(float(b)) for b in official.flat))
    assert distance(np.array([True, False]), np.array([True, False])) == 0
    assert distance(np.array([True, False]), np.array([True, True])) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_agrees(bad: float) -> None:
    good = np.ones(3, np.float32)
    spoilt = np.array([1, bad, 1], np.float32)
    for ours, official in ((spoilt, good), (good, spoilt), (spoilt, spoilt)):
        assert distance(ours, official) == float("inf")
    assert distance(good, np.zeros(3, np.float32)) == float("inf")
    assert distance(np.ones((1, 3)), np.ones(3)) == float("inf")


def test_a_comparison_below_the_limit_passes_and_is_noted() -> None:
    ledger = ParityLedger()
    ledger.compare(
        "One",
        "a",
        {"sem_seg0": torch.full((2,), 1.00005), "more": torch.ones(1)},
        {"sem_seg0": np.ones(2)},
        LIMIT,
    )
    (entry,) = ledger.entries
    assert (entry.stage, entry.values, entry.agrees) == ("class maps at image size", 2, True)
    assert entry.off == pytest.approx(5e-5, rel=1e-2)


def test_what_is_too_far_missing_or_misshapen_fails() -> None:
    ledger = ParityLedger()
    with pytest.raises(AssertionError, match=r"not below 0\.0001: \{'input0'"):
        ledger.compare("One", "a", {"input0": torch.full((2,), 1.0002)}, {"input0": np.ones(2)}, LIMIT)
    with pytest.raises(AssertionError, match=r"does not compute: \['input1'\]"):
        ledger.compare(
            "One", "a", {"input0": torch.ones(2)}, {"input0": np.ones(2), "input1": np.ones(2)}, LIMIT
        )
    with pytest.raises(AssertionError, match=r"\(\(1, 2\), \(2,\)\)"):
        ledger.compare("One", "a", {"input0": torch.ones(1, 2)}, {"input0": np.ones(2)}, LIMIT)
    with pytest.raises(AssertionError, match="One/a has no arrays"):
        ledger.compare("One", "a", {}, {}, LIMIT)
    assert not any(entry.agrees for entry in ledger.entries)
    assert "**no**" in page(ledger, README, [])


def test_labels_may_differ_only_where_official_scores_tie() -> None:
    ledger = ParityLedger()
    scores = np.zeros((2, 40, 50), np.float32)
    scores[0] = 1
    scores[1, 0, 0] = 1 + 5e-5
    labels = torch.zeros(40, 50, dtype=torch.uint8)
    ledger.compare_labels("One", "a", "sem_seg0", labels, scores, LIMIT)
    assert [(each.pixels, each.differing) for each in ledger.label_maps] == [(2000, 1)]
    assert ledger.label_maps[0].worst == pytest.approx(5e-5, rel=1e-2)
    scores[1, 0, 0] = 1.001
    with pytest.raises(AssertionError, match="loses"):
        ledger.compare_labels("One", "a", "sem_seg0", labels, scores, LIMIT)
    with pytest.raises(AssertionError, match="labels, "):
        ledger.compare_labels("One", "a", "sem_seg0", labels.T, scores, LIMIT)
    scores[1, :, :] = 1 + 5e-5
    with pytest.raises(AssertionError, match="of the labels"):
        ledger.compare_labels("One", "a", "sem_seg0", labels, scores, LIMIT)


def test_the_page_merges_images_and_shows_the_worst() -> None:
    ledger = ParityLedger()
    ledger.entries += [
        Entry("One", "a", "clip_logits0", 2e-6, LIMIT, 100),
        Entry("One", "a", "clip_logits1", 3e-6, LIMIT, 20),
        Entry("One", "a", "mask_logits_lowres0", 0.0, LIMIT, 7),
        Entry("Two", "a", "something_new0", 1e-7, LIMIT, 5),
    ]
    text = page(ledger, README, ["command: `pytest x`"], absent=["Three"])
    rows = [line for line in text.splitlines() if line.startswith(("| One |", "| Two |"))]
    assert rows == [
        "| One | somebody/one 0123456789 | MIT | 0 | 3 | 3.0e-06 (CLIP logits of crops) | yes | 0 of 0 | - |",
        "| Two | somebody/two abcdef0123 | no licence (all rights reserved) | 0 | 1 | 1.0e-07 (something_new0) | yes "
        "| 0 of 0 | - |",
        "| One | mask logits | 1 | 7 | 0.0e+00 | equal to the last bit | 1e-04 | yes |",
        "| One | CLIP logits of crops | 2 | 120 | 3.0e-06 | `clip_logits1` | 1e-04 | yes |",
        "| Two | something_new0 | 1 | 5 | 1.0e-07 | `something_new0` | 1e-04 | yes |",
    ]
    assert "- command: `pytest x`" in text
    assert "Python 3.11, torch 2.15 on CPU, two threads." in text
    assert "* Run in float32,\n  on the CPU.\n" in text
    assert "**Not compared in this run: Three.**" in text


def test_a_page_needs_no_more_of_the_readme_than_there_is() -> None:
    ledger = ParityLedger()
    ledger.compare("One", "a", {"input0": torch.ones(1)}, {"input0": np.ones(1)}, LIMIT)
    assert "| One | not stated | not stated |" in page(ledger, "", [])


@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"{GOLDEN} is not on this machine")
def test_every_golden_array_has_a_stage_in_words_and_every_method_a_source() -> None:
    stages = {stage for stage, _ in STAGES}
    for method in golden_methods(GOLDEN):
        for file in (GOLDEN / method).glob("*/expected.npz"):
            arrays = np.load(file).files
            assert {Entry(method, "a", array, 0, LIMIT, 1).stage for array in arrays} <= stages
        source = sources((GOLDEN / "README.md").read_text())[method]
        assert "/" in source.commit
        assert source.licence
