"""Scores that no label map can be made of are refused, each with words that say why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from plain_scores import dense, masks

from benchbed.errors import ScoresError
from benchbed.scores import DenseScores, Geometry, MaskScores, Scores, full_scores, label_maps

GEOMETRY = Geometry((32, 32), (30, 32), (60, 64))
LOGITS, CLASSES = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 5)


class TestMistakes:
    @pytest.mark.parametrize(
        ("sizes", "words"),
        [
            (((0, 4), (4, 4), (4, 4)), "at least 1 pixel"),
            (((4, 4), (4, -1), (4, 4)), "at least 1 pixel"),
            (((4, 4), (4, 4), (4, 0)), "at least 1 pixel"),
            (((4, 4), (5, 4), (4, 4)), "larger than the padded"),
            (((4, 4), (4, 5), (4, 4)), "larger than the padded"),
        ],
    )
    def test_geometry(self, sizes: tuple[tuple[int, int], ...], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            Geometry(*sizes)

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: DenseScores(LOGITS[0], (GEOMETRY,)), r"logits is \[3, 8, 8\]; expected \[B, K, h, w\]"),
            (lambda: DenseScores(torch.zeros(1, 0, 8, 8), (GEOMETRY,)), r"\[1, 0, 8, 8\].*at least 1"),
            (lambda: DenseScores(torch.zeros(1, 3, 0, 8), (GEOMETRY,)), r"\[1, 3, 0, 8\].*at least 1"),
            (lambda: DenseScores(LOGITS.long(), (GEOMETRY,)), "torch.int64; expected a float type"),
            (lambda: DenseScores(LOGITS, (GEOMETRY,) * 2), r"\[1, 3, 8, 8\] holds 1 images, geometry 2"),
            (
                lambda: DenseScores(LOGITS, (GEOMETRY,), class_offset=torch.zeros(4)),
                r"is \[4\]; expected \[3\]",
            ),
            (
                lambda: DenseScores(LOGITS, (GEOMETRY,), class_offset=torch.zeros(3, device="meta")),
                "meta.*cpu",
            ),
            (lambda: DenseScores(torch.zeros(1, 32768, 1, 1), (GEOMETRY,)), "32,768 classes.*32,767"),
            (
                lambda: MaskScores(LOGITS[0], CLASSES, (GEOMETRY,), "resize-logits"),
                r"expected \[B, Q, h, w\]",
            ),
            (lambda: MaskScores(LOGITS, CLASSES[0], (GEOMETRY,), "resize-logits"), r"expected \[B, Q, K\]"),
            (
                lambda: MaskScores(LOGITS, CLASSES[:, :2], (GEOMETRY,), "resize-logits"),
                r"\[1, 3, 8, 8\].*\[1, 2, 5\]",
            ),
            (
                lambda: MaskScores(LOGITS, CLASSES.repeat(2, 1, 1), (GEOMETRY,), "resize-logits"),
                r"\[2, 3, 5\]",
            ),
            (lambda: MaskScores(LOGITS, CLASSES[:, :, :0], (GEOMETRY,), "resize-logits"), r"\[1, 3, 0\]"),
            (lambda: MaskScores(LOGITS, CLASSES, (), "resize-logits"), "geometry 0"),
            (lambda: MaskScores(LOGITS, CLASSES.to("meta"), (GEOMETRY,), "resize-logits"), "meta"),
            (lambda: MaskScores(LOGITS, CLASSES, (GEOMETRY,), "resize"), "order is 'resize'"),  # type: ignore[arg-type]
            (
                lambda: MaskScores(LOGITS, CLASSES, (GEOMETRY,), "resize-logits", torch.zeros(3)),
                r"class_offset is \[3\]; expected \[5\]",
            ),
        ],
    )
    def test_shapes(self, make: Callable[[], Scores], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            make()

    def test_budget(self) -> None:
        with pytest.raises(ValueError, match="0 bytes"):
            label_maps(DenseScores(LOGITS, (GEOMETRY,)), budget=0)


class TestNotFinite:
    """Scores that no label map can be made of stop the method that made them, with the tensor, image and count named."""

    def test_dense(self) -> None:
        logits = torch.randn(2, 4, 6, 6)
        logits[1, 2, 3, :2] = torch.nan
        logits[1, 0, 0, 0] = -torch.inf
        geometry = (Geometry((24, 24), (24, 24), (24, 24)),) * 2
        scores = DenseScores(logits, geometry)
        words = "DenseScores.logits, image 1 of 2: 2 NaN and 1 Inf among 144 values"
        with pytest.raises(ScoresError, match=words):
            label_maps(scores)
        with pytest.raises(ScoresError, match=words):
            full_scores(scores, 1)
        assert full_scores(scores, 0).isfinite().all()  # the other image is sound

    @pytest.mark.parametrize("name", ["mask_logits", "class_scores"])
    @pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
    def test_masks(self, name: str, value: float, dtype: torch.dtype) -> None:
        scores = masks("odd sizes", "resize-scores")
        broken = getattr(scores, name).clone().to(dtype)
        broken[0, 1, 2] = value
        with pytest.raises(ScoresError, match=f"MaskScores.{name}, image 0 of 1"):
            label_maps(dataclasses.replace(scores, **{name: broken}))

    def test_infinities_of_both_signs(self) -> None:
        """Their sum is NaN, not a number that would hide them."""
        logits = torch.zeros(1, 2, 2, 2)
        logits[0, 0, 0, 0], logits[0, 1, 0, 0] = torch.inf, -torch.inf
        with pytest.raises(ScoresError, match="0 NaN and 2 Inf"):
            label_maps(DenseScores(logits, (GEOMETRY,)))

    def test_offset(self) -> None:
        with pytest.raises(ScoresError, match=r"DenseScores\.class_offset: 1 NaN"):
            label_maps(dense("odd sizes", 2, class_offset=torch.tensor([0.0, torch.nan])))

    def test_great_but_finite_scores_pass(self) -> None:
        """Their sum overflows, they do not."""
        logits = torch.full((1, 2, 8, 8), 1e38)
        logits[0, 1] = 2e38
        assert (label_maps(DenseScores(logits, (GEOMETRY,)))[0] == 1).all()
        half = torch.full((1, 2, 8, 8), 6e4, dtype=torch.float16)  # the sum is taken in float32
        assert not label_maps(DenseScores(half, (GEOMETRY,)))[0].any()
