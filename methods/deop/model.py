"""DeOP (Han et al., ICCV 2023): decoupled one-pass open-vocabulary segmentation."""

from __future__ import annotations

from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.checkpoints import Conversion
from benchbed.clip import TextTower
from benchbed.errors import UsageError
from benchbed.images import ImageBatch
from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from benchbed.scores import MaskScores
from benchbed.segmenter import Segmenter, TextFeatures
from benchbed.stages import stage
from benchbed.vocabulary import Vocabulary
from methods.deop.clip_pass import SeveredTower
from methods.deop.heatmap_decoder import HeatmapDecoder
from methods.deop.sizes import SIZES, DeOPSize
from methods.deop.training import DeOPStage, PromptStage, deop_stage, object_loss
from methods.parts.full_precision import full_precision
from methods.parts.prompt_learner import PromptLearner
from methods.parts.proposal_network import ProposalHead, with_queries
from methods.parts.resnet import ResNet


class DeOP(Segmenter):
    """Mask proposals of a frozen MaskFormer, classified by features of one pass of CLIP over the whole image.

    Only the classification decoder, its queries, the learned positions, the prompt's context and the no-object vector are
    trained (section 3.4); `requires_grad` says which.

    Args:
        size: of all parts.
        input_spec: how images enter both networks.
    """

    clip_prefixes = ("visual.", "text.")
    text_prefixes = ("text.", "prompt.")
    _stage: DeOPStage | None = None

    def __init__(self, size: DeOPSize, input_spec: InputSpec) -> None:
        super().__init__(input_spec)
        width = size.clip.embed_dim
        self.size = size
        self.conversion: Conversion | None = None
        self.backbone = ResNet(size.backbone)
        self.sem_seg_head = ProposalHead(size.proposals, size.backbone.channels)
        self.visual = SeveredTower(size)
        self.text = TextTower(size.clip)
        self.prompt = PromptLearner(size.clip.text_width, size.context_vectors)
        self.prompt.take_signals(self.text)
        self.non_object_embedding = nn.Parameter(torch.randn(1, width) * width**-0.5)
        self.query_embedding = nn.Embedding(size.proposals.queries, width)
        self.decoder = HeatmapDecoder(size)
        self.freeze()

    def freeze(self) -> None:
        """Say by `requires_grad` what the last stage trains."""
        self.requires_grad_(False)
        for part in (self.decoder, self.query_embedding, self.prompt):
            part.requires_grad_(True)
        self.non_object_embedding.requires_grad_(True)
        for name, parameter in self.visual.named_parameters():
            parameter.requires_grad_(name.endswith("learned_position"))

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """[K, D] unit-norm features of one learned prompt a class.

        Raises:
            UsageError: a class name is too long for the prompt.
        """
        return TextFeatures(self.prompt(vocabulary.prompts, self.text))

    def segment(self, images: ImageBatch, text: TextFeatures) -> MaskScores:
        """Q masks and their Q x K class probabilities, the no-object column dropped."""
        with stage("backbone"):
            features = self.backbone(images.tensor)
        with stage("proposals"):
            mask_logits = self.sem_seg_head(features).mask_logits
        del features
        with stage("clip_image"):
            patches = self.visual(images.tensor, mask_logits)
        with stage("classify"):
            anchors = self.decoder(patches, mask_logits, self.query_embedding.weight)
            probabilities = self.class_logits(anchors, text).softmax(dim=-1)[..., :-1]
        return MaskScores(mask_logits, probabilities, images.geometry, order="resize-scores")

    def picture_features(self, images: Tensor) -> Tensor:
        """Stage `backbone`: the backbone's last features [B, C, h, w] of [B, 3, S, S]."""
        features: Tensor = self.backbone(images)["res5"]
        return features

    def begin_stage(self, name: str, **choices: Any) -> Self:
        """Enter `prompts`, `proposals` or `one-pass`; `choices` as for `training.deop_stage`.

        Raises:
            UsageError: no such stage, or a size without the class head that `proposals` needs.
        """
        self._stage = deop_stage(name, choices)
        self._stage.begin(self)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As in torch; in a stage, parts that it must leave alone stay in evaluation mode."""
        super().train(mode)
        if mode and self._stage is not None:
            for part in self._stage.still(self):
                part.eval()
        return self

    def loss(self, images: ImageBatch, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """The losses of the stage begun, by name.

        Raises:
            UsageError: no stage was begun.
        """
        if self._stage is None:
            raise UsageError(
                "DeOP is not in training: call begin_stage('prompts'), ('proposals') or ('one-pass') first"
            )
        return self._stage.losses(self, images.tensor, labels, text)

    def object_loss(self, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Stage `prompts` on crops that are ready: see `methods.deop.training.object_loss`; [B, 3, S, S], [B] and K classes.

        Raises:
            UsageError: another stage was begun, or none.
        """
        if not isinstance(self._stage, PromptStage):
            raise UsageError("DeOP does not train its prompt: call begin_stage('prompts') first")
        return object_loss(self, images, labels, text)

    def class_logits(self, anchors: Tensor, text: TextFeatures) -> Tensor:
        """Scaled cosines of proposals [B, Q, D] with classes and no-object, the last column: [B, Q, K + 1] float32.

        Kept out of autocast: at a scale of 100 bfloat16 would round logits to the nearest half.
        """
        with full_precision(anchors):
            return self.size.scale * anchors.float() @ self.classifier(text).float().T

    def classifier(self, text: TextFeatures) -> Tensor:
        """[K + 1, D] unit-norm rows: the classes, then no-object."""
        nothing = F.normalize(self.non_object_embedding, dim=-1)
        return torch.cat([text.embeddings, nothing.to(text.embeddings.dtype)])


def build(
    size: str | DeOPSize = "r101c-vit-b16",
    short_side: int = 512,
    longest_side: int = 2048,
    queries: int | None = None,
) -> DeOP:
    """A DeOP with random weights.

    Args:
        size: one of `SIZES` by name, or sizes of your own.
        short_side, longest_side: the input rule, pixels.
        queries: proposals an image, in place of the size's own.
    """
    spec = InputSpec(short_side, longest_side, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=32)
    return DeOP(with_queries(named_size(size) if isinstance(size, str) else size, queries), spec)


def named_size(name: str) -> DeOPSize:
    """One of `SIZES`.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in SIZES:
        raise UsageError(f"size={name!r}: DeOP has no such size; expected one of {', '.join(SIZES)}")
    return SIZES[name]
