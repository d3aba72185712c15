"""One image in, one label map out, the same way for accuracy, timing and memory."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchbed.images import ImageBatch, prepare
from benchbed.protocol import Precision
from benchbed.scores import Scores, label_maps
from benchbed.segmenter import Segmenter, TextFeatures
from benchbed.stages import stage
from benchbed.vocabulary import Vocabulary

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class Inference:
    """A segmenter bound to a vocabulary, a device and a precision.

    Attributes:
        text_per_image: run the text tower again for each image, as some official code does.
    """

    segmenter: Segmenter
    vocabulary: Vocabulary
    device: torch.device
    precision: Precision = "fp32"
    text_per_image: bool = False

    def labels(self, image: NDArray[np.uint8]) -> Tensor:
        """[H, W, 3] uint8 RGB in; [H, W] label map on the device out."""
        with torch.inference_mode():
            return self.maps(self.batch(image))[0]

    def maps(self, images: ImageBatch) -> list[Tensor]:
        """The label map of each image of a batch, [H, W] at its original size, on the device."""
        with torch.inference_mode():
            scores = self.scores(images)
            with stage("label_map"):
                return label_maps(scores)

    def batch(self, image: NDArray[np.uint8]) -> ImageBatch:
        """Network input of one image."""
        return prepare([image], self.segmenter.input_spec, self.device)

    def scores(self, images: ImageBatch) -> Scores:
        """The forward pass under this precision."""
        with torch.inference_mode(), self.autocast():
            return self.segmenter.segment(images, self.text())

    def text(self) -> TextFeatures:
        """The vocabulary's features: cached in float32, or encoded again where the published evaluation does so."""
        if self.text_per_image:
            return self.segmenter.encode_vocabulary(self.vocabulary)
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            return self.segmenter.text_for(self.vocabulary)

    def autocast(self) -> AbstractContextManager[None]:
        """torch's autocast at the chosen precision; nothing for fp32."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_DTYPES[self.precision])
