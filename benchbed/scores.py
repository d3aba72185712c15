"""What a segmenter returns, and how it becomes label maps: once, here, the same way for every method.

`label_maps` is the fast path in bounded memory; `full_scores` is the plain computation at full size that defines what it
must give. Both compute in float32, whatever the scores' type: half precision is slow on a CPU and moves borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.exact_float32 import exact_float32
from benchbed.label_maps import DEFAULT_BUDGET, DenseSource, MaskSource, best_classes, tiling
from benchbed.resample import Resize, bilinear_axis
from benchbed.score_checks import (
    expect_classes,
    expect_finite,
    expect_images,
    expect_masks_agree,
    expect_shape,
)

Size = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """Where one image sits in the network input; sizes are (height, width) in pixels.

    Attributes:
        padded: the network input, with padding at the right and bottom.
        valid: the resized image, in the top-left corner of it.
        original: the image as it was read; its label map has this size.
    """

    padded: Size
    valid: Size
    original: Size

    def __post_init__(self) -> None:
        """Raise ValueError for a size that is not positive, or an image larger than the input that holds it."""
        if min(*self.padded, *self.valid, *self.original) < 1:
            raise ValueError(f"{self}: sizes must be at least 1 pixel")
        if self.valid[0] > self.padded[0] or self.valid[1] > self.padded[1]:
            raise ValueError(f"{self}: the valid part is larger than the padded input that should hold it")


@dataclass(frozen=True)
class DenseScores:
    """Class logits of every pixel, at the method's own resolution.

    Final scores are the logits resized to `padded`, cropped to `valid`, resized to `original`, plus the offset.

    Attributes:
        logits: [B, K, h, w] over the padded network input, of any float type.
        geometry: one for each of the B images.
        align_corners: how both resizes place pixels, as in `F.interpolate`.
        class_offset: [K] added to the final scores, after resizing (calibration).
    """

    logits: Tensor
    geometry: tuple[Geometry, ...]
    align_corners: bool = False
    class_offset: Tensor | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where shapes, types or devices do not agree."""
        expect_shape("DenseScores.logits", self.logits, "[B, K, h, w]")
        expect_images("DenseScores.logits", self.logits, len(self.geometry))
        expect_classes("DenseScores", self.num_classes, self.class_offset, self.logits)

    @property
    def num_classes(self) -> int:
        """K."""
        return self.logits.shape[1]


@dataclass(frozen=True)
class MaskScores:
    """Q masks an image, and the classes of each mask.

    With order `resize-logits` (SAN: SEM_SEG_POSTPROCESS_BEFORE_INFERENCE), mask logits are resized to `padded`, cropped to
    `valid`, resized to `original`, then go through a sigmoid and the product with the class scores. With `resize-scores`
    (MaskFormer, DeOP), sigmoid and product happen after the crop, and their result is resized to `original`. The offset
    comes last. Resizes are bilinear with align_corners False and no antialias (detectron2's `sem_seg_postprocess`).

    Attributes:
        mask_logits: [B, Q, h, w] over the padded network input, before the sigmoid, of any float type.
        class_scores: [B, Q, K] probabilities, the no-object class already dropped.
        geometry: one for each of the B images.
        order: see above; it changes labels.
        class_offset: [K] added to the final scores, after resizing (calibration).
    """

    mask_logits: Tensor
    class_scores: Tensor
    geometry: tuple[Geometry, ...]
    order: Literal["resize-logits", "resize-scores"]
    class_offset: Tensor | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where shapes, types, devices or the order do not agree with what is above."""
        expect_shape("MaskScores.mask_logits", self.mask_logits, "[B, Q, h, w]")
        expect_shape("MaskScores.class_scores", self.class_scores, "[B, Q, K]")
        expect_images("MaskScores.mask_logits", self.mask_logits, len(self.geometry))
        expect_masks_agree(self.mask_logits, self.class_scores)
        if self.order not in ("resize-logits", "resize-scores"):
            raise ValueError(
                f"MaskScores.order is {self.order!r}; expected 'resize-logits' or 'resize-scores'"
            )
        expect_classes("MaskScores", self.num_classes, self.class_offset, self.mask_logits)

    @property
    def num_classes(self) -> int:
        """K."""
        return self.class_scores.shape[2]


Scores = DenseScores | MaskScores


@torch.no_grad()
def label_maps(scores: Scores, budget: int = DEFAULT_BUDGET) -> list[Tensor]:
    """The class of the greatest final score at every pixel; of equal ones the lowest class, as `torch.argmax` gives.

    Equal to the argmax of `full_scores` over K but for pixels whose two best scores differ by float rounding alone.

    Args:
        scores: of B images.
        budget: bytes for temporary values, beside the scores, the label maps and the resizes' weights (a few MB at
            2,048 pixels a side); memory does not grow with K. On a CPU less is taken: what fits the cache is fastest.

    Returns:
        For each image [H0, W0] on the scores' device: uint8 up to 255 classes (255 stays free for `ignore`), else int16.

    Raises:
        ScoresError: NaN or Inf in the scores, with the tensor and the image.
        ValueError: the budget is not positive.
    """
    if budget < 1:
        raise ValueError(f"budget is {budget} bytes; expected at least 1")
    _expect_finite(scores, range(len(scores.geometry)))
    with exact_float32(_pixels(scores).device):
        return [_label_map(scores, index, budget) for index in range(len(scores.geometry))]


def full_scores(scores: Scores, index: int) -> Tensor:
    """Final scores of one image, [K, H0, W0] float32, computed plainly at full size (mmsegmentation's `tensor` mode).

    Raises:
        ScoresError: NaN or Inf in this image's scores.
        IndexError: there is no such image.
    """
    geometry = scores.geometry[index]
    _expect_finite(scores, [index])
    with exact_float32(_pixels(scores).device):
        if isinstance(scores, DenseScores):
            full = _to_valid(scores.logits[index].float(), geometry, scores.align_corners)
            full = _plainly_resized(full, geometry.original, scores.align_corners)
        else:
            full = _full_mask_scores(scores, index)
        return full if scores.class_offset is None else full + scores.class_offset.float()[:, None, None]


def _full_mask_scores(scores: MaskScores, index: int) -> Tensor:
    geometry = scores.geometry[index]
    masks = _to_valid(scores.mask_logits[index].float(), geometry)
    if scores.order == "resize-logits":
        masks = _plainly_resized(masks, geometry.original)
    full = torch.einsum("qk,qhw->khw", scores.class_scores[index].float(), masks.sigmoid())
    return _plainly_resized(full, geometry.original)


def _to_valid(maps: Tensor, geometry: Geometry, align_corners: bool = False) -> Tensor:
    height, width = geometry.valid
    return _plainly_resized(maps, geometry.padded, align_corners)[:, :height, :width]


def _plainly_resized(maps: Tensor, size: Size, align_corners: bool = False) -> Tensor:
    if maps.shape[-2:] == size:
        return maps
    # As a batch of single channels: whatever the channels' number and order in memory, one kernel makes them, rounding alike.
    resized = F.interpolate(maps[:, None].contiguous(), size, mode="bilinear", align_corners=align_corners)
    return resized[:, 0]


def _label_map(scores: Scores, index: int, budget: int) -> Tensor:
    geometry = scores.geometry[index]
    pixels = _pixels(scores)
    offset = None if scores.class_offset is None else scores.class_offset.float()
    source: DenseSource | MaskSource
    if isinstance(scores, DenseScores):
        resize = _resize(pixels, geometry, geometry.original, scores.align_corners)
        source = DenseSource(scores.logits[index], resize, offset)
        held, middle = 0, geometry.original
    else:
        held, middle = (
            pixels.shape[1],
            geometry.original if scores.order == "resize-logits" else geometry.valid,
        )
        before = _resize(pixels, geometry, middle)
        after = _resize_between(middle, geometry.original, pixels.device)
        source = MaskSource(scores.mask_logits[index], scores.class_scores[index], before, after, offset)
    cut = tiling(scores.num_classes, held, _density(pixels, geometry, middle), budget, pixels.device)
    return best_classes(source, scores.num_classes, geometry.original, cut, pixels.device)


def _resize(pixels: Tensor, geometry: Geometry, target: Size, align_corners: bool = False) -> Resize:
    """From the scores' own resolution over `padded` and `valid` to a target size."""
    rows, columns = (
        bilinear_axis(source, padded, valid, size, align_corners, pixels.device)
        for source, padded, valid, size in zip(
            pixels.shape[-2:], geometry.padded, geometry.valid, target, strict=True
        )
    )
    return Resize(rows, columns)


def _resize_between(source: Size, target: Size, device: torch.device) -> Resize:
    rows, columns = (
        bilinear_axis(size, size, size, to, device=device) for size, to in zip(source, target, strict=True)
    )
    return Resize(rows, columns)


def _density(pixels: Tensor, geometry: Geometry, middle: Size) -> float:
    """How many pixels, of the scores themselves or of the size where the sigmoid is taken, fall on one label; at least 1."""
    density = 1.0
    for axis in range(2):
        own = pixels.shape[2 + axis] * geometry.valid[axis] / geometry.padded[axis]
        density *= max(own, middle[axis], geometry.original[axis]) / geometry.original[axis]
    return density


def _pixels(scores: Scores) -> Tensor:
    return scores.logits if isinstance(scores, DenseScores) else scores.mask_logits


def _expect_finite(scores: Scores, images: Sequence[int]) -> None:
    kind = type(scores).__name__
    names = ["logits"] if isinstance(scores, DenseScores) else ["mask_logits", "class_scores"]
    count = len(scores.geometry)
    parts = {
        f"{kind}.{name}, image {i} of {count}": getattr(scores, name)[i] for i in images for name in names
    }
    if parts and scores.class_offset is not None:
        parts[f"{kind}.class_offset"] = scores.class_offset
    expect_finite(parts)
