"""SAN's stage before names: masks and biases learn from regions, by hand and against plain computations."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from san_lessons import MASKS, losses_alone, random_text, tiny
from scene_lessons import SEEN, scenes

from benchbed.segmenter import TextFeatures
from methods.parts.matcher import Matching
from methods.parts.set_criterion import CriterionSettings, MaskOutput, SetCriterion
from methods.san.masks_stage import cells_touched, divergence_from_even, matched_biases
from methods.san.outputs import supervised_proposals


def test_before_names_masks_are_compared_with_regions_whatever_they_are_called() -> None:
    """Queries that all say nothing cost the same: matched by masks alone, in the criterion of the stage after."""
    san = tiny(choices=MASKS.choices, stage=MASKS.name)
    images, labels = scenes(san)
    with torch.no_grad():
        found = san.loss(images, labels, random_text(san))
        proposed, _ = supervised_proposals(san, images.tensor, 2)
        unnamed = torch.zeros(len(labels), san.size.queries, len(SEEN) + 1)
        both = [MaskOutput(each.masks, unnamed) for each in proposed]
        expected = SetCriterion(CriterionSettings(**losses_alone(MASKS.choices)))(both, labels)
        other = san.loss(images, labels, TextFeatures(-random_text(san).embeddings))
    assert set(found) == {f"loss_{name}{end}" for name in ("mask", "dice", "bias") for end in ("", "_aux0")}
    for name, value in found.items():
        assert torch.equal(value, other[name])
        if "bias" not in name:
            torch.testing.assert_close(value, expected[name])


def test_losses_of_masks_are_divided_by_the_mean_over_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    san = tiny(choices=MASKS.choices, stage=MASKS.name)
    images, labels = scenes(san)
    with torch.no_grad():
        alone = san.loss(images, labels, random_text(san))
        twice = lambda count, device: 2.0 * count  # noqa: E731
        monkeypatch.setattr("methods.san.masks_stage.mean_over_processes", twice)
        halves = san.loss(images, labels, random_text(san))
    assert all(torch.equal(halves[name] * 2, value) and float(value) > 0 for name, value in alone.items())


def test_a_regions_cells_are_all_that_any_of_its_pixels_lies_in() -> None:
    labels = torch.full((2, 8, 8), 255)
    labels[0, 1:5, 1:3] = 4  # touches cells (0, 0) and (1, 0) of 2 x 2
    labels[1, 7, 7] = 4
    labels[1, 0, 0] = labels[1, 0, 7] = 2  # two things of one class
    classes = torch.tensor([[4, -1], [2, 4]])
    assert cells_touched(labels, classes, (2, 2)).tolist() == [
        [[1, 0, 1, 0], [0, 0, 0, 0]],
        [[1, 1, 0, 0], [0, 0, 0, 1]],
    ]


def test_each_matched_query_brings_its_own_images_biases_and_cells() -> None:
    biases, touched = torch.arange(2 * 3 * 5 * 4.0).view(2, 3, 5, 4), torch.arange(16.0).view(2, 2, 4)
    matching = Matching(torch.tensor([0, 1, 1]), torch.tensor([4, 2, 0]), torch.tensor([1, 0, 1]))
    found, cells = matched_biases(biases, touched, matching)
    for index, (image, query, target) in enumerate([(0, 4, 1), (1, 2, 0), (1, 0, 1)]):
        for head in range(3):
            assert torch.equal(found[index, head], biases[image, head, query])
            assert torch.equal(cells[index, head], touched[image, target])


def test_a_bias_that_is_even_over_its_region_and_low_elsewhere_costs_nothing() -> None:
    """Against a plain computation of the divergence between two distributions, and by hand where it is known."""
    touched = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    for bias, nats in (
        ([7.0, 7.0, -93.0, -93.0], 0.0),
        ([7.0, 7.0, -math.inf, -math.inf], 0.0),
        ([0.0, 0.0, 0.0, 0.0], math.log(2)),  # attends to twice as many cells as it should
        ([math.log(3.0), 0.0, -99.0, -99.0], 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)),
    ):
        assert float(divergence_from_even(torch.tensor([bias]), touched)) == pytest.approx(nats, abs=1e-6)
    drawn = torch.Generator().manual_seed(3)
    bias, touched = torch.randn(5, 2, 30, generator=drawn), torch.rand(5, 1, 30, generator=drawn).round()
    even = (touched / touched.sum(-1, keepdim=True)).expand(5, 2, 30)
    expected = F.kl_div(bias.log_softmax(-1), even, reduction="none").sum(-1)
    torch.testing.assert_close(divergence_from_even(bias, touched.expand(5, 2, 30)), expected)


def test_the_bias_loss_is_the_mean_over_regions_and_heads() -> None:
    """Biases that say nothing attend to all n cells alike: log(n / t) nats for a region that touches t of them."""
    san = tiny(choices={**MASKS.choices, "bias_weight": 3.0}, stage=MASKS.name)
    images, labels = scenes(san)
    with torch.no_grad():
        san.decoder.bias_scaling.weight.zero_()
        found = san.loss(images, labels, random_text(san))
    nats = []
    for row in labels:
        for label in row.unique()[row.unique() != 255]:
            cells = (row == label).unflatten(0, (-1, 8)).unflatten(2, (-1, 8)).any(3).any(1)
            nats.append(math.log(cells.numel() / int(cells.sum())))
    assert float(found["loss_bias"]) == pytest.approx(3.0 * sum(nats) / len(nats), rel=1e-4)
    assert float(found["loss_bias_aux0"]) == pytest.approx(float(found["loss_bias"]), rel=1e-4)


def test_masks_and_biases_learn_in_half_precision() -> None:
    san = tiny(choices=MASKS.choices, stage=MASKS.name)
    images, labels = scenes(san)
    with torch.autocast("cpu", torch.bfloat16):
        losses = san.loss(images, labels, random_text(san))
    assert all(value.dtype == torch.float32 and value.item() > 0 for value in losses.values())
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    taught = [each.grad for each in san.parameters() if each.requires_grad]
    assert taught
    assert all(grad is not None and bool(grad.isfinite().all()) for grad in taught)
    with torch.no_grad():
        full = san.loss(images, labels, random_text(san))
    for name, value in losses.items():
        assert value.item() == pytest.approx(full[name].item(), rel=0.05)
