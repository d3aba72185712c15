"""Targets and assignments against plain Python: sets of labels, and all permutations of small cases."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch import Tensor

from methods.parts.matcher import IGNORED, assign, class_costs, find_targets, nearest


def cheapest(costs: Tensor) -> float:
    """The least total over all one-to-one assignments of [Q, T], by trying them."""
    queries, targets = costs.shape
    if targets > queries:
        return cheapest(costs.T)
    return min(
        sum(costs[query, target].item() for target, query in enumerate(chosen))
        for chosen in permutations(range(queries), targets)
    )


@pytest.mark.parametrize("seed", range(8))
def test_no_assignment_is_cheaper(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    counts = (3, 0, 5, 1)
    costs = torch.randn(4, 5, 5, generator=generator)
    found = assign(costs, counts)
    for image, count in enumerate(counts):
        mine = found.images == image
        queries, targets = found.queries[mine].tolist(), found.targets[mine].tolist()
        assert len(set(queries)) == len(queries)
        assert sorted(targets) == list(range(count))
        total = sum(costs[image, q, t].item() for q, t in zip(queries, targets, strict=True))
        assert total == pytest.approx(cheapest(costs[image, :, :count]) if count else 0.0)
    assert found.images.tolist() == sorted(found.images.tolist())


@pytest.mark.parametrize("seed", range(4))
def test_more_targets_than_queries_leaves_the_dearest_out(seed: int) -> None:
    costs = torch.rand(1, 2, 5, generator=torch.Generator().manual_seed(seed))
    found = assign(costs, (5,))
    assert found.queries.tolist() == [0, 1]
    assert costs[0, found.queries, found.targets].sum().item() == pytest.approx(cheapest(costs[0]))


def test_a_batch_without_targets_matches_nothing() -> None:
    found = assign(torch.zeros(2, 3, 0), (0, 0))
    assert [len(each) for each in (found.images, found.queries, found.targets)] == [0, 0, 0]
    assert found.images.dtype == found.queries.dtype == found.targets.dtype == torch.int64


def test_not_a_number_is_the_worst_choice() -> None:
    costs = torch.tensor([[[torch.nan], [torch.inf], [5.0], [7.0]]])
    assert assign(costs, (1,)).queries.tolist() == [2]
    assert assign(torch.tensor([[[0.0], [-torch.inf]]]), (1,)).queries.tolist() == [1]
    assert len(assign(torch.full((1, 3, 2), torch.nan), (2,)).queries) == 2


@pytest.mark.parametrize("seed", range(4))
def test_targets_are_the_classes_that_an_image_shows(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    names = torch.tensor([0, 2, 3, 6, IGNORED])
    labels = names[torch.randint(0, 5, (3, 2, 3), generator=generator)]
    labels[1] = IGNORED
    targets = find_targets(labels, 7)
    for image, count in enumerate(targets.counts):
        wanted = sorted(set(labels[image].flatten().tolist()) - {IGNORED})
        assert targets.classes[image, :count].tolist() == wanted
        assert (targets.classes[image, count:] == -1).all()
    masks = targets.masks((2, 3))
    for image, row in enumerate(targets.classes.tolist()):
        for column, name in enumerate(row):
            assert masks[image, column].tolist() == [
                each == name for each in labels[image].flatten().tolist()
            ]


def test_only_ignored_pixels_are_no_targets() -> None:
    targets = find_targets(torch.full((2, 4, 4), IGNORED), 3)
    assert targets.counts == (0, 0)
    assert targets.classes.shape == (2, 0)
    assert targets.masks((2, 2)).shape == (2, 0, 4)


@pytest.mark.parametrize("alien", [-1, 3, 254, 256])
def test_a_label_that_is_no_seen_class_is_refused(alien: int) -> None:
    labels = torch.tensor([[[0, 1], [2, alien]]])
    with pytest.raises(ValueError, match=rf"{alien}.*expected 0\.\.2 or 255"):
        find_targets(labels, 3)
    assert find_targets(labels.clamp(0, 2), 3).counts == (3,) if alien > 0 else (2,)


def test_ignored_is_never_a_class() -> None:
    assert find_targets(torch.tensor([[[254, IGNORED]]]), 255).counts == (1,)
    with pytest.raises(ValueError, match="256 classes"):
        find_targets(torch.zeros(1, 1, 1, dtype=torch.int64), 256)


@pytest.mark.parametrize("size", [(4, 4), (3, 5), (8, 2), (16, 16)])
@pytest.mark.parametrize("centred", [False, True])
def test_nearest_picks_the_corner_or_the_centre(size: tuple[int, int], centred: bool) -> None:
    labels = torch.randint(0, 256, (2, 8, 8), generator=torch.Generator().manual_seed(1))
    found = nearest(labels, size, centred)
    shift = 0.5 if centred else 0.0
    for i in range(size[0]):
        for j in range(size[1]):
            row, column = int((i + shift) * 8 / size[0]), int((j + shift) * 8 / size[1])
            assert found[:, i, j].tolist() == labels[:, row, column].tolist()
    assert found.dtype == torch.int64


def test_class_cost_is_minus_the_probability() -> None:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(2))
    classes = torch.tensor([[1, 3], [2, -1]])
    costs = class_costs(logits, classes)
    for image, column in ((0, 0), (0, 1), (1, 0)):
        for query in range(3):
            exponents = logits[image, query].double().exp()
            wanted = exponents[classes[image, column]] / exponents.sum()
            assert costs[image, query, column].item() == pytest.approx(-wanted.item(), rel=1e-5)
    assert costs.shape == (2, 3, 2)
