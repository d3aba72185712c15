"""SAN under training: the outputs of the last side blocks, each named by CLIP, for Mask2Former's criterion (section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchbed.errors import UsageError
from benchbed.segmenter import TextFeatures
from methods.parts.set_criterion import CriterionSettings, MaskOutput, SetCriterion
from methods.san.mask_decoder import Proposals

if TYPE_CHECKING:
    from methods.san.model import SAN

STAGE = "side-adapter"


@dataclass(frozen=True)
class SideAdapterStage:
    """The one stage of SAN's training.

    Attributes:
        criterion: compares outputs with the truth.
        supervised: how many of the side network's last blocks give an output (DEEP_SUPERVISION_IDXS: blocks 7 and 8 of 8).
        positions: whether CLIP's position table is learnt too, as the authors do.
    """

    criterion: SetCriterion
    supervised: int
    positions: bool = True

    def losses(self, san: SAN, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """The criterion's losses for images [B, 3, H, W] and labels [B, H, W] of the classes in `text`."""
        return self.criterion(outputs(san, images, text, self.supervised), labels)


def side_adapter_stage(name: str, choices: Mapping[str, Any], blocks: int) -> SideAdapterStage:
    """A stage from a recipe's plain values: `supervised` (2), `positions` (True) and the fields of `CriterionSettings`.

    Raises:
        UsageError: another stage's name, or more supervised blocks than the side network has.
    """
    if name != STAGE:
        raise UsageError(f"SAN has no training stage {name!r}: its only one is {STAGE!r}")
    settings = dict(choices)
    supervised = int(settings.pop("supervised", 2))
    if not 1 <= supervised <= blocks:
        raise UsageError(f"supervised={supervised}: expected 1 to {blocks}, the side network's blocks")
    positions = bool(settings.pop("positions", True))
    return SideAdapterStage(SetCriterion(CriterionSettings(**settings)), supervised, positions)


def outputs(san: SAN, images: Tensor, text: TextFeatures, supervised: int) -> list[MaskOutput]:
    """Masks and class logits of the last `supervised` side blocks, the last block first.

    Mask decoder and CLIP's deep blocks are shared. A mask token sees none of another mask, so that CLIP names the masks of all
    blocks in one pass; the authors run one a block, with the same result.

    Args:
        san: the network.
        images: [B, 3, H, W].
        text: K classes; class logits are [B, Q, K + 1].
        supervised: at least 1.
    """
    seen = san.see(san.clip_input(images))
    tokens, side_grid = san.side.last_blocks(images, seen.states, seen.grid, supervised)
    proposed = [san.decoder(queries, patches, side_grid) for queries, patches in reversed(tokens)]
    together = Proposals(
        torch.cat([each.masks for each in proposed], 1), torch.cat([each.bias for each in proposed], 2)
    )
    logits = san.classify(san.name(together, seen), text)
    named = logits.split(san.size.queries, dim=1)
    return [MaskOutput(each.masks, classes) for each, classes in zip(proposed, named, strict=True)]
