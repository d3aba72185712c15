"""ZegFormer (Ding et al., CVPR 2022): masks are proposed once, and named twice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.checkpoints import Conversion
from benchbed.clip import ImageTower, TextTower
from benchbed.errors import UsageError
from benchbed.images import ImageBatch
from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from benchbed.scores import MaskScores
from benchbed.segmenter import Segmenter, TextFeatures
from benchbed.stages import stage
from benchbed.vocabulary import Vocabulary
from methods.parts.crop_classifier import encode_crops
from methods.parts.full_precision import full_precision
from methods.parts.keywords import one_of
from methods.parts.proposal_network import ProposalHead, with_queries
from methods.parts.resnet import ResNet
from methods.parts.set_criterion import SetCriterion
from methods.zegformer import training
from methods.zegformer.class_head import ClassHead
from methods.zegformer.crops import canvases, cut
from methods.zegformer.fusion import clip_probabilities, fuse
from methods.zegformer.sizes import MODES, Mode, ZegFormerSize, named_size
from methods.zegformer.templates import TEMPLATE_SETS, class_prompts, template_set


@dataclass(frozen=True)
class Choices:
    """What the official configurations switch at inference.

    Attributes:
        mode: `seg`, `img` or `full` (CLIP_CLASSIFICATION, ENSEMBLING).
        gamma: subtracted from the seen classes' final scores if above 0 (GZERO_CALIBRATE).
        head_templates: of the segmentation stream (PROMPT_ENSEMBLE_TYPE), one of `TEMPLATE_SETS`.
        clip_templates: of the CLIP stream; the official code knows the default alone.
        whole_last_block: run CLIP's last block for patches too, which nothing reads; as published, 7 % slower.

    Raises:
        UsageError: a mode or a template set that there is not.
    """

    mode: Mode = "full"
    gamma: float = 0.1
    head_templates: str = "single"
    clip_templates: str = "imagenet_select_clip"
    whole_last_block: bool = False

    def __post_init__(self) -> None:
        one_of("mode", self.mode, MODES)
        one_of("head_templates", self.head_templates, TEMPLATE_SETS)
        one_of("clip_templates", self.clip_templates, TEMPLATE_SETS)
        if not math.isfinite(self.gamma):
            raise UsageError(f"gamma={self.gamma}: expected a finite number; 0 switches calibration off")


class ZegFormer(Segmenter):
    """MaskFormer's proposals, named by a head in CLIP's text space and by CLIP itself from one crop each.

    CLIP is frozen; everything else is trained, but for the head's temperature. Mode and templates are settled at construction.

    Args:
        size: of all parts.
        input_spec: how images enter the segmentation stream.
        choices: of the inference.
    """

    clip_prefixes = ("visual.", "text.", "clip_scale")
    text_prefixes = ("text.",)

    def __init__(self, size: ZegFormerSize, input_spec: InputSpec, choices: Choices | None = None) -> None:
        super().__init__(input_spec)
        self.size = size
        self.choices = choices or Choices()
        self.conversion: Conversion | None = None
        self.criterion: SetCriterion | None = None
        self.backbone = ResNet(size.backbone)
        self.sem_seg_head = ProposalHead(size.proposals, size.backbone.channels)
        self.class_head = ClassHead(size.proposals.hidden, size.clip.embed_dim, size.head_scale)
        self.visual = ImageTower(size.clip).requires_grad_(False)
        self.text = TextTower(size.clip).requires_grad_(False)
        # CLIP's own temperature, 100 in OpenAI's weights.
        self.clip_scale = nn.Parameter(torch.tensor(math.log(100.0)), requires_grad=False)

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """Features of the head's templates; in `extra`, those of the CLIP stream (`clip`, [K, D]) and `seen` ([K] bool)."""
        head = self._encode(vocabulary, self.choices.head_templates)
        extra = {"seen": torch.tensor(vocabulary.seen, device=head.device)}
        if self.choices.mode != "seg":
            extra["clip"] = self._encode(vocabulary, self.choices.clip_templates)
        return TextFeatures(head, extra)

    def _encode(self, vocabulary: Vocabulary, templates: str) -> Tensor:
        """[K, D]: the mean over synonyms and templates of unit features, normalised again."""
        prompts, counts = class_prompts(vocabulary.prompts, template_set(templates))
        with stage("clip_text"):
            features = self.text.encode(prompts)
            return F.normalize(torch.stack([each.mean(0) for each in features.split(counts)]), dim=-1)

    def segment(self, images: ImageBatch, text: TextFeatures) -> MaskScores:
        """Q masks and their Q x K class scores, the no-object column dropped, seen classes held back by gamma."""
        with stage("backbone"):
            features = self.backbone(images.tensor)
        with stage("proposals"):
            proposals = self.sem_seg_head(features)
        del features
        with stage("classify"):
            logits = self.class_head(proposals.embeddings, text.embeddings)
        scores = logits.softmax(dim=-1)[..., :-1]
        if self.choices.mode != "seg":
            crops = self.clip_features(images, proposals.mask_logits)
            with stage("classify"):
                by_clip = clip_probabilities(self.clip_logits(crops, text), logits[..., -1])
                seen = text.extra["seen"]
                scores = by_clip if self.choices.mode == "img" else fuse(scores, by_clip, seen)
        return MaskScores(
            proposals.mask_logits,
            scores,
            images.geometry,
            order="resize-scores",
            class_offset=self._offset(text),
        )

    def clip_features(self, images: ImageBatch, mask_logits: Tensor) -> Tensor:
        """CLIP's embedding of every query's crop, [B, Q, D] unit norm; the crops of one image at a time are in memory."""
        embedded = []
        for canvas, masks in zip(canvases(images), mask_logits, strict=True):
            with stage("crops"):
                crops = cut(canvas, masks, self.size.clip.image_size)
            with stage("clip_image"):
                embedded.append(
                    encode_crops(self.visual, crops, whole_last_block=self.choices.whole_last_block)
                )
        return torch.stack(embedded)

    def clip_logits(self, features: Tensor, text: TextFeatures) -> Tensor:
        """Crops [B, Q, D] against the CLIP stream's words: [B, Q, K] float32, in CLIP's own temperature."""
        with full_precision(features):
            return self.clip_scale.float().exp() * (features.float() @ text.extra["clip"].float().T)

    def _offset(self, text: TextFeatures) -> Tensor | None:
        """[K]: -gamma on seen classes (generalised zero-shot calibration), where gamma is above 0."""
        return -self.choices.gamma * text.extra["seen"].float() if self.choices.gamma > 0 else None

    def picture_features(self, images: Tensor) -> Tensor:
        """Stage `backbone`: the backbone's last features [B, C, h, w] of [B, 3, S, S]."""
        features: Tensor = self.backbone(images)["res5"]
        return features

    def begin_stage(self, name: str, **choices: Any) -> Self:
        """`segmentation`, or `backbone` before it.

        Args:
            name: of the stage.
            choices: of `segmentation`, fields of `methods.parts.set_criterion.CriterionSettings`.

        Raises:
            UsageError: no such stage.
        """
        self.criterion = training.begin(self, name, choices)
        return self

    def loss(self, images: ImageBatch, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """See `methods.zegformer.training.segmentation_loss`.

        Raises:
            ValueError: no stage has begun.
        """
        if self.criterion is None:
            raise ValueError("call begin_stage('segmentation', ...) before loss")
        return training.segmentation_loss(self, self.criterion, images, labels, text)


def build(
    size: str | ZegFormerSize = "r101",
    mode: Mode = "full",
    gamma: float = 0.1,
    head_templates: str = "single",
    clip_templates: str = "imagenet_select_clip",
    whole_last_block: bool = False,
    short_side: int = 512,
    longest_side: int = 2048,
    queries: int | None = None,
) -> ZegFormer:
    """A ZegFormer with random weights.

    Args:
        size: one of `SIZES` by name, or sizes of your own.
        mode, gamma, head_templates, clip_templates, whole_last_block: see `Choices`.
        short_side, longest_side: the input rule, pixels.
        queries: proposals an image, in place of the size's own.

    Raises:
        UsageError: a name that there is not.
    """
    spec = InputSpec(short_side, longest_side, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=32)
    chosen = Choices(mode, gamma, head_templates, clip_templates, whole_last_block)
    return ZegFormer(with_queries(named_size(size) if isinstance(size, str) else size, queries), spec, chosen)
