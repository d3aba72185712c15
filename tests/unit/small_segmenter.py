"""Two segmenters of a few thousand parameters, whose counts can be done by hand: the cost room is tested on them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchbed.images import ImageBatch
from benchbed.input_spec import InputSpec
from benchbed.scores import DenseScores, MaskScores
from benchbed.segmenter import Segmenter, TextFeatures
from benchbed.stages import stage
from benchbed.vocabulary import Vocabulary

SIDE = 32
WIDTH = 8
SPEC = InputSpec(SIDE, 4 * SIDE, pad_multiple=8)
VOCABULARY = Vocabulary(("cat", "dog", "sofa"), (True, True, False))


class SmallSegmenter(Segmenter):
    """A strided convolution, self-attention over its pixels, and cosine-free products with a table of class vectors.

    FLOPs for an image of H x W pixels and K classes, with N = H * W / 16 tokens of width 8:
    backbone 2 * N * 8 * 3 * 16; clip_image (nested in classify) 2 * (4 * N * 64 + 2 * N * N * 8); classify 2 * N * 8 * K;
    outside of any stage 2 * N * 8 * 8. Text: 2 * K * 8 * 8.
    """

    clip_prefixes = ("clip", "text.")
    text_prefixes = ("text.",)

    def __init__(self) -> None:
        super().__init__(SPEC)
        self.conv = nn.Conv2d(3, WIDTH, 4, stride=4)
        self.outside = nn.Linear(WIDTH, WIDTH)
        self.clip = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.text = nn.Sequential(nn.Embedding(64, WIDTH), nn.Linear(WIDTH, WIDTH))
        self.unused = nn.Parameter(torch.zeros(5, 7))
        self.register_buffer("scale", torch.ones(11))
        self.clip.requires_grad_(False)
        self.text[0].requires_grad_(False)

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        with stage("clip_text"):
            letters = torch.tensor([ord(name[0]) % 64 for name in vocabulary.prompts])
            return TextFeatures(self.text(letters))

    def segment(self, images: ImageBatch, text: TextFeatures) -> DenseScores:
        with stage("backbone"):
            features = self.conv(images.tensor)
        tokens = self.outside(features.flatten(2).transpose(1, 2))
        with stage("classify"):
            with stage("clip_image"):
                tokens, _ = self.clip(tokens, tokens, tokens, need_weights=False)
            logits = tokens @ text.embeddings.T
        return DenseScores(logits.transpose(1, 2).unflatten(2, features.shape[2:]), images.geometry)


class CropSegmenter(SmallSegmenter):
    """Runs its second part once for each quadrant that is bright enough: how much it does depends on pixel values,
    and on values that its own parameters make."""

    def segment(self, images: ImageBatch, text: TextFeatures) -> MaskScores:
        with stage("backbone"):
            features = self.conv(images.tensor)
        half = features.shape[2] // 2, features.shape[3] // 2
        quadrants = features.unfold(2, half[0], half[0]).unfold(3, half[1], half[1]).flatten(2, 3)
        masks = quadrants.mean(1)
        embeddings = [self._look(quadrants[:, :, i]) for i in range(4) if float(masks[:, i].mean()) > 0]
        tokens = torch.stack([each.mean(1) for each in embeddings], 1)
        with stage("classify"):
            scores = tokens @ text.embeddings.T
        kept = [i for i in range(4) if float(masks[:, i].mean()) > 0]
        return MaskScores(masks[:, kept], scores.softmax(-1), images.geometry, order="resize-logits")

    def _look(self, crop: Tensor) -> Tensor:
        with stage("clip_image"):
            return self.outside(crop.flatten(2).transpose(1, 2))
