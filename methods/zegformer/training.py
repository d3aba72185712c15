"""ZegFormer under training: MaskFormer with CLIP's frozen words as classes; CLIP's image tower is not used (section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor

from benchbed.errors import UsageError
from benchbed.images import ImageBatch
from benchbed.segmenter import TextFeatures
from methods.parts.backbone_recipe import BACKBONE
from methods.parts.mask_former_training import every_layer_outputs, train_only
from methods.parts.set_criterion import CriterionSettings, SetCriterion

if TYPE_CHECKING:
    from methods.zegformer.model import ZegFormer

SEGMENTATION: Final = "segmentation"
TRAINED: Final = ("backbone.", "sem_seg_head.", "class_head.")
FROZEN: Final = (
    "class_head.logit_scale"  # ln(1 / 0.01), the one parameter of the official model that does not learn
)


def begin(zegformer: ZegFormer, name: str, choices: Mapping[str, Any]) -> SetCriterion | None:
    """Everything learns but CLIP and the head's temperature; in stage `backbone` that alone, without criterion.

    Args:
        zegformer: changed in place.
        name: `segmentation` or `backbone`.
        choices: of `segmentation`: fields of `CriterionSettings`.

    Raises:
        UsageError: no such stage.
    """
    if name == BACKBONE and not choices:
        train_only(zegformer, "backbone.")
        return None
    if name != SEGMENTATION:
        raise UsageError(
            f"ZegFormer has no training stage {name!r} with {dict(choices)}: expected {SEGMENTATION!r}, or {BACKBONE!r} "
            "without keywords"
        )
    train_only(zegformer, *TRAINED, but=(FROZEN,))
    return SetCriterion(CriterionSettings(**choices))


def segmentation_loss(
    zegformer: ZegFormer, criterion: SetCriterion, images: ImageBatch, labels: Tensor, text: TextFeatures
) -> dict[str, Tensor]:
    """The set criterion on every decoder layer; classes are the words of `head_templates` and no-object.

    Args:
        zegformer: in stage `segmentation`.
        criterion: of the stage.
        images: B images.
        labels: [B, H, W] int64 over the padded input; 255 ignored.
        text: of the S seen classes; frozen.
    """
    outputs = every_layer_outputs(
        zegformer.sem_seg_head,
        zegformer.backbone(images.tensor),
        lambda queries: zegformer.class_head(queries, text.embeddings),
    )
    return criterion(outputs, labels)
