"""From mmsegmentation's pipelines to a segmenter: the data preprocessor that every segmenter carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseDataPreprocessor
from mmseg.structures import SegDataSample
from numpy.typing import NDArray
from torch import Tensor

from benchbed.images import ImageBatch, prepare
from benchbed.input_spec import InputSpec

IGNORED = 255


class SegmenterPreprocessor(BaseDataPreprocessor):  # type: ignore[misc]
    """Turns a pipeline's BGR uint8 images into the network input that the method's `InputSpec` asks for.

    An image that the pipeline has resized already (`img_shape` differs from `ori_shape`) is taken at that size.
    """

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """`inputs`: B tensors [3, H, W] BGR, or one [B, 3, H, W]; `data_samples` pass through."""
        samples: list[SegDataSample] | None = data.get("data_samples")
        images = [_to_rgb(image) for image in data["inputs"]]
        originals = _original_sizes(images, samples)
        resized = any(image.shape[:2] != size for image, size in zip(images, originals, strict=True))
        batch = prepare(images, self.spec, self.device, originals if resized or training else None)
        return {"inputs": batch, "data_samples": self.cast_data(samples)}


def _to_rgb(image: Tensor) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image.flip(0).permute(1, 2, 0).cpu().numpy().astype(np.uint8))


def _original_sizes(
    images: Sequence[NDArray[np.uint8]], samples: Sequence[SegDataSample] | None
) -> list[tuple[int, int]]:
    own = [(image.shape[0], image.shape[1]) for image in images]
    if samples is None:
        return own
    return [tuple(sample.get("ori_shape", size)[:2]) for sample, size in zip(samples, own, strict=True)]


def stack_labels(samples: Sequence[SegDataSample], images: ImageBatch) -> Tensor:
    """Ground truth [B, H, W] int64 over the padded network input; padding is ignored (255)."""
    height, width = images.tensor.shape[-2:]
    labels = torch.full((len(images), height, width), IGNORED, dtype=torch.int64, device=images.tensor.device)
    for row, sample in zip(labels, samples, strict=True):
        truth = sample.gt_sem_seg.data[0]
        row[: truth.shape[0], : truth.shape[1]] = truth
    return labels
