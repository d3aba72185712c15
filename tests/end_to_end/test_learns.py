"""A short training from random weights names objects of classes it was never taught; random weights do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Answer, here

SCENES = 25
FLOOR = 8.0  # % unseen mIoU: random weights of several seeds stay below 4, this training reaches 15 to 25


def unseen(answer: Answer) -> float:
    assert answer.code == 0, answer.err
    (record,) = json.loads(answer.out)["records"]
    value: float = record["accuracy"]["unseen_miou"]["value"]
    return value


def test_a_few_hundred_steps_pass_a_floor_that_random_weights_never_reach(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three stages of 90 steps: pictures, scenes, masks. CLIP names unseen objects, from masks learned of seen ones."""
    trained = tmp_path / "trained"
    steps = ("--iterations", 90, "--seed", 0, "--out", trained)
    answer = here(capsys, "train", "--method", "zegformer/tiny", "--dataset", "shapes", *steps)
    assert answer.code == 0, answer.err
    measured = ("run", "--methods", "zegformer/tiny", "--limit", SCENES, "--json")
    with_weights = ("--weights", trained / "final.safetensors", "--out", tmp_path / "a")
    learned = unseen(here(capsys, *measured, *with_weights))
    guessed = unseen(here(capsys, *measured, "--weights", "random", "--out", tmp_path / "b"))
    assert guessed < FLOOR / 2 < FLOOR < learned
