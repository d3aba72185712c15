"""DeOP under training: its three stages, what learns in each, and by which loss (section 3.4; scripts of the released code)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.errors import UsageError
from benchbed.input_spec import CLIP_MEAN, CLIP_STD
from benchbed.segmenter import TextFeatures
from methods.deop.pixel_losses import PixelLosses
from methods.parts.backbone_recipe import BACKBONE
from methods.parts.crop_classifier import encode_crops
from methods.parts.full_precision import full_precision
from methods.parts.mask_former_training import every_layer_outputs, train_only
from methods.parts.set_criterion import CriterionSettings, SetCriterion

if TYPE_CHECKING:
    from methods.deop.model import DeOP

PROMPTS: Final = "prompts"
PROPOSALS: Final = "proposals"
ONE_PASS: Final = "one-pass"
# What a MaskFormer learns by; its class head serves the proposals' training alone.
PROPOSERS: Final = ("backbone.", "sem_seg_head.", "non_object_embedding")


class DeOPStage(ABC):
    """One stage: `begin` says what learns, `losses` how, `still` which parts stay in evaluation mode meanwhile."""

    @abstractmethod
    def begin(self, deop: DeOP) -> None:
        """Set `requires_grad` of all parameters."""

    @abstractmethod
    def losses(self, deop: DeOP, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Losses by name for images [B, 3, H, W] as the segmenter normalises them, and labels [B, H, W]."""

    def still(self, deop: DeOP) -> tuple[nn.Module, ...]:
        """Modules that training leaves in evaluation mode: no dropout, statistics of norms as they are."""
        return ()


@dataclass(frozen=True)
class BackboneStage(DeOPStage):
    """The ResNet alone, by the bench's own losses on `picture_features`; the method's are not called."""

    def begin(self, deop: DeOP) -> None:
        """Only the ResNet learns."""
        train_only(deop, "backbone.")

    def losses(self, deop: DeOP, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Raise UsageError: this stage has no loss of the method's."""
        raise UsageError(
            f"stage {BACKBONE!r} learns by the bench's own losses, not by DeOP's; begin another stage"
        )


@dataclass(frozen=True)
class PromptStage(DeOPStage):
    """The prompt's context alone, on crops of objects whose surroundings are blanked: the method's `object_loss`.

    CLIP's tower runs as it is, with neither severed blocks nor learned positions, and sees images by its own mean and std.
    """

    def begin(self, deop: DeOP) -> None:
        """Only the context vectors learn."""
        train_only(deop, "prompt.prefix_prompt")

    def losses(self, deop: DeOP, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Raise UsageError: scenes teach a prompt nothing."""
        raise UsageError(
            f"stage {PROMPTS!r} learns from object crops, not scenes: call object_loss, or begin another stage"
        )


def object_loss(deop: DeOP, images: Tensor, classes: Tensor, text: TextFeatures) -> dict[str, Tensor]:
    """Cross-entropy of scaled cosines between frozen CLIP's features of object crops and the prompts' text features.

    Args:
        deop: in stage `prompts`.
        images: [B, 3, S, S], uint8 RGB or floats normalised for CLIP; resized to CLIP's image size where S differs.
        classes: [B] int64, 0..S-1.
        text: of the S seen classes, encoded with gradient.
    """
    shown = _for_clip(images.float()) if images.dtype == torch.uint8 else images
    side = deop.size.clip.image_size
    if shown.shape[-2:] != (side, side):
        shown = F.interpolate(shown, (side, side), mode="bicubic", align_corners=False)
    with torch.no_grad():
        features = encode_crops(deop.visual, shown, chunk=len(shown)).float()
    with full_precision(features):
        logits = deop.size.scale * features @ text.embeddings.float().T
        return {"loss_prompt": F.cross_entropy(logits, classes)}


@dataclass(frozen=True)
class ProposalStage(DeOPStage):
    """The MaskFormer, by a class head that only this stage uses.

    Attributes:
        criterion: compares every decoder layer's outputs with the truth.
    """

    criterion: SetCriterion

    def begin(self, deop: DeOP) -> None:
        """Backbone, proposal head and no-object vector learn.

        Raises:
            UsageError: this size has no class head.
        """
        if deop.sem_seg_head.predictor.class_embed is None:
            raise UsageError(
                f"stage {PROPOSALS!r} needs a class head: its size has class_embed=(); name its widths, the last one CLIP's"
            )
        train_only(deop, *PROPOSERS)

    def losses(self, deop: DeOP, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """The set criterion's; CLIP's image tower does not run."""
        head: Any = deop.sem_seg_head.predictor.class_embed
        outputs = every_layer_outputs(
            deop.sem_seg_head,
            deop.backbone(images),
            lambda queries: deop.class_logits(F.normalize(head(queries).float(), dim=-1), text),
        )
        return self.criterion(outputs, labels)


@dataclass(frozen=True)
class OnePassStage(DeOPStage):
    """Classification decoder, learned positions, no-object vector and, unless `freeze_prompt`, the prompt's context.

    Attributes:
        pixel_losses: without matching: query i names mask i.
        freeze_prompt: END2ENDTRAIN False.
        proposal_dropout: the frozen proposal head keeps its dropout on, as in the official code, where it runs in training mode.
    """

    pixel_losses: PixelLosses
    freeze_prompt: bool = False
    proposal_dropout: bool = True

    def begin(self, deop: DeOP) -> None:
        """A new no-object vector: the one that the proposals learned by is thrown away (utils_my/convert_model.py)."""
        deop.freeze()
        deop.prompt.requires_grad_(not self.freeze_prompt)
        with torch.no_grad():
            deop.non_object_embedding.normal_(std=deop.size.clip.embed_dim**-0.5)

    def still(self, deop: DeOP) -> tuple[nn.Module, ...]:
        """The backbone, whose norms must not move, and the proposal head unless its dropout stays on."""
        return (deop.backbone,) if self.proposal_dropout else (deop.backbone, deop.sem_seg_head)

    def losses(self, deop: DeOP, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Focal and dice losses of pixels' class probabilities."""
        with torch.no_grad():
            mask_logits = deop.sem_seg_head(deop.backbone(images)).mask_logits
        anchors = deop.decoder(deop.visual(images, mask_logits), mask_logits, deop.query_embedding.weight)
        return self.pixel_losses(deop.class_logits(anchors, text), mask_logits, labels)


def deop_stage(name: str, choices: Mapping[str, Any]) -> DeOPStage:
    """A stage from a recipe's plain values.

    Args:
        name: `backbone`, `prompts`, `proposals` or `one-pass`.
        choices: of `proposals`: the fields of `CriterionSettings`; of `one-pass`: `freeze_prompt`, `proposal_dropout` and the
            fields of `PixelLosses`; of the others: none.

    Raises:
        UsageError: no such stage.
    """
    if name == BACKBONE and not choices:
        return BackboneStage()
    if name == PROMPTS and not choices:
        return PromptStage()
    if name == PROPOSALS:
        return ProposalStage(SetCriterion(CriterionSettings(**choices)))
    if name == ONE_PASS:
        own = {key: choices[key] for key in ("freeze_prompt", "proposal_dropout") if key in choices}
        rest = {key: value for key, value in choices.items() if key not in own}
        return OnePassStage(PixelLosses(**rest), **own)
    raise UsageError(
        f"DeOP has no training stage {name!r} with {dict(choices)}: expected {BACKBONE!r} or {PROMPTS!r} without keywords, "
        f"{PROPOSALS!r} or {ONE_PASS!r}"
    )


def _for_clip(raw: Tensor) -> Tensor:
    """RGB 0..255, [B, 3, H, W], normalised by CLIP's own mean and std: in stage `prompts` CLIP sees what it was made for."""
    mean, std = (raw.new_tensor(each).view(3, 1, 1) for each in (CLIP_MEAN, CLIP_STD))
    return (raw - mean) / std
