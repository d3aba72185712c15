"""Draws: the same samples with the same augmentation for any number of processes and workers, before and after a resume."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.errors import UsageError
from benchbed.training.draws import Draws, SeededDataset, augmentation_seed, order, sample_of, seeded


def steps(count: int, **keywords: Any) -> list[list[tuple[int, int]]]:
    return list(islice(Draws(**{"size": 7, "batch": 4, "seed": 3, **keywords}), count))


def disturbed() -> None:
    """Draws, then fails."""
    with seeded(1):
        torch.rand(5)
        raise KeyError


class Noise:
    """Items made of all three global generators."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[int, float, float, float]:
        return index, random.random(), float(np.random.rand()), float(torch.rand(()))


@pytest.mark.parametrize("seed", range(3))
def test_every_pass_has_each_sample_once_in_another_order(seed: int) -> None:
    drawn = [sample_of(number, 7, seed) for number in range(70)]
    passes = [tuple(drawn[start : start + 7]) for start in range(0, 70, 7)]
    assert all(sorted(each) == list(range(7)) for each in passes)
    assert len(set(passes)) > 8
    assert drawn != [sample_of(number, 7, seed + 1) for number in range(70)]


def test_numbers_run_on_across_passes() -> None:
    drawn = steps(9)
    assert [number for step in drawn for number, _ in step] == list(range(36))
    assert [index for step in drawn for _, index in step] == [sample_of(n, 7, 3) for n in range(36)]
    assert all(len(step) == 4 for step in drawn)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_processes_share_each_step_whatever_their_number(world: int) -> None:
    whole = steps(20)
    parts = [steps(20, rank=rank, world=world) for rank in range(world)]
    for step in range(20):
        shares = [part[step] for part in parts]
        assert {len(share) for share in shares} == {4 // world}
        assert sorted(draw for share in shares for draw in share) == whole[step]


@pytest.mark.parametrize("done", [1, 5, 13])
def test_resuming_goes_on_where_it_stopped(done: int) -> None:
    assert steps(5, first_step=done) == steps(done + 5)[done:]
    assert steps(5, first_step=done, rank=1, world=2) == steps(done + 5, rank=1, world=2)[done:]


def test_a_sampler_begins_anew_each_time() -> None:
    draws = Draws(7, 4, 3, first_step=2)
    assert next(iter(draws)) == next(iter(draws)) == draws.step(2)


def test_the_order_never_changes() -> None:
    """Written down once: a checkpoint's training must be repeatable with later versions."""
    assert order(8, 0, 0).tolist() == [1, 6, 0, 3, 7, 4, 2, 5]
    assert [augmentation_seed(n, 0) for n in range(3)] == [2834126987, 3720552013, 1385458640]


def test_a_batch_larger_than_the_data_repeats_samples() -> None:
    counts = Counter(index for _, index in steps(1, size=3, batch=8)[0])
    assert sorted(counts.values()) == [2, 3, 3]


def test_an_uneven_share_is_refused() -> None:
    with pytest.raises(UsageError, match="3 processes cannot share a batch of 4 evenly"):
        Draws(7, 4, 0, rank=0, world=3)


@pytest.mark.parametrize(
    "wrong",
    [{"size": 0}, {"batch": 0}, {"rank": 1}, {"rank": -1}, {"first_step": -1}, {"seed": -1}, {"world": 0}],
)
def test_numbers_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        steps(1, **wrong)


class TestSeededDataset:
    def test_an_item_is_a_function_of_its_draw(self) -> None:
        dataset = SeededDataset(Noise(), 5)
        first = [dataset[(number, 2)] for number in range(6)]
        random.seed(1)
        np.random.seed(2)
        torch.manual_seed(3)
        assert [dataset[(number, 2)] for number in reversed(range(6))] == first[::-1]
        assert all(item[0] == 2 for item in first)
        assert len({item[1:] for item in first}) == 6
        assert SeededDataset(Noise(), 6)[(0, 2)] != first[0]

    def test_all_three_generators_are_left_as_they_were(self) -> None:
        dataset = SeededDataset(Noise(), 5)

        def after(reads: int) -> tuple[float, float, float]:
            random.seed(1)
            np.random.seed(2)
            torch.manual_seed(3)
            for number in range(reads):
                dataset[(number, 0)]
            return random.random(), float(np.random.rand()), float(torch.rand(()))

        assert after(0) == after(1) == after(4)

    def test_also_after_an_error(self) -> None:
        torch.manual_seed(0)
        expected = float(torch.rand(()))
        torch.manual_seed(0)
        with pytest.raises(KeyError):
            disturbed()
        assert float(torch.rand(())) == expected

    def test_length_and_metainfo_are_the_datasets_own(self) -> None:
        dataset = SeededDataset(Noise(), 5)
        assert len(dataset) == 7
        assert dataset.metainfo == {}

    def test_seeds_of_neighbouring_draws_and_seeds_do_not_repeat(self) -> None:
        assert len({augmentation_seed(n, seed) for n in range(300) for seed in range(3)}) == 900
