"""What a record says of weights that `benchbed train` made, and of those that it did not."""

from __future__ import annotations

from typing import Any

import pytest

from benchbed.datasets.pascal_context_59 import DATASET as CONTEXT
from benchbed.datasets.voc import DATASET as VOC
from benchbed.weights_facts import taught_unseen, training_facts

STAGE = {"name": "pixels", "samples": "scenes", "iterations": 3, "object_area": 0.08, "choices": {}}
TOLD: dict[str, Any] = {
    "method": "spnet/tiny",
    "dataset": {"name": "shapes", "split": "train", "identity": "i", "images": 9, "seen": ["disc", "star"]},
    "recipe": {"stages": [STAGE], "clip": "shapes", "backbone": "", "config": {}},
    "seed": 3,
    "amp": False,
    "init": {"clip": "c"},
    "bench": {"version": "0.1.0", "commit": "c", "dirty": False, "source": "s"},
}


def recipe(**changes: Any) -> str:
    found = training_facts({**TOLD, **changes})
    assert found is not None
    return str(found["recipe"])


def with_stage(**changes: Any) -> dict[str, Any]:
    return {**TOLD["recipe"], "stages": [{**STAGE, **changes}]}


def test_seed_data_and_code_are_told() -> None:
    found = training_facts(TOLD)
    assert found is not None
    assert (found["dataset"], found["split"], found["images"], found["seed"]) == ("shapes", "train", 9, 3)
    assert found["seen"] == ["disc", "star"]
    assert found["bench"] == TOLD["bench"]


def test_the_recipe_is_all_that_decides_but_seed_code_and_start() -> None:
    assert recipe(seed=4, bench={}, init={"clip": "d"}) == recipe()
    others = [
        recipe(method="lseg/tiny"),
        recipe(amp=True),
        recipe(dataset={**TOLD["dataset"], "identity": "j"}),
        recipe(dataset={**TOLD["dataset"], "seen": ["disc"]}),
        recipe(recipe={**TOLD["recipe"], "config": {"n": 1}}),
        recipe(recipe=with_stage(iterations=4)),
    ]
    assert len({recipe(), *others}) == 7


def test_what_a_stage_does_not_use_is_no_part_of_it() -> None:
    assert recipe(recipe=with_stage(object_area=0.5)) == recipe()
    without = {name: value for name, value in STAGE.items() if name != "object_area"}
    assert recipe(recipe={**TOLD["recipe"], "stages": [without]}) == recipe()
    objects = with_stage(samples="objects")
    assert recipe(recipe=objects) != recipe(recipe=with_stage(samples="objects", object_area=0.5))


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"kind": "clip", "clip": {}, "recipe": {}, "seed": 0, "dataset": {"name": "shapes"}, "bench": {}},
        {**TOLD, "dataset": "shapes"},
        {**TOLD, "dataset": {**TOLD["dataset"], "seen": None}},
        {**TOLD, "bench": None},
        {**TOLD, "seed": "three"},
        {**TOLD, "recipe": {**TOLD["recipe"], "stages": [{"name": "pixels"}]}},
        {**TOLD, "recipe": with_stage(iterations=float("nan"))},
        {**TOLD, "init": 5},
        ["a", "list"],
    ],
)
def test_what_is_no_training_of_a_segmenter_has_no_facts(told: Any) -> None:
    assert training_facts(told) is None


def test_classes_that_were_trained_are_found_under_their_other_names() -> None:
    unseen = [name for name, seen in zip(VOC.names, VOC.seen, strict=True) if not seen]
    assert taught_unseen(["person", "cat"], VOC) == ""
    assert f"at least {unseen[0]}, which" in taught_unseen([unseen[0].upper(), "cat"], VOC)
    every = taught_unseen(["Potted Plant", "tv-monitor", "sheep", "sofa", "train"], VOC)
    assert all(name in every for name in unseen)


def test_a_dataset_without_a_split_has_no_unseen_classes() -> None:
    assert not any(CONTEXT.seen) or all(CONTEXT.seen)
    assert taught_unseen(CONTEXT.names, CONTEXT) == ""
