"""Scores and their label maps, against a plain version written again in `plain_scores`."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from plain_scores import ORDERS, SHAPES, Order, assert_best, dense, every_kind, masks, plainly, tensors_of
from torch import Tensor

from benchbed import scores as scores_module
from benchbed.scores import DenseScores, Geometry, MaskScores, Scores, full_scores, label_maps


class TestLabelMaps:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("align_corners", [False, True])
    def test_dense(self, shape: str, align_corners: bool) -> None:
        for seed in range(3):
            scores = dense(shape, seed=seed, align_corners=align_corners)
            assert_best(label_maps(scores)[0], plainly(scores))

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("order", ORDERS)
    @pytest.mark.parametrize(("queries", "classes"), [(30, 4), (4, 30)])
    def test_masks(self, shape: str, order: Order, queries: int, classes: int) -> None:
        for seed in range(2):
            scores = masks(shape, order, queries, classes, seed)
            assert_best(label_maps(scores)[0], plainly(scores))

    @pytest.mark.parametrize("seed", range(12))
    def test_any_sizes(self, seed: int) -> None:
        pick = random.Random(seed)

        def size(limit: int) -> tuple[int, int]:
            return pick.randint(1, limit), pick.randint(1, limit)

        padded = size(150)
        valid = (pick.randint(1, padded[0]), pick.randint(1, padded[1]))
        geometry = (Geometry(padded, valid, size(200)),)
        generator = torch.Generator().manual_seed(seed)
        grid = size(60)
        scores = DenseScores(
            torch.randn(1, 5, *grid, generator=generator), geometry, align_corners=bool(seed % 2)
        )
        assert_best(label_maps(scores)[0], plainly(scores))
        for order in ORDERS:
            mask_logits = torch.randn(1, 6, *grid, generator=generator)
            classes = torch.rand(1, 6, 5, generator=generator)
            of_masks = MaskScores(mask_logits, classes, geometry, order)
            assert_best(label_maps(of_masks)[0], plainly(of_masks))

    @pytest.mark.parametrize("budget", [1, 50_000, 1_000_000, 2**30])
    def test_the_budget_changes_no_label(self, budget: int) -> None:
        """Tiles of 16 pixels and one class at a time, or the whole at once."""
        for scores in every_kind("odd sizes", 40):
            assert_best(label_maps(scores, budget)[0], plainly(scores))

    def test_both_orders_differ(self) -> None:
        """Resizing before or after the sigmoid is a choice that changes labels, not a matter of speed."""
        before, after = (label_maps(masks("enlarged twice", order))[0] for order in ORDERS)
        assert 0.001 < float((before != after).float().mean()) < 0.5

    def test_aligned_corners_change_labels(self) -> None:
        aligned, not_aligned = (
            label_maps(dense("enlarged twice", align_corners=a))[0] for a in (True, False)
        )
        assert not torch.equal(aligned, not_aligned)

    def test_smooth_scores_as_of_a_trained_method(self) -> None:
        """Large areas of one class, and borders that two resizes must leave at the same pixel."""
        hills = torch.randn(1, 12, 4, 5, generator=torch.Generator().manual_seed(3))
        logits = F.interpolate(hills, (40, 50), mode="bicubic") * 30
        scores = DenseScores(logits, (Geometry((640, 800), (640, 799), (375, 468)),))
        assert_best(label_maps(scores)[0], plainly(scores))


class TestBatch:
    def test_images_of_different_geometry(self) -> None:
        generator = torch.Generator().manual_seed(5)
        geometry = (
            Geometry((64, 96), (64, 80), (100, 125)),
            Geometry((64, 96), (48, 96), (24, 48)),
            Geometry((48, 96), (48, 96), (48, 96)),
        )
        offset = torch.tensor([0.0, -0.2, 0.1, 0.0])
        of_dense = DenseScores(torch.randn(3, 4, 16, 24, generator=generator), geometry, class_offset=offset)
        mask_logits, classes = torch.randn(3, 8, 16, 24, generator=generator), torch.rand(3, 8, 4)
        of_masks = [MaskScores(mask_logits, classes, geometry, order, offset) for order in ORDERS]
        kinds: list[Scores] = [of_dense, *of_masks]
        for scores in kinds:
            maps = label_maps(scores)
            assert [tuple(m.shape) for m in maps] == [g.original for g in geometry]
            for index, labels in enumerate(maps):
                assert_best(labels, plainly(scores, index))
                torch.testing.assert_close(
                    full_scores(scores, index), plainly(scores, index), rtol=1e-5, atol=1e-6
                )

    def test_no_image(self) -> None:
        assert label_maps(DenseScores(torch.zeros(0, 3, 4, 4), ())) == []


class TestOffset:
    """Calibration, e.g. ZegFormer's: a constant taken from seen classes after all resizing."""

    def test_it_is_added(self) -> None:
        offset = torch.linspace(-0.5, 0.5, 7)
        for scores, without in zip(
            every_kind("odd sizes", class_offset=offset), every_kind("odd sizes"), strict=True
        ):
            assert_best(label_maps(scores)[0], plainly(without) + offset[:, None, None])
            assert not torch.equal(label_maps(scores)[0], label_maps(without)[0])

    def test_a_large_one_decides(self) -> None:
        offset = torch.zeros(7)
        offset[4] = 1000
        for scores in every_kind("odd sizes", class_offset=offset):
            assert (label_maps(scores)[0] == 4).all()

    def test_a_constant_changes_nothing_and_scores_stay_untouched(self) -> None:
        for scores in every_kind("odd sizes", class_offset=torch.full((7,), -0.25)):
            before = tensors_of(scores)
            assert_best(label_maps(scores)[0], plainly(dataclasses.replace(scores, class_offset=None)))
            assert all(map(torch.equal, before, tensors_of(scores)))


class TestLabels:
    @pytest.mark.parametrize("shape", ["nothing to resize", "cropped only", "first resize only"])
    def test_scores_stay_untouched(self, shape: str) -> None:
        """The fast path works in place: never in the memory of somebody else."""
        for scores in every_kind(shape):
            before = tensors_of(scores)
            label_maps(scores)
            assert all(map(torch.equal, before, tensors_of(scores)))

    @pytest.mark.parametrize(
        ("classes", "dtype"), [(1, torch.uint8), (255, torch.uint8), (256, torch.int16), (300, torch.int16)]
    )
    def test_type(self, classes: int, dtype: torch.dtype) -> None:
        """255 classes still fit uint8: their labels end at 254, and 255 stays free for ignored pixels."""
        for scores in every_kind("odd sizes", classes):
            (labels,) = label_maps(scores)
            assert labels.dtype == dtype
            assert_best(labels, plainly(scores))
        if classes == 300:
            assert int(labels.max()) > 255

    def test_one_class_is_everywhere(self) -> None:
        assert not label_maps(dense("odd sizes", 1))[0].any()
        assert not label_maps(masks("odd sizes", "resize-scores", 4, 1))[0].any()

    def test_the_last_class_is_reached(self) -> None:
        logits = torch.zeros(1, 847, 4, 4)
        logits[0, 846] = 1
        (labels,) = label_maps(DenseScores(logits, (Geometry((16, 16), (16, 16), (20, 20)),)))
        assert (labels == 846).all()

    @pytest.mark.parametrize("budget", [1, 2**27])
    def test_of_equal_scores_the_lowest_class_wins(self, budget: int) -> None:
        """As torch.argmax, within a chunk of classes and across chunks (a budget of 1 byte gives one class a chunk)."""
        logits = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))
        twice = torch.cat([logits, logits, logits - 1], 1)
        geometry = (Geometry((24, 24), (24, 20), (30, 33)),)
        (labels,) = label_maps(DenseScores(twice, geometry), budget)
        assert int(labels.max()) <= 3
        assert_best(labels, plainly(DenseScores(logits, geometry)))
        classes = torch.rand(1, 5, 3)
        for order in ORDERS:
            scores = MaskScores(twice[:, :5], torch.cat([classes, classes], 2), geometry, order)
            assert int(label_maps(scores, budget)[0].max()) <= 2

    def test_all_equal(self) -> None:
        for value in (0.0, -7.5):
            (labels,) = label_maps(
                DenseScores(torch.full((1, 300, 3, 3), value), (Geometry((9, 9), (9, 9), (11, 7)),))
            )
            assert not labels.any()


class TestPrecision:
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
    def test_other_float_types_are_read_as_float32(self, dtype: torch.dtype) -> None:
        scores = dense("enlarged twice")
        other = dataclasses.replace(scores, logits=scores.logits.to(dtype))
        assert_best(label_maps(other)[0], plainly(other))
        assert full_scores(other, 0).dtype == torch.float32
        for order in ORDERS:
            of_masks = masks("enlarged twice", order)
            other_masks = dataclasses.replace(
                of_masks,
                mask_logits=of_masks.mask_logits.to(dtype),
                class_scores=of_masks.class_scores.to(dtype),
                class_offset=torch.linspace(0, 0.1, 7).to(dtype),
            )
            assert_best(label_maps(other_masks)[0], plainly(other_masks))

    def test_autocast_around_it_changes_nothing(self) -> None:
        for scores in every_kind("enlarged twice"):
            labels, full = label_maps(scores)[0], full_scores(scores, 0)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                assert torch.equal(label_maps(scores)[0], labels)
                assert torch.equal(full_scores(scores, 0), full)

    @pytest.mark.parametrize("precision", ["highest", "high", "medium"])
    def test_products_are_exact_inside_and_as_they_were_outside(
        self, precision: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inside: list[str] = []
        made = scores_module.best_classes

        def watched(*args: Any) -> Tensor:
            inside.append(torch.get_float32_matmul_precision())
            return made(*args)

        monkeypatch.setattr(scores_module, "best_classes", watched)
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(precision)
        try:
            label_maps(dense("odd sizes"))
            assert inside == ["highest"]
            assert torch.get_float32_matmul_precision() == precision
        finally:
            torch.set_float32_matmul_precision(before)

    def test_with_gradients_and_in_inference_mode(self) -> None:
        scores = dense("odd sizes")
        (expected,) = label_maps(scores)
        needing = dataclasses.replace(scores, logits=scores.logits.clone().requires_grad_())
        assert torch.equal(label_maps(needing)[0], expected)
        assert full_scores(needing, 0).requires_grad
        with torch.inference_mode():
            assert torch.equal(label_maps(scores)[0], expected)


class TestFullScores:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_they_are_the_definition(self, shape: str) -> None:
        offset = torch.linspace(-1, 1, 7)
        for scores in (*every_kind(shape, class_offset=offset), dense(shape, align_corners=True)):
            full = full_scores(scores, 0)
            assert full.shape == (7, *SHAPES[shape][3])
            torch.testing.assert_close(full, plainly(scores), rtol=1e-6, atol=1e-6)

    def test_the_layout_in_memory_changes_nothing(self) -> None:
        """torch resizes channels-last maps by another kernel, which rounds otherwise; the definition must not depend on that."""
        for scores in (dense("odd sizes", 3), dense("enlarged twice")):
            other = dataclasses.replace(
                scores, logits=scores.logits.contiguous(memory_format=torch.channels_last)
            )
            assert torch.equal(full_scores(other, 0), full_scores(scores, 0))
            assert torch.equal(label_maps(other)[0], label_maps(scores)[0])

    def test_no_such_image(self) -> None:
        with pytest.raises(IndexError):
            full_scores(dense("odd sizes"), 1)
