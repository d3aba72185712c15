"""A batch of photos in, label maps out, by the accuracy pass's own steps: the thing that a clock is held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchbed.images import ImageBatch, prepare
from benchbed.inference import Inference
from benchbed.input_spec import InputSpec
from benchbed.scores import label_maps
from benchbed.segmenter import TextFeatures
from benchbed.stages import stage

Photos = Sequence[NDArray[np.uint8]]


@dataclass
class HeldInference(Inference):
    """An `Inference` whose text features are given, so that no measurement waits for a text tower that is measured apart.

    Attributes:
        held: features of the vocabulary; None encodes them as `Inference` does.
        channels_last: the network's input in NHWC.
        spec: the input rule here; several passes share a segmenter and set it anew each time. None leaves the segmenter's.
    """

    held: TextFeatures | None = None
    channels_last: bool = False
    spec: InputSpec | None = None

    def text(self) -> TextFeatures:
        """The held features; encoded anew where the published evaluation does so for each image."""
        return super().text() if self.held is None or self.text_per_image else self.held

    @property
    def input_spec(self) -> InputSpec:
        """The input rule, which the segmenter is told as well."""
        if self.spec is not None and self.segmenter.input_spec != self.spec:
            self.segmenter.set_input(self.spec)
        return self.segmenter.input_spec

    def batch(self, image: NDArray[np.uint8]) -> ImageBatch:
        """Network input of one image."""
        return self.batch_of([image])

    def batch_of(self, photos: Photos) -> ImageBatch:
        """Network input of several images."""
        images = prepare(photos, self.input_spec, self.device)
        if not self.channels_last:
            return images
        return replace(images, tensor=images.tensor.contiguous(memory_format=torch.channels_last))


@dataclass
class TimedPass:
    """A segmenter under one set of conditions.

    Attributes:
        inference: the segmenter, bound to vocabulary, device, precision and text.
        photos: what batches are made of, in turn.
        batch: images a call.
    """

    inference: HeldInference
    photos: Photos
    batch: int = 1

    def chosen(self, index: int) -> Photos:
        """The photos of call `index`: it begins at that photo and goes round."""
        return [self.photos[(index + place) % len(self.photos)] for place in range(self.batch)]

    def __call__(self, index: int) -> list[Tensor]:
        """One batch: a label map [H, W] for each photo, on the device."""
        with torch.inference_mode():
            scores = self.inference.scores(self.inference.batch_of(self.chosen(index)))
            with stage("label_map"):
                return label_maps(scores)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input, padding included, pixels."""
        spec = self.inference.input_spec
        height, width = self.photos[0].shape[:2]
        return spec.padded(*spec.resized(height, width))
