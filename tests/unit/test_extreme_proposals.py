"""Methods that propose masks, where every mask is empty and where every mask covers the whole image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchbed import load_method
from benchbed.images import prepare
from benchbed.scores import MaskScores, full_scores, label_maps
from benchbed.segmenter import Segmenter
from benchbed.vocabulary import Vocabulary

# Where each method's masks come from, and what its proposals call them; SAN's biases steer attention as its masks do.
PROPOSERS = {
    "san/tiny": ("decoder", ("masks", "bias")),
    "deop/tiny": ("sem_seg_head", ("mask_logits",)),
    "simseg/tiny": ("sem_seg_head", ("mask_logits",)),
    "zegformer/tiny": ("sem_seg_head", ("mask_logits",)),
}
NAMES = Vocabulary(("cat", "grass", "sky", "tree", "other"), (True, True, True, False, False))
SIZES = ((90, 140), (131, 64))


@pytest.fixture(params=list(PROPOSERS), scope="module")
def segmenter(request: pytest.FixtureRequest) -> Segmenter:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: Segmenter = load_method(request.param)
    made.proposer, made.fields = PROPOSERS[request.param]
    return made


@pytest.fixture(params=[-50.0, 50.0], ids=["empty", "whole"])
def level(request: pytest.FixtureRequest, segmenter: Segmenter) -> Iterator[float]:
    """The logit of every pixel of every mask."""

    def overwrite(module: nn.Module, arguments: Any, proposals: Any) -> Any:
        flat = {name: torch.full_like(getattr(proposals, name), request.param) for name in segmenter.fields}
        return replace(proposals, **flat)

    handle = segmenter.get_submodule(segmenter.proposer).register_forward_hook(overwrite)
    yield request.param
    handle.remove()


def test_the_whole_image_gets_the_class_that_all_proposals_name_together(
    segmenter: Segmenter, level: float
) -> None:
    photos = [
        np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        for seed, size in enumerate(SIZES)
    ]
    with torch.inference_mode():
        scores = segmenter.segment(prepare(photos, segmenter.input_spec), segmenter.text_for(NAMES))
    assert isinstance(scores, MaskScores)
    assert (scores.mask_logits == level).all()
    for index, labels in enumerate(label_maps(scores)):
        assert labels.shape == SIZES[index]
        assert (labels == labels[0, 0]).all()
        assert full_scores(scores, index).isfinite().all()
        together = scores.class_scores[index].double().sum(0) * torch.tensor(level).double().sigmoid()
        if scores.class_offset is not None:
            together += scores.class_offset
        chosen = together[int(labels[0, 0])]
        assert chosen >= together.max() - 1e-4 * together.abs().max()
        assert scores.class_scores[index].any(), "no proposal names anything"
