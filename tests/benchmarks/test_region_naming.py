"""The scripts that say what holds SAN and DeOP down: their measures on made-up regions, and the whole of each on two scenes."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import deop_naming
import mask_oracles
import numpy as np
import pytest
import region_naming
import san_naming
import torch

from benchbed.images import prepare
from benchbed.input_spec import InputSpec
from benchbed.scores import Geometry, MaskScores, label_maps


def test_overlap_is_intersection_over_union() -> None:
    truth = torch.zeros(2, 4, 4, dtype=torch.bool)
    truth[0, :2], truth[1, :, :2] = True, True
    masks = torch.stack([truth[0], ~truth[0], torch.zeros(4, 4, dtype=torch.bool)])
    expected = torch.tensor([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 0.0]])
    torch.testing.assert_close(region_naming.overlap(masks, truth), expected)


def test_a_cell_is_inside_if_any_of_its_pixels_is() -> None:
    batch = prepare([np.zeros((32, 48, 3), np.uint8)], InputSpec(32, 64, pad_multiple=32))
    truth = torch.zeros(1, 32, 48, dtype=torch.bool)
    truth[0, 9, 20] = True
    cells = region_naming.at_grid(truth, batch, (4, 8))
    assert cells.nonzero().tolist() == [[0, 1, 2]]


def test_the_interval_holds_the_mean_and_is_drawn_over_scenes() -> None:
    values, scenes = np.repeat([0.0, 1.0], 50), np.repeat(np.arange(10), 10)
    mean, low, high = map(float, re.findall(r"[\d.]+", region_naming.interval(values, scenes)))
    assert low < mean == 50.0 < high
    assert high - low > 40, "ten scenes, not a hundred regions"


def test_scenes_without_a_region_are_not_drawn() -> None:
    assert region_naming.interval(np.array([1.0, 0.0]), np.array([5, 5])) == "50.0 [50.0, 50.0]"


def test_each_region_gets_a_query_of_its_own() -> None:
    fit = torch.tensor([[0.5, 0.4, 0.1], [0.9, 0.8, 0.0], [0.2, 0.3, 0.0]])
    assert deop_naming.apart(fit).tolist() == [1, 0, 2]


def test_true_logits_are_sure_inside_and_outside() -> None:
    batch = prepare([np.zeros((32, 48, 3), np.uint8)], InputSpec(32, 64, pad_multiple=32))
    truth = torch.zeros(1, 32, 48, dtype=torch.bool)
    truth[0, :16, :24] = True
    logits = deop_naming.true_logits(region_naming.Scene(batch, (3,), truth), (8, 16))
    assert (logits[0, :4, :6] == deop_naming.SURE).all()
    assert (logits[0, 4:] == -deop_naming.SURE).all()
    assert (logits[0, :, 6:] == -deop_naming.SURE).all()


@pytest.mark.parametrize(
    ("script", "conditions"),
    [
        (san_naming, ["as it runs", "own mask", "own mask, a patch wider", "true mask"]),
        (
            deop_naming,
            [
                "as it runs",
                "true mask",
                "true mask and cover",
                "mean patch, own cover",
                "mean patch, true cover",
            ],
        ),
    ],
)
def test_two_scenes(
    script: ModuleType,
    conditions: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["script", "--limit", "2"])
    method = script.__name__.partition("_")[0]
    region_naming.report(script.__doc__ or "", f"{method}/tiny", script.names_of)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("seen: ")
    assert [each.rpartition(", %")[0].strip() for each in lines[1 : 2 + len(conditions)]] == [
        "IoU of the own mask",
        *[f"named right, {words}" for words in conditions],
    ]


def test_oracles_take_queries_out_and_name_the_rest() -> None:
    """Query 2 has the left half and a wrong name, query 0 the right half and a right one, query 1 both and another."""
    left = torch.full((4, 4), -9.0)
    left[:, :2] = 9
    masks = torch.stack([-left, torch.full((4, 4), 12.0), left])[None]
    classes = torch.tensor([[[0.0, 0.9, 0.0, 0.0], [0.0, 0.0, 0.95, 0.0], [0.0, 0.0, 0.0, 0.8]]])
    scores = MaskScores(masks, classes, (Geometry((4, 4), (4, 4), (4, 4)),), order="resize-logits")
    found = mask_oracles.told(scores, torch.tensor([2, 0]), (0, 1))
    shown = {words: label_maps(each)[0][0].tolist() for words, each in found.items()}
    assert shown == {
        "as it runs": [2, 2, 2, 2],
        "own masks": [3, 3, 1, 1],
        "own masks named right": [0, 0, 1, 1],
        "all, own masks named right": [0, 0, 1, 1],
    }


def test_a_mask_that_two_objects_share_votes_once() -> None:
    """Query 1 has both halves and says 2 at 0.6, query 0 the left one and 1 at 0.7: outvoted only if the other votes twice."""
    left = torch.full((4, 4), -9.0)
    left[:, :2] = 9
    masks = torch.stack([left, torch.full((4, 4), 9.0)])[None]
    classes = torch.tensor([[[0.0, 0.7, 0.0], [0.0, 0.0, 0.6]]])
    scores = MaskScores(masks, classes, (Geometry((4, 4), (4, 4), (4, 4)),), order="resize-logits")
    found = mask_oracles.told(scores, torch.tensor([1, 0, 1]), (2, 1, 0))["own masks"]
    assert label_maps(found)[0][0].tolist() == [1, 1, 2, 2]


def test_oracles_on_two_scenes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["script", "--method", "san/tiny", "--limit", "2"])
    mask_oracles.main()
    lines = capsys.readouterr().out.splitlines()
    assert [each.partition(":")[0] for each in lines] == [
        "as it runs",
        "own masks",
        "own masks named right",
        "all, own masks named right",
    ]
    assert all(re.search(r"seen [\d.]+ % \[[\d.]+, [\d.]+\], unseen", each) for each in lines)
