"""LSeg (Li, Weinberger, Belongie, Koltun, Ranftl; ICLR 2022): pixel embeddings classified by embeddings of bare class names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
from methods.lseg import pretrained
from methods.lseg.decoder import Decoder, doubled
from methods.lseg.framing import black, blackened
from methods.lseg.reassemble import Reassemble
from methods.lseg.regularisation import Regularisation
from methods.lseg.resnet import ResNetEncoder, SmallEncoder
from methods.lseg.similarity import similarities
from methods.lseg.sizes import STRIDES, LSegSize, plain
from methods.lseg.sliding import multi_scale
from methods.lseg.vit import VitEncoder
from methods.parts.full_precision import full_precision
from methods.parts.pixel_training import begin_pixels
from methods.parts.word_vectors import Embeddings, WordVectors, word_vectors

BARE: Final = ("{}",)  # clip.tokenize(labels): no template
OTHERS: Final = "others"  # the first label of every zero-shot episode (lseg_net_zs.py); the demo says "other"


class LSeg(Segmenter):
    """Language-driven semantic segmentation.

    Stages: `backbone` is the image encoder and the decoder, `classify` the products with the class names and the
    regularisation block, `compose` the merging of windows in evaluation `multi-scale`.

    Args:
        size: all sizes and choices.
        words: class vectors in place of CLIP's text tower, which is then not built.
    """

    clip_prefixes = ("text.",)
    text_prefixes = ("text.",)

    def __init__(self, size: LSegSize, words: WordVectors | None = None) -> None:
        super().__init__(size.inputs)
        self.size = size
        self.conversion: Conversion | None = None
        self.text = TextTower(size.text) if words is None else None
        self.words = words
        self.encoder: nn.Module = _encoder(size)
        self.reassemble = nn.ModuleList(
            Reassemble(size.width, channels, size.patch, stride)
            for channels, stride in zip(size.pyramid, STRIDES, strict=True)
            if size.encoder == "vit"
        )
        dim = size.text.embed_dim if words is None else words.dim
        self.decoder = Decoder(size.pyramid, size.features, dim)
        self.regularise = (
            None
            if size.regularisation == "none"
            else Regularisation(size.regularisation, size.depth, size.activation)
        )
        if self.text is not None:
            self.text.requires_grad_(False)  # not among the optimiser's groups (lsegmentation_module.py)

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """[K, D] unit-norm embeddings of the bare prompts.

        Raises:
            UsageError: word vectors were given, and a class has none.
        """
        if self.words is not None:
            return TextFeatures(self.words(vocabulary))
        assert self.text is not None
        return TextFeatures(self.text.encode_words(vocabulary.prompts, BARE))

    def segment(self, images: ImageBatch, text: TextFeatures) -> DenseScores:
        """Logits [B, K, H / 2, W / 2], to be doubled with corners aligned; at full size in evaluation `multi-scale`."""
        if self.size.evaluation == "multi-scale":
            return self.sweep(images, text)
        framed = blackened(images, self.input_spec)
        return DenseScores(self.logits(framed.tensor, text), framed.geometry, align_corners=True)

    def logits(self, tensor: Tensor, text: TextFeatures) -> Tensor:
        """Network input [B, 3, H, W], sides multiples of 32, to logits [B, K, H / 2, W / 2], float32."""
        with stage("backbone"):
            embeddings = self.decoder(self.levels(tensor))
        with stage("classify"):
            logits = similarities(embeddings, text.embeddings, self.size.similarity)
            return logits if self.regularise is None else self._regularised(logits)

    def levels(self, tensor: Tensor) -> list[Tensor]:
        """[B, 3, H, W] to four maps at strides 4, 8, 16 and 32."""
        if isinstance(self.encoder, SmallEncoder):
            return self.encoder.levels(tensor)
        if isinstance(self.encoder, ResNetEncoder):
            return list(self.encoder(tensor))
        tokens, grid = self.encoder(tensor)
        return [part(level, grid) for part, level in zip(self.reassemble, tokens, strict=True)]

    def _regularised(self, logits: Tensor) -> Tensor:
        with full_precision(logits):
            return self.regularise(logits)  # type: ignore[misc,no-any-return]

    def sweep(self, images: ImageBatch, text: TextFeatures) -> DenseScores:
        """The official evaluator over each image by itself; scores [B, K, H, W], sums over scales and flips."""
        height, width = images.tensor.shape[2:]
        colour = black(self.input_spec, images.tensor)
        rows = []
        for row, geometry in zip(images.tensor, images.geometry, strict=True):
            image = row[None, :, : geometry.valid[0], : geometry.valid[1]]
            scores = multi_scale(
                image, lambda windows: doubled(self.logits(windows, text)), self.size, colour
            )
            rows.append(F.pad(scores, (0, width - scores.shape[3], 0, height - scores.shape[2])))
        return DenseScores(torch.cat(rows), images.geometry, align_corners=True)

    def take_backbone(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy the tensors of timm's ViT or torchvision's ResNet, without what follows the last block that is read.

        Raises:
            CheckpointError: of another network or size.
        """
        assign(self.encoder, pretrained.encoder_tensors(self.encoder, tensors))

    def picture_features(self, images: Tensor) -> Tensor:
        """Stage `backbone`: the backbone's last features [B, C, h, w] of [B, 3, S, S]."""
        if isinstance(self.encoder, VitEncoder):
            tokens, grid = self.encoder(images)
            features: Tensor = tokens[-1][:, 1:].transpose(1, 2).unflatten(2, grid)
            return features
        return self.levels(images)[-1]

    def begin_stage(self, name: str, **choices: Any) -> Self:
        """Stage `pixels`, in which all but the text tower learns, or `backbone`.

        Raises:
            UsageError: another stage, or choices.
        """
        begin_pixels(self, name, choices, "encoder.")
        return self

    def loss(self, images: ImageBatch, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Plain cross entropy at full resolution, without a learned temperature or an auxiliary head.

        Args:
            images: B images.
            labels: [B, H, W] int64 over the padded input; 255 is ignored. A batch of ignored pixels alone costs nothing.
            text: features of the K classes that labels count.
        """
        framed = blackened(images, self.input_spec)
        logits = doubled(self.logits(framed.tensor, text))[:, :, : labels.shape[1], : labels.shape[2]]
        total = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
        return {"loss_pixels": total / (labels != IGNORED).sum().clamp_min(1)}


def episode(name: str) -> Vocabulary:
    """The two labels of a zero-shot episode: `others`, then the class that the image is known to show."""
    return Vocabulary((OTHERS, name), (True, False))


def _encoder(size: LSegSize) -> nn.Module:
    if size.encoder == "vit":
        return VitEncoder(size)
    return ResNetEncoder() if size.encoder == "resnet101" else SmallEncoder()


def build(embeddings: Embeddings | None = None, **keywords: Any) -> LSeg:
    """An LSeg with random weights.

    Args:
        embeddings: exact class vectors in place of CLIP's text tower (`word_vectors`).
        keywords: `LSegSize`'s fields, with `text` also by name.

    Raises:
        UsageError: an unknown keyword, sizes that do not fit together, or vectors that are none.
    """
    size = replace(LSegSize(), **plain(keywords))
    return LSeg(size, None if embeddings is None else word_vectors(embeddings))
