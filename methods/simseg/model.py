"""SimSeg (Xu, Zhang, Wei, Lin, Cao, Hu, Bai; ECCV 2022): a MaskFormer's proposals, named twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Self

import torch
from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES
from torch import Tensor, nn

from benchbed.checkpoints import Conversion
from benchbed.clip import ImageTower, TextTower
from benchbed.images import ImageBatch
from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from benchbed.scores import MaskScores
from benchbed.segmenter import Segmenter, TextFeatures
from benchbed.stages import stage
from benchbed.vocabulary import VILD_TEMPLATES, Vocabulary
from methods.parts.crop_classifier import encode_crops
from methods.parts.prompt_learner import PromptLearner
from methods.parts.proposal_network import ProposalHead, with_queries
from methods.parts.resnet import ResNet
from methods.parts.set_criterion import SetCriterion
from methods.simseg import training
from methods.simseg.crops import Crops, proposal_crops
from methods.simseg.fusion import crop_probabilities, fuse, own_probabilities
from methods.simseg.settings import LEARNABLE, SINGLE, Settings, settings
from methods.simseg.sizes import SimSegSize, named_size

# zsseg.baseline's hand-written sets (clip_adapter/utils.py, config.py); its 80 are OpenAI's, in OpenAI's order.
TEMPLATES: Final = {
    "vild": VILD_TEMPLATES,
    "imagenet": tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES),
    SINGLE: ("a sculpture of a {}.",),
}


class SimSeg(Segmenter):
    """Two streams over mask proposals: the proposals' own embeddings, and CLIP on a crop of each.

    Stages: `backbone`, `proposals`, `classify` (both streams' products and their mean), `crops`, `clip_image`.
    All but CLIP is trained; `requires_grad` says so.

    Args:
        size: of all parts.
        chosen: the choices at inference.
        input_spec: how images enter the MaskFormer; crops are cut from what it resized.
    """

    clip_prefixes = ("visual.", "text.")

    def __init__(self, size: SimSegSize, chosen: Settings, input_spec: InputSpec) -> None:
        super().__init__(input_spec)
        width = size.clip.embed_dim
        self.size = size
        self.settings = chosen
        self.conversion: Conversion | None = None
        self.criterion: SetCriterion | None = None
        self.backbone = ResNet(size.backbone)
        self.sem_seg_head = ProposalHead(size.proposals, size.backbone.channels)
        self.visual = ImageTower(size.clip)
        self.text = TextTower(size.clip)
        self.prompt = self._learner(chosen.prompts)
        self.region_prompt = self._learner(chosen.region_prompts) if chosen.separate_adapter else None
        learners = {"prompt.": self.prompt, "region_prompt.": self.region_prompt}
        self.text_prefixes = (
            "text.",
            *(prefix for prefix, learner in learners.items() if learner is not None),
        )
        self.non_object_embedding = nn.Parameter(torch.randn(1, width) * size.clip.text_width**-0.5)
        self.visual.requires_grad_(False)
        self.text.requires_grad_(False)

    def _learner(self, kind: str) -> PromptLearner | None:
        if kind != LEARNABLE:
            return None
        learner = PromptLearner(self.size.clip.text_width, self.size.context_vectors)
        learner.take_signals(self.text)
        return learner

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """[K, D] unit-norm features of the own stream; `extra` has `seen` [K] bool and, where the crop stream has prompts
        of its own, its `regions` [K, D].

        Raises:
            UsageError: a class name is too long for the learned prompt.
        """
        chosen, names = self.settings, vocabulary.prompts
        embeddings = self._encode(chosen.prompts, self.prompt, names)
        seen = [chosen.trainable_flag and flag for flag in vocabulary.seen]
        extra = {"seen": torch.tensor(seen, device=embeddings.device)}
        if chosen.separate_adapter:
            extra["regions"] = self._encode(chosen.region_prompts, self.region_prompt, names)
        return TextFeatures(embeddings, extra)

    def _encode(self, kind: str, learner: PromptLearner | None, names: Sequence[str]) -> Tensor:
        if learner is not None:
            return learner(names, self.text)  # type: ignore[no-any-return]
        return self.text.encode_words(names, TEMPLATES[kind])

    def segment(self, images: ImageBatch, text: TextFeatures) -> MaskScores:
        """Q masks [B, Q, H/4, W/4] and their class scores [B, Q, K]; without `seen` in `text` every class counts as unseen."""
        with stage("backbone"):
            features = self.backbone(images.tensor)
        with stage("proposals"):
            proposals = self.sem_seg_head(features)
        del features
        with stage("classify"):
            own = self.own_stream(proposals.embeddings, text)
        scores = self.with_crops(images, proposals.mask_logits, own, text)
        return MaskScores(proposals.mask_logits, scores, images.geometry, order="resize-scores")

    def own_stream(self, embeddings: Tensor, text: TextFeatures) -> Tensor:
        """Query embeddings [B, Q, hidden] to class probabilities [B, Q, K]."""
        head: Any = self.sem_seg_head.predictor.class_embed
        return own_probabilities(
            head(embeddings), text.embeddings, self.non_object_embedding, self.size.scale
        )

    def with_crops(self, images: ImageBatch, mask_logits: Tensor, own: Tensor, text: TextFeatures) -> Tensor:
        """The own stream's probabilities [B, Q, K] after the crops have had their say."""
        weight = self.settings.ensemble_weight
        if weight is None:
            return own
        seen = text.extra.get("seen", torch.zeros(own.shape[-1], dtype=torch.bool, device=own.device))
        named = text.extra.get("regions", text.embeddings)
        rows = []
        for index, row in enumerate(own):
            crops = self.cut(images, mask_logits, index)
            with stage("clip_image"):
                shown = self.encode(crops)
            with stage("classify"):
                rows.append(
                    fuse(row, crop_probabilities(shown, named, self.size.scale), crops.kept, seen, weight)
                )
        return torch.stack(rows)

    def cut(self, images: ImageBatch, mask_logits: Tensor, index: int) -> Crops:
        """The crops of one image of the batch."""
        with stage("crops"), torch.no_grad():
            return proposal_crops(
                images.pixels[index],
                mask_logits[index],
                images.geometry[index].padded,
                self.settings.mask_threshold,
                self.size.clip.image_size,
            )

    def encode(self, crops: Crops) -> Tensor:
        """[N, D] unit-norm features of N crops; CLIP is frozen, so no gradient is kept."""
        with torch.no_grad():
            return encode_crops(self.visual, crops.images, whole_last_block=self.settings.whole_last_block)

    def picture_features(self, images: Tensor) -> Tensor:
        """Stage `backbone`: the backbone's last features [B, C, h, w] of [B, 3, S, S]."""
        features: Tensor = self.backbone(images)["res5"]
        return features

    def begin_stage(self, name: str, **choices: Any) -> Self:
        """`prompts` (the learned prompt alone, by `object_loss`) or `segmentation` (all but CLIP and prompts, by `loss`).

        Args:
            name: of the stage.
            choices: of `segmentation`, fields of `methods.parts.set_criterion.CriterionSettings`.

        Raises:
            UsageError: no such stage, or no learned prompt to train.
        """
        self.criterion = training.begin(self, name, choices)
        self.forget_text()
        return self

    def object_loss(self, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Stage `prompts`: see `methods.simseg.training.object_loss`; [B, 3, S, S], [B] and S classes."""
        return training.object_loss(self, images, labels, text)

    def loss(self, images: ImageBatch, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Stage `segmentation`: see `methods.simseg.training.segmentation_loss`.

        Raises:
            ValueError: another stage, or none, has begun.
        """
        if self.criterion is None:
            raise ValueError("call begin_stage('segmentation', ...) before loss")
        return training.segmentation_loss(self, self.criterion, images, labels, text)


def build(
    size: str | SimSegSize = "r101c-vit-b16",
    short_side: int = 512,
    longest_side: int = 2048,
    queries: int | None = None,
    **choices: Any,
) -> SimSeg:
    """A SimSeg with random weights.

    Args:
        size: one of `SIZES` by name, or sizes of your own.
        short_side, longest_side: the input rule, pixels.
        queries: proposals an image, in place of the size's own.
        choices: the fields of `Settings`.

    Raises:
        UsageError: no such size or keyword, or a value out of range.
    """
    spec = InputSpec(short_side, longest_side, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=32)
    chosen = with_queries(named_size(size) if isinstance(size, str) else size, queries)
    return SimSeg(chosen, settings(choices), spec)
