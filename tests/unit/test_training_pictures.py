"""Pictures of one thing each as a training draws them: turned, moved, and the same after a resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import benchbed.training.pictures as pictures_module
from benchbed.datasets.shapes import DATASET
from benchbed.datasets.shapes.dataset import open_train
from benchbed.datasets.shapes.pictures import open_pictures
from benchbed.errors import UsageError
from benchbed.progress import Reporter
from benchbed.training.batches import batches
from benchbed.training.pictures import MOST_SHIFT, PictureDraws, picture_draws
from benchbed.training.processes import Processes
from methods.parts.backbone_recipe import PICTURES


def test_a_draw_is_its_picture_turned_and_moved() -> None:
    draws, found = PictureDraws(open_pictures(3)), set()
    for seed in range(60):
        torch.manual_seed(seed)
        image, label = draws[seed % 3]
        torch.manual_seed(seed)
        assert torch.equal(draws[seed % 3][0], image)
        assert label == draws.pictures.labels[seed % 3]
        found.add((seed % 3, *how(image.permute(1, 2, 0).numpy(), draws.pictures.images[seed % 3])))
    assert len(found) > 50
    assert {turn for _, turn, _, _ in found} == set(range(8))


def how(image: np.ndarray[Any, Any], of: np.ndarray[Any, Any]) -> tuple[int, int, int]:
    """The turn and shift that make one picture of the other, by trying all."""
    for turn in range(8):
        turned = np.rot90(of, turn % 4)
        turned = turned[:, ::-1] if turn >= 4 else turned
        padded = np.pad(turned, ((MOST_SHIFT, MOST_SHIFT), (MOST_SHIFT, MOST_SHIFT), (0, 0)), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded[..., 0], image.shape[:2])
        for y, x in np.argwhere((windows == image[..., 0]).all((2, 3))):
            if np.array_equal(padded[y : y + len(image), x : x + len(image)], image):
                return turn, int(y), int(x)
    raise AssertionError("no turn and shift make it")


def test_batches_of_pictures_go_on_where_they_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pictures_module, "resolve", lambda _: lambda: open_pictures(20))
    stage = replace(PICTURES, batch=4)
    both = [
        iter(batches(stage, open_train(), 7, done, Processes(), 0, tmp_path, Reporter())) for done in (0, 2)
    ]
    early = [next(both[0]) for _ in range(3)]
    late = next(both[1])
    assert late["inputs"].shape == (4, 3, 64, 64)
    assert torch.equal(late["inputs"], early[2]["inputs"])
    assert torch.equal(late["labels"], early[2]["labels"])
    assert not torch.equal(early[0]["inputs"], early[1]["inputs"])


def test_a_dataset_without_pictures_says_so() -> None:
    bare: Any = SimpleNamespace(card=replace(DATASET, open_pictures=""))
    with pytest.raises(UsageError, match=r"shapes has no pictures of single things.*--init backbone=FILE"):
        picture_draws(bare)
