"""SPNet (Xian, Choudhury, He, Schiele, Akata; CVPR 2019): logits of a pixel are its embedding times fixed class vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.checkpoints import Conversion
from benchbed.clip import TextTower
from benchbed.images import ImageBatch
from benchbed.mmseg_input import IGNORED
from benchbed.scores import DenseScores, Geometry
from benchbed.segmenter import Segmenter, TextFeatures
from benchbed.stages import stage
from benchbed.vocabulary import Vocabulary
from methods.parts.full_precision import full_precision
from methods.parts.pixel_training import begin_pixels
from methods.parts.word_vectors import Embeddings, WordVectors, word_vectors
from methods.spnet.network import FoldedASPP, SummedASPP, folding_pays, resnet
from methods.spnet.sizes import SpnetSize, WarpedInput, plain


class SPNet(Segmenter):
    """Semantic Projection Network.

    Stages: `preprocess` is the warp to a square, `backbone` the ResNet and the pyramid, `classify` the products with the class
    vectors, the maximum over scales and the calibration. Under its published input pyramid and products are computed one after
    the other, as published; under any other the class vectors are folded into the pyramid where that saves work.

    Args:
        size: all sizes and choices.
        words: class vectors in place of CLIP's text tower, which is then not built.
    """

    clip_prefixes = ("text.",)
    text_prefixes = ("text.",)

    def __init__(self, size: SpnetSize, words: WordVectors | None = None) -> None:
        super().__init__(size.inputs)
        self.size = size
        self.conversion: Conversion | None = None
        self.text = TextTower(size.text) if words is None else None
        self.words = words
        self.backbone = resnet(size)
        self.aspp = SummedASPP(size.channels, size.text.embed_dim if words is None else words.dim, size.rates)
        if self.text is not None:
            self.text.requires_grad_(False)

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """[K, D] unit-norm class vectors; `extra["seen"]` [K] is 1 for seen classes.

        Raises:
            UsageError: word vectors were given, and a class has none.
        """
        if self.words is not None:
            vectors: Tensor = self.words(vocabulary)
        else:
            assert self.text is not None
            vectors = self.text.encode_words(vocabulary.prompts, self.size.templates)
        return TextFeatures(vectors, {"seen": torch.tensor(vocabulary.seen, device=vectors.device).float()})

    def segment(self, images: ImageBatch, text: TextFeatures) -> DenseScores:
        """Logits [B, K, h, w] at stride 8; with a gamma, probabilities [B, K, H, W] at the network's input size.

        The softmax follows the resize, as published: the two do not commute.
        """
        tensor, geometry = self.framed(images)
        logits = self.logits(tensor, text.embeddings, fold=not isinstance(self.input_spec, WarpedInput))
        if not self.size.gamma:
            return DenseScores(logits, geometry)
        with stage("classify"):
            probabilities = _resized(logits, tensor.shape[2:]).softmax(1)
            return DenseScores(probabilities, geometry, class_offset=-self.size.gamma * text.extra["seen"])

    def framed(self, images: ImageBatch) -> tuple[Tensor, tuple[Geometry, ...]]:
        """What the network sees, [B, 3, H, W], and where its scores belong.

        With a warped input each image is stretched to a square by itself, without antialias as by OpenCV's INTER_LINEAR,
        and the square then stands for the whole of it.
        """
        with stage("preprocess"):
            tensor = images.tensor.flip(1) if self.size.caffe else images.tensor
            if not isinstance(self.input_spec, WarpedInput):
                return tensor, images.geometry
            square = torch.Size((self.input_spec.short_side,) * 2)
            rows = [
                _resized(row[None, :, : each.valid[0], : each.valid[1]], square)
                for row, each in zip(tensor, images.geometry, strict=True)
            ]
            return torch.cat(rows), tuple(replace(each, padded=each.valid) for each in images.geometry)

    def logits(self, tensor: Tensor, classes: Tensor, fold: bool = False) -> Tensor:
        """[B, 3, H, W] and class vectors [K, D] to the greatest logits of all scales, [B, K, h, w] float32."""
        whole, *smaller = self.scales(tensor, classes, fold)
        with stage("classify"):
            return _greatest(whole, smaller)

    def scales(self, tensor: Tensor, classes: Tensor, fold: bool = False) -> list[Tensor]:
        """Logits of the input and of each further scale of it, [B, K, h, w], each at its own stride 8.

        Args:
            tensor: [B, 3, H, W].
            classes: [K, D].
            fold: multiply the class vectors into the pyramid first, where that saves work.
        """
        positions = len(tensor) * tensor.shape[2] * tensor.shape[3] // 64
        folded = None
        if fold and folding_pays(classes.shape[0], classes.shape[1], positions):
            with stage("classify"), full_precision(tensor):
                folded = self.aspp.folded(classes.float())
        return [self._scale(tensor, share, classes, folded) for share in (1.0, *self.size.pyramid)]

    def _scale(self, tensor: Tensor, share: float, classes: Tensor, folded: FoldedASPP | None) -> Tensor:
        with stage("backbone"):
            sides = torch.Size(max(1, int(side * share)) for side in tensor.shape[2:])
            features = self.backbone(_resized(tensor, sides))[0]
            embeddings = features if folded else self.aspp(features)
        with stage("classify"), full_precision(tensor):
            return folded(embeddings.float()) if folded else _project(embeddings.float(), classes.float())

    def picture_features(self, images: Tensor) -> Tensor:
        """Stage `backbone`: the backbone's last features [B, C, h, w] of [B, 3, S, S]."""
        features: Tensor = self.backbone(images.flip(1) if self.size.caffe else images)[-1]
        return features

    def begin_stage(self, name: str, **choices: Any) -> Self:
        """Stage `pixels`, in which all but the text tower learns, or `backbone`, and norms unless they are frozen.

        Raises:
            UsageError: another stage, or choices.
        """
        begin_pixels(self, name, choices, "backbone.")
        if self.size.frozen_norm:
            for module in self.backbone.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.requires_grad_(False)
        return self

    def loss(self, images: ImageBatch, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Cross entropy of each scale and of the maximum over scales, each at its own resolution (train.py); not warped.

        Args:
            images: B images.
            labels: [B, H, W] int64 over the padded input; 255 is ignored. A batch of ignored pixels alone costs nothing.
            text: features of the K classes that labels count.
        """
        tensor = images.tensor.flip(1) if self.size.caffe else images.tensor
        outputs = self.scales(tensor, text.embeddings)
        names = ["whole", *(f"scale_{share:g}" for share in self.size.pyramid)]
        losses = {f"loss_{name}": _entropy(each, labels) for name, each in zip(names, outputs, strict=True)}
        if self.size.pyramid:
            losses["loss_greatest"] = _entropy(_greatest(outputs[0], outputs[1:]), labels)
        return losses


def _project(embeddings: Tensor, classes: Tensor) -> Tensor:
    """[B, D, h, w], not normalised, times [K, D], without a temperature: [B, K, h, w]."""
    return (embeddings.permute(0, 2, 3, 1) @ classes.T).permute(0, 3, 1, 2)


def _greatest(whole: Tensor, smaller: list[Tensor]) -> Tensor:
    for each in smaller:
        whole = torch.maximum(whole, _resized(each, whole.shape[2:]))
    return whole


def _resized(maps: Tensor, size: torch.Size) -> Tensor:
    return maps if maps.shape[2:] == size else F.interpolate(maps, size, mode="bilinear", align_corners=False)


def _entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over labelled pixels, labels taken at the nearest ones of the logits' grid."""
    nearest = F.interpolate(labels[:, None].float(), logits.shape[2:], mode="nearest")[:, 0].long()
    total = F.cross_entropy(logits, nearest, ignore_index=IGNORED, reduction="sum")
    return total / (nearest != IGNORED).sum().clamp_min(1)


def build(embeddings: Embeddings | None = None, **keywords: Any) -> SPNet:
    """An SPNet with random weights.

    Args:
        embeddings: exact class vectors in place of CLIP's text tower (`word_vectors`).
        keywords: `SpnetSize`'s fields, with `text` also by name.

    Raises:
        UsageError: an unknown keyword, sizes that do not fit together, or vectors that are none.
    """
    return SPNet(SpnetSize(**plain(keywords)), None if embeddings is None else word_vectors(embeddings))
