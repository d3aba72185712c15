"""Where both protocols give the network one input, they give one label map: no other choice of `matched` changes labels."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from benchbed.plan import Plan, PlanItem, Request, make_plan
from benchbed.subject import Subject, make_subject

SCENES = 2


@cache
def plan(protocol: str) -> Plan:
    return make_plan(Request(protocol=protocol, weights="random", limit=SCENES))


def subject(item: PlanItem) -> Subject:
    return make_subject(item, torch.device("cpu"), random_weights=True)


@pytest.mark.parametrize(
    "index", range(len(plan("paper").items)), ids=lambda i: plan("paper").items[i].chosen.label
)
def test_labels_are_those_of_the_published_pipeline(index: int) -> None:
    published, matched = plan("paper").items[index], plan("matched").items[index]
    assert published.chosen.label == matched.chosen.label
    paper, fast = subject(published), subject(matched)
    assert paper.digest == fast.digest
    assert not fast.inference.text_per_image
    for scene in range(SCENES):
        image = np.ascontiguousarray(published.dataset.sample(scene).image[:100, :120])
        size = image.shape[:2]
        own, shared = paper.segmenter.input_spec, fast.segmenter.input_spec
        assert own.resized(*size) == shared.resized(*size) or own.short_side != shared.short_side
        fast.segmenter.input_spec = own  # where it is not the shared one, all else must still agree
        assert torch.equal(paper.inference.labels(image), fast.inference.labels(image))
