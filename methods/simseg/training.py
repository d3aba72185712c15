"""SimSeg under training: what learns in each stage, and both losses (section 3; zsseg.baseline's two configurations)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.errors import UsageError
from benchbed.images import ImageBatch
from benchbed.segmenter import TextFeatures
from methods.parts.backbone_recipe import BACKBONE
from methods.parts.crop_classifier import encode_crops
from methods.parts.mask_former_training import every_layer_outputs, train_only
from methods.parts.set_criterion import CriterionSettings, SetCriterion
from methods.simseg.fusion import class_logits, with_no_object
from methods.simseg.settings import LEARNABLE

if TYPE_CHECKING:
    from methods.simseg.model import SimSeg

PROMPTS: Final = "prompts"
SEGMENTATION: Final = "segmentation"
# Everything but CLIP and its prompts.
SEGMENTER: Final = ("backbone.", "sem_seg_head.", "non_object_embedding")


def begin(simseg: SimSeg, name: str, choices: Mapping[str, Any]) -> SetCriterion | None:
    """Say by `requires_grad` what stage `name` trains, and give the prompts the fixed tokens of the CLIP that was put in.

    Args:
        simseg: changed in place.
        name: `backbone`, `prompts` or `segmentation`.
        choices: of `segmentation`: fields of `CriterionSettings`; else none.

    Returns:
        the criterion of the loss of `segmentation`; else None.

    Raises:
        UsageError: no such stage, or no learned prompt to train.
    """
    for learner in (simseg.prompt, simseg.region_prompt):
        if learner is not None:
            learner.take_signals(simseg.text)
    if name == PROMPTS and not choices:
        train_only(simseg, f"{learned_prompt(simseg)}prefix_prompt")
        return None
    if name == BACKBONE and not choices:
        train_only(simseg, "backbone.")
        return None
    if name == SEGMENTATION:
        train_only(simseg, *SEGMENTER)
        return SetCriterion(CriterionSettings(**choices))
    raise UsageError(
        f"SimSeg has no training stage {name!r} with {dict(choices)}: expected {BACKBONE!r} or {PROMPTS!r} without "
        f"keywords, or {SEGMENTATION!r}"
    )


def learned_prompt(simseg: SimSeg) -> str:
    """The name, with a dot, of the prompt learner that classifies crops.

    Raises:
        UsageError: it has hand-written ones.
    """
    chosen = simseg.settings
    keyword = "region_prompts" if chosen.separate_adapter else "prompts"
    if getattr(chosen, keyword) != LEARNABLE:
        raise UsageError(
            f"{keyword}={getattr(chosen, keyword)!r} has nothing to learn: leave the stage {PROMPTS!r} out, or build SimSeg with "
            f"{keyword}='{LEARNABLE}'"
        )
    return "region_prompt." if chosen.separate_adapter else "prompt."


def object_loss(simseg: SimSeg, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
    """Cross-entropy of scaled cosines between frozen CLIP's features of masked crops and the prompts' text features.

    Args:
        simseg: in stage `prompts`.
        images: [B, 3, S, S] float32 normalised for CLIP, the mask's outside painted over; S is CLIP's image size.
        labels: [B] int64, 0..S-1.
        text: of the S seen classes, encoded with gradient.
    """
    with torch.no_grad():
        features = encode_crops(simseg.visual, images, chunk=len(images))
    words = text.extra.get("regions", text.embeddings)
    return {"loss_prompt": F.cross_entropy(class_logits(features, words, simseg.size.scale), labels)}


def segmentation_loss(
    simseg: SimSeg, criterion: SetCriterion, images: ImageBatch, labels: Tensor, text: TextFeatures
) -> dict[str, Tensor]:
    """The set criterion on every decoder layer; classes are the own stream's text features and no-object.

    Args:
        simseg: in stage `segmentation`; CLIP's image tower does not run.
        criterion: of the stage.
        images: B images.
        labels: [B, H, W] int64 over the padded input; 255 ignored.
        text: of the S seen classes; frozen.
    """
    head: Any = simseg.sem_seg_head.predictor.class_embed
    rows = with_no_object(text.embeddings, simseg.non_object_embedding)
    outputs = every_layer_outputs(
        simseg.sem_seg_head,
        simseg.backbone(images.tensor),
        lambda queries: class_logits(head(queries), rows, simseg.size.scale),
    )
    return criterion(outputs, labels)
