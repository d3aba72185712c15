"""A lightweight backbone, a two-way bridge to the class names, and cosines: an interpretation of arXiv 2310.07394's abstract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.checkpoints import Conversion, assign
from benchbed.clip import TextTower
from benchbed.images import ImageBatch
from benchbed.mmseg_input import IGNORED
from benchbed.scores import DenseScores
from benchbed.segmenter import Segmenter, TextFeatures
from benchbed.stages import stage
from benchbed.vocabulary import Vocabulary
from methods.bridge.backbones import backbone, pretrained
from methods.bridge.sizes import BridgeSize, plain
from methods.bridge.two_way import BridgeLayer
from methods.parts.full_precision import full_precision
from methods.parts.pixel_training import begin_pixels

TEMPERATURE: Final = 0.07  # DenseCLIP's tau
PROMPT_SCALE: Final = 1e-4  # initial value of DenseCLIP's `gamma` on what images add to text


class Bridge(Segmenter):
    """Cosines of pixels and class names, after the two have met in `size.layers` bridge layers.

    With 0 layers, a plain text classifier: backbone, two 1x1 convolutions, cosines, the same refinement. What the bridge adds
    is the difference between the two.

    Stages: `backbone` is the image encoder up to the bridge, `classify` the bridge, the cosines and their refinement.

    Args:
        size: all sizes and choices.
    """

    clip_prefixes = ("text.",)
    text_prefixes = ("text.",)

    def __init__(self, size: BridgeSize) -> None:
        super().__init__(size.inputs)
        self.size = size
        self.conversion: Conversion | None = None
        dim = size.text.embed_dim
        self.text = TextTower(size.text)
        self.backbone = backbone(size.backbone)
        self.reduce = nn.ModuleList(_reduced(channels, size.width) for channels in size.channels)
        self.layers = nn.ModuleList(BridgeLayer(size) for _ in range(size.layers))
        self.token_in = nn.Linear(dim, size.width) if size.layers else None
        self.token_out = nn.Linear(size.width, dim) if size.layers else None
        self.token_scale = nn.Parameter(torch.full((dim,), PROMPT_SCALE)) if size.layers else None
        self.embed = nn.Conv2d(size.width, dim, 1)
        self.refine = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        nn.init.dirac_(self.refine.weight)  # nothing is refined at first
        self.text.requires_grad_(False)

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """[K, D] unit-norm embeddings of the prompts by the frozen CLIP; images change them later, in `segment`."""
        return TextFeatures(self.text.encode_words(vocabulary.prompts, self.size.templates))

    def segment(self, images: ImageBatch, text: TextFeatures) -> DenseScores:
        """Logits [B, K, h, w], `size.upsample` times finer than the backbone's stage."""
        return DenseScores(self.logits(images.tensor, text.embeddings), images.geometry)

    def logits(self, tensor: Tensor, names: Tensor) -> Tensor:
        """Network input [B, 3, H, W] and class names [K, D] to logits [B, K, h, w], float32."""
        with stage("backbone"):
            features = self.features(tensor)
        with stage("classify"):
            features, classes = self.meet(features, names)
            return self.refined(self.similarities(features, classes))

    def features(self, tensor: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, C, h, w] at the finest stage that enters, coarser ones added."""
        found = self.backbone(tensor)
        chosen = [found[number - 1] for number in self.size.stages]
        reduced: list[Tensor] = [part(each) for part, each in zip(self.reduce, chosen, strict=True)]
        first, *rest = reduced
        for each in rest:
            first = first + F.interpolate(each, first.shape[2:], mode="bilinear", align_corners=False)
        return first

    def meet(self, features: Tensor, names: Tensor) -> tuple[Tensor, Tensor]:
        """The bridge: features [B, C, h, w] and names [K, D] to features and image-conditioned names [B, K, D]."""
        classes = names.to(features.device).float().expand(len(features), -1, -1)
        if self.token_in is None or self.token_out is None or self.token_scale is None:
            return features, classes
        tokens = self.token_in(classes)
        for layer in self.layers:
            features, tokens = layer(features, tokens)
        return features, classes + self.token_scale * self.token_out(tokens).float()

    def similarities(self, features: Tensor, classes: Tensor) -> Tensor:
        """Cosines over the temperature, [B, K, h, w]; float32, since 1 / 0.07 would enlarge half precision's rounding."""
        pixels = self.embed(features).flatten(2)
        with full_precision(features):
            cosines: Tensor = F.normalize(classes.float(), dim=-1) @ F.normalize(pixels.float(), dim=1)
            maps: Tensor = (cosines / TEMPERATURE).unflatten(2, features.shape[2:])
            return maps

    def refined(self, similarities: Tensor) -> Tensor:
        """Enlarged, then one 3x3 convolution over each class's map, the same for all: K may differ from training's."""
        with full_precision(similarities):
            scale = self.size.upsample
            if scale > 1:
                sides = [side * scale for side in similarities.shape[2:]]
                similarities = F.interpolate(similarities, sides, mode="bilinear", align_corners=False)
            single = similarities.flatten(0, 1)[:, None]
            logits: Tensor = self.refine(single)
            return logits.view_as(similarities)

    def take_backbone(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy an ImageNet classifier's tensors, without what follows the last stage.

        Raises:
            CheckpointError: of another backbone.
        """
        assign(self.backbone, pretrained(self.backbone, tensors))

    def picture_features(self, images: Tensor) -> Tensor:
        """Stage `backbone`: the backbone's last features [B, C, h, w] of [B, 3, S, S]."""
        features: Tensor = self.backbone(images)[-1]
        return features

    def begin_stage(self, name: str, **choices: Any) -> Self:
        """Stage `pixels`, in which all but the text tower learns, or `backbone`.

        Raises:
            UsageError: another stage, or choices.
        """
        begin_pixels(self, name, choices, "backbone.")
        return self

    def loss(self, images: ImageBatch, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Cross entropy at the input's resolution, over the classes of `text` alone: the seen ones.

        Args:
            images: B images.
            labels: [B, H, W] int64 over the padded input; 255 is ignored. A batch of ignored pixels alone costs nothing.
            text: features of the K classes that labels count.
        """
        logits = self.logits(images.tensor, text.embeddings)
        full = F.interpolate(logits, labels.shape[1:], mode="bilinear", align_corners=False)
        total = F.cross_entropy(full, labels, ignore_index=IGNORED, reduction="sum")
        return {"loss_pixels": total / (labels != IGNORED).sum().clamp_min(1)}


def _reduced(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))


def build(**keywords: Any) -> Bridge:
    """A bridge segmenter with random weights; the keywords are `BridgeSize`'s, with `text` also by name.

    Raises:
        UsageError: an unknown keyword, or sizes that do not fit together.
    """
    return Bridge(BridgeSize(**plain(keywords)))
