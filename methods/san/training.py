"""SAN's stages of training: the authors' one, Mask2Former's criterion on named masks (section 3.3), and `masks` before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor

from benchbed.errors import UsageError
from benchbed.segmenter import TextFeatures
from methods.parts.backbone_recipe import BACKBONE
from methods.parts.set_criterion import CriterionSettings, SetCriterion
from methods.san.masks_stage import MasksStage, masks_stage
from methods.san.outputs import outputs
from methods.san.recipe import MASKS, SIDE_ADAPTER

if TYPE_CHECKING:
    from methods.san.model import SAN

BACKGROUND: Final = "bg_embed"
POSITIONS: Final = "clip.positional_embedding"


@dataclass(frozen=True)
class SideAdapterStage:
    """The one stage of the authors' training.

    Attributes:
        criterion: compares outputs with the truth.
        supervised: how many of the side network's last blocks give an output (DEEP_SUPERVISION_IDXS: blocks 7 and 8 of 8).
        positions: whether CLIP's position table is learnt too, as the authors do.
    """

    criterion: SetCriterion
    supervised: int
    positions: bool = True

    @property
    def learns(self) -> tuple[str, ...]:
        """Beginnings of the names of parameters that learn."""
        return (*MasksStage.learns, BACKGROUND, *((POSITIONS,) if self.positions else ()))

    def losses(self, san: SAN, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """The criterion's losses for images [B, 3, H, W] and labels [B, H, W] of the classes in `text`."""
        return self.criterion(outputs(san, images, text, self.supervised), labels)


def training_stage(name: str, choices: Mapping[str, Any], blocks: int) -> SideAdapterStage | MasksStage:
    """A stage from a recipe's plain values.

    Args:
        name: `side-adapter` or `masks`.
        choices: `supervised` (2) and the fields of `CriterionSettings`; `positions` (True) is of `side-adapter` alone,
            `bias_weight` (2) of `masks`.
        blocks: how many the side network has.

    Raises:
        UsageError: another stage's name, more supervised blocks than the side network has, or a choice that the stage has
            no use for.
    """
    if name not in (SIDE_ADAPTER, MASKS):
        raise UsageError(
            f"SAN has no training stage {name!r}: it has {SIDE_ADAPTER!r} and, before it, {BACKBONE!r} and {MASKS!r}"
        )
    settings = dict(choices)
    supervised = int(settings.pop("supervised", 2))
    if not 1 <= supervised <= blocks:
        raise UsageError(f"supervised={supervised}: expected 1 to {blocks}, the side network's blocks")
    if name == MASKS:
        return masks_stage(supervised, **settings)
    if "bias_weight" in settings:
        raise UsageError(
            f"SAN's stage {SIDE_ADAPTER!r} has no use for bias_weight, which is of {MASKS!r}; leave it out"
        )
    positions = bool(settings.pop("positions", True))
    return SideAdapterStage(SetCriterion(CriterionSettings(**settings)), supervised, positions)
