"""LSeg's training loss: what it is, what it ignores, and that it teaches."""

from __future__ import annotations

import pytest
import torch
from lseg_small import photo, tiny, vocabulary, words
from torch import Tensor

from benchbed.images import ImageBatch, prepare
from benchbed.scores import full_scores
from methods.lseg.model import LSeg


@pytest.fixture(scope="module")
def lseg() -> LSeg:
    return tiny()


def labels_for(batch: ImageBatch) -> Tensor:
    labels = torch.zeros(len(batch), *batch.tensor.shape[2:], dtype=torch.int64)
    labels[:, :, labels.shape[2] // 2 :] = 1
    return labels


def test_loss_is_cross_entropy_at_full_size_without_ignored_pixels(lseg: LSeg) -> None:
    batch = prepare([photo(64, 96)], lseg.input_spec)
    labels = labels_for(batch)
    labels[:, :30] = 255
    (loss,) = lseg.loss(batch, labels, words(4)).values()
    scores = full_scores(lseg.segment(ImageBatch.around(batch.tensor, lseg.input_spec), words(4)), 0)
    picked = scores.log_softmax(0).gather(0, labels.clamp_max(3))[0]
    torch.testing.assert_close(loss, -picked[labels[0] != 255].mean(), rtol=1e-4, atol=1e-4)


def test_ignored_pixels_alone_cost_nothing(lseg: LSeg) -> None:
    batch = prepare([photo(64, 64)], lseg.input_spec)
    (loss,) = lseg.loss(batch, torch.full((1, *batch.tensor.shape[2:]), 255), words(4)).values()
    assert loss.item() == 0


def test_training_learns_and_leaves_the_text_tower_alone() -> None:
    segmenter = tiny().train()
    photos = [photo(64, 96), photo(64, 96, 1)]
    for each in photos:
        each[:, 48:] //= 4  # the right half is dark
    batch = prepare(photos, segmenter.input_spec)
    before = {name: value.clone() for name, value in segmenter.text.state_dict().items()}
    optimiser = torch.optim.Adam([p for p in segmenter.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(12):
        text = segmenter.text_for(vocabulary("left", "right"))
        (loss,) = segmenter.loss(batch, labels_for(batch), text).values()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0], losses
    assert all(p.grad is not None for p in segmenter.parameters() if p.requires_grad)
    assert all(torch.equal(before[name], value) for name, value in segmenter.text.state_dict().items())
