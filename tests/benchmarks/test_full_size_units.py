"""Every full-size method against the official code's time, in units of one CLIP ViT-B/16 crop (issue 3).

`pytest tests/benchmarks -m full_size --units-table reports/units.md`: 15 minutes on two quiet cores, 5 GB of memory.
Without the marker only the yardstick and the page are tested.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from full_size_units import (
    CANDIDATES,
    CROP_SIDE,
    CROPS,
    MIB,
    OFFICIAL_CROP_S,
    THREADS,
    Candidate,
    LargestTensor,
    Measured,
    Turn,
    measure,
    picture,
)
from plain_clip import PlainTower
from torch import Tensor
from units_page import UnitsBook, page

from benchbed.clip import ImageTower
from benchbed.clip_sizes import ClipSize
from benchbed.cost.environment import capture
from benchbed.cost.memory import PeakMemory


@pytest.fixture(scope="module")
def yardstick() -> Iterator[tuple[PlainTower, Tensor]]:
    """CLIP ViT-B/16 and its batch of crops, warm, on two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    tower = PlainTower().eval()
    crops = torch.randn(CROPS, 3, CROP_SIDE, CROP_SIDE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        tower(crops)
    yield tower, crops
    torch.set_num_threads(before)


@pytest.mark.full_size
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_no_slower_than_allowed(
    candidate: Candidate, yardstick: tuple[PlainTower, Tensor], units_book: UnitsBook
) -> None:
    found = measure(candidate, *yardstick)
    units_book.add(found)
    assert found.units <= candidate.target, f"{candidate.name}: {found.rounds} units by round"
    assert found.largest < CROPS * candidate.side**2, "a tensor as large as one full-size plane a crop"


def test_the_yardstick_is_clip() -> None:
    """The same numbers as open_clip's tower from the same weights."""
    torch.manual_seed(0)
    size = ClipSize(32, 48, 16, 128, 3, 64, 1)
    ours = ImageTower(size).eval()
    plain = PlainTower(48, 16, 128, 3, 32).eval()
    plain.load_state_dict(ours.state_dict(), strict=True)
    crops = torch.randn(4, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(plain(crops), ours(crops), rtol=1e-4, atol=1e-5)


def test_the_yardstick_has_the_size_of_vit_b16() -> None:
    with torch.device("meta"):
        tower = PlainTower()
    assert (
        sum(parameter.numel() for parameter in tower.parameters()) == 86_192_640
    )  # OpenAI's ViT-B/16, visual part


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_official_units_are_official_seconds_over_a_crops(candidate: Candidate) -> None:
    assert candidate.official_s / OFFICIAL_CROP_S == pytest.approx(candidate.official, rel=0.01)
    assert candidate.target < candidate.official


def test_the_picture_is_structured_and_the_same_at_every_size() -> None:
    large, small = picture(640), picture(320)
    assert (large[::2, ::2] == small).mean() > 0.95
    assert len({tuple(colour) for colour in large.reshape(-1, 3)[::97].tolist()}) > 500


def test_the_largest_tensor_is_seen() -> None:
    with torch.inference_mode(), LargestTensor() as largest:
        (torch.ones(3, 4, 5)[:, :, :1] * 2).split(1)
        torch.ones(2, 7)
    assert largest.numbers == 3 * 4 * 5


def test_a_batch_of_crops_is_set_against_the_turns_around_it() -> None:
    drifting = [Turn(seconds, 2 * seconds, {}) for seconds in (1.0, 3.0, 5.0, 9.0)]
    found = Measured(CANDIDATES[0], drifting, [Turn(seconds, 4.0, {}) for seconds in (1.0, 2.0, 7.0)])
    assert found.rounds == [2.0, 2.0, 1.0]
    assert (found.units, found.cpu_units, found.seconds) == (2.0, 2.0, 4.0)


def test_the_page_says_what_was_reached() -> None:
    fast, slow = CANDIDATES[0], CANDIDATES[3]
    crop = [Turn(0.25, 0.5, {}), Turn(0.5, 0.5, {}), Turn(0.25, 0.5, {})]
    peak = PeakMemory(100 * MIB, {"backbone": 90 * MIB, "unaccounted": 0}, 600 * MIB, "told")
    quick = Measured(fast, [Turn(1.0, 2.0, {"backbone": 0.75, "unaccounted": 0.25})] * 4, crop, peak)
    late = Measured(slow, [Turn(27.0, 54.0, {"crops": 27.0})] * 4, crop, peak)
    text = page([quick, late], "pytest x", capture(), 1.5)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert (
        "| san/vit-b16 | 640 x 640 | 1.00 | 4.00 (2.00 to 4.00) | 5.6 | 0.71 | 4.48 | yes | 4.00 | 100 | 600 |"
        in rows
    )
    assert (
        "| zegformer/r101 | 640 x 640 | 27.00 | 108.00 (54.00 to 108.00) | 109 | 0.99 | 103 | **no** | 108.00 | 100 | 600 |"
        in rows
    )
    assert "| san/vit-b16 | 0.750 (90) | - | 0.250 (0) |" in rows
    assert "- command: `pytest x`" in text
