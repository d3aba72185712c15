"""What scores must be before a label map can be made of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from benchbed.errors import ScoresError

MAX_CLASSES = 2**15 - 1  # what int16 labels can hold


def expect_finite(tensors: Mapping[str, Tensor]) -> None:
    """Look for NaN and Inf with one number to wait for, however many tensors there are.

    Raises:
        ScoresError: the first of the tensors that has any, by its name, with their count.
    """
    if not tensors:
        return
    # NaN and Inf survive a sum. A sum of great finite values may overflow, too; counting then finds nothing.
    if torch.stack([tensor.sum(dtype=torch.float32) for tensor in tensors.values()]).sum().isfinite():
        return
    for name, tensor in tensors.items():
        nan, inf = int(tensor.isnan().sum()), int(tensor.isinf().sum())
        if nan or inf:
            raise ScoresError(
                f"{name}: {nan:,} NaN and {inf:,} Inf among {tensor.numel():,} values, expected finite scores; "
                "check the checkpoint, or use --precision fp32"
            )


def expect_shape(name: str, tensor: Tensor, axes: str) -> None:
    """Raise ValueError unless a tensor is of a float type and has the axes of, say, `[B, K, h, w]`; only B may be 0."""
    if tensor.ndim != axes.count(",") + 1 or 0 in tensor.shape[1:]:
        raise ValueError(f"{name} is {_shape(tensor)}; expected {axes} with every size at least 1")
    if not tensor.is_floating_point():
        raise ValueError(f"{name} is {tensor.dtype}; expected a float type")


def expect_images(name: str, tensor: Tensor, images: int) -> None:
    """Raise ValueError unless a tensor's first axis has as many images as there are geometries."""
    if len(tensor) != images:
        raise ValueError(f"{name} {_shape(tensor)} holds {len(tensor)} images, geometry {images}")


def expect_masks_agree(mask_logits: Tensor, class_scores: Tensor) -> None:
    """Raise ValueError unless [B, Q, h, w] and [B, Q, K] have the same images and masks, and live on one device."""
    if mask_logits.shape[:2] != class_scores.shape[:2]:
        raise ValueError(
            f"MaskScores: mask_logits {_shape(mask_logits)} and class_scores {_shape(class_scores)} differ in images "
            "or masks; expected [B, Q, h, w] and [B, Q, K]"
        )
    if class_scores.device != mask_logits.device:
        raise ValueError(
            f"MaskScores: class_scores on {class_scores.device}, mask_logits on {mask_logits.device}; expected one device"
        )


def expect_classes(kind: str, num_classes: int, offset: Tensor | None, pixels: Tensor) -> None:
    """Raise ValueError if labels cannot count the classes, or the offset [K] has other classes or another device."""
    if num_classes > MAX_CLASSES:
        raise ValueError(f"{kind} has {num_classes:,} classes; label maps can hold {MAX_CLASSES:,}")
    if offset is None:
        return
    if offset.shape != (num_classes,):
        raise ValueError(f"{kind}.class_offset is {_shape(offset)}; expected [{num_classes}], one a class")
    if offset.device != pixels.device:
        raise ValueError(f"{kind}.class_offset is on {offset.device}, the scores on {pixels.device}")


def _shape(tensor: Tensor) -> str:
    return str(list(tensor.shape))
