"""The script that says what holds SAN down: its measures on made-up regions, and the whole of it on two scenes."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
import san_naming
import torch

from benchbed.images import prepare
from benchbed.input_spec import InputSpec


def test_overlap_is_intersection_over_union() -> None:
    truth = torch.zeros(2, 4, 4, dtype=torch.bool)
    truth[0, :2], truth[1, :, :2] = True, True
    masks = torch.stack([truth[0], ~truth[0], torch.zeros(4, 4, dtype=torch.bool)])
    expected = torch.tensor([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 0.0]])
    torch.testing.assert_close(san_naming.overlap(masks, truth), expected)


def test_a_cell_is_inside_if_any_of_its_pixels_is() -> None:
    batch = prepare([np.zeros((32, 48, 3), np.uint8)], InputSpec(32, 64, pad_multiple=32))
    truth = torch.zeros(1, 32, 48, dtype=torch.bool)
    truth[0, 9, 20] = True
    cells = san_naming.at_grid(truth, batch, (4, 8))
    assert cells.nonzero().tolist() == [[0, 1, 2]]


def test_the_interval_holds_the_mean_and_is_drawn_over_scenes() -> None:
    values, scenes = np.repeat([0.0, 1.0], 50), np.repeat(np.arange(10), 10)
    mean, low, high = map(float, re.findall(r"[\d.]+", san_naming.interval(values, scenes)))
    assert low < mean == 50.0 < high
    assert high - low > 40, "ten scenes, not a hundred regions"


def test_two_scenes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["san_naming.py", "--limit", "2"])
    san_naming.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("seen: ")
    assert [each.partition(", %")[0].strip() for each in lines[1:5]] == [
        "IoU of the own mask",
        "named right, as it runs",
        "named right, own mask",
        "named right, true mask",
    ]
