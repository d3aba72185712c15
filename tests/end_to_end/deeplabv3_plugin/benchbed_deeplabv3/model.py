"""DeepLabV3 on MobileNetV2 with its batch norms folded in; a supervised reference, not an open-vocabulary method."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed import Segmenter, Vocabulary, stage
from benchbed.datasets.voc import NAMES
from benchbed.errors import UsageError
from benchbed.images import ImageBatch
from benchbed.input_spec import InputSpec
from benchbed.scores import DenseScores
from benchbed.segmenter import TextFeatures

SIDE: Final = 513
INPUT: Final = InputSpec(SIDE, 2048, (128.0,) * 3, (128.0,) * 3, pad_multiple=1)
# MobileNetV2 (Sandler et al., 2018, table 2): expansion, channels, repeats, stride; the last two stages are dilated
# instead of strided, for output stride 16.
STAGES: Final = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 1),
    (6, 320, 1, 1),
)
FIRST_DILATED: Final = 14  # block index from which depth-wise convolutions have dilation 2


def convolution(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Conv2d:
    """A convolution that keeps the size at stride 1."""
    return nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, groups)


class InvertedResidual(nn.Module):
    """Expand, filter by channel, project; with a shortcut where shapes allow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, dilation: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = convolution(inputs, width) if expansion > 1 else nn.Identity()
        self.activation = nn.ReLU6() if expansion > 1 else nn.Identity()
        self.dw = convolution(width, width, 3, stride, dilation, width)
        self.project = convolution(width, outputs)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, h, w] in, [B, outputs, h / stride, w / stride] out."""
        y = self.project(F.relu6(self.dw(self.activation(self.expand(x)))))
        return x + y if self.shortcut else y


def blocks() -> nn.Sequential:
    """All 17 inverted residuals."""
    made: list[nn.Module] = []
    inputs = 32
    for expansion, channels, repeats, stride in STAGES:
        for repeat in range(repeats):
            dilation = 2 if len(made) >= FIRST_DILATED else 1
            made.append(InvertedResidual(inputs, channels, expansion, stride if repeat == 0 else 1, dilation))
            inputs = channels
    return nn.Sequential(*made)


class DeepLabV3(Segmenter):
    """Knows the 20 VOC classes and no others."""

    def __init__(self) -> None:
        super().__init__(INPUT)
        self.stem = convolution(3, 32, 3, 2)
        self.blocks = blocks()
        self.aspp = convolution(320, 256)
        self.pool = convolution(320, 256)
        self.fuse = convolution(512, 256)
        self.classifier = convolution(256, 1 + len(NAMES))

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """Which rows of the head these classes are: [K] indices; row 0 is background."""
        foreign = [name for name in vocabulary.names if name not in NAMES]
        if foreign:
            raise UsageError(
                f"deeplabv3 knows only the 20 classes of VOC, not {foreign[0]!r}; use --dataset voc"
            )
        return TextFeatures(torch.tensor([1 + NAMES.index(name) for name in vocabulary.names]))

    def segment(self, images: ImageBatch, text: TextFeatures) -> DenseScores:
        """Logits [B, K, 33, 33] of the stretched image; its own upsampling aligns corners."""
        with stage("backbone"):
            stretched = F.interpolate(images.tensor, (SIDE, SIDE), mode="bilinear", align_corners=False)
            x = self.blocks(F.relu6(self.stem(stretched)))
        with stage("classify"):
            pooled = F.relu(self.pool(x.mean((2, 3), keepdim=True))).expand(-1, -1, *x.shape[2:])
            logits = self.classifier(F.relu(self.fuse(torch.cat([pooled, F.relu(self.aspp(x))], 1))))
        geometry = tuple(replace(each, padded=each.valid) for each in images.geometry)
        return DenseScores(logits[:, text.embeddings.to(logits.device)], geometry, align_corners=True)


def build() -> DeepLabV3:
    """With random weights; benchbed loads the packaged ones into it."""
    return DeepLabV3()
