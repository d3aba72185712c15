"""A stage of ours before the authors': queries learn to cover regions and where CLIP shall look; nothing is named yet.

A region is all that one class covers in one image, as everywhere in the set criterion; two things of one class are one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.errors import UsageError
from benchbed.segmenter import TextFeatures
from methods.parts.matcher import Matching, Targets
from methods.parts.set_criterion import CriterionSettings, SetCriterion, mean_over_processes, precise
from methods.san.outputs import supervised_proposals
from methods.san.recipe import MASKS, OF_NAMES_ALONE
from methods.san.recognition import steering

if TYPE_CHECKING:
    from methods.san.model import SAN


@dataclass(frozen=True)
class MasksStage:
    """Regions and queries are matched one to one, by masks alone; a matched query's mask and biases are compared with its region.

    CLIP names little under a bias that looks elsewhere, and names that are wrong teach the side network little. A bias that
    starts on its region is one that names can refine.

    Attributes:
        criterion: its mask and dice terms, matched by these alone.
        supervised: how many of the side network's last blocks give an output.
        bias_weight: of the Kullback-Leibler divergence of biases, in nats; 2 makes a nat of looking elsewhere weigh somewhat
            more than the weighted dice loss of a mask whose IoU is a half (5/3).
    """

    learns: ClassVar = ("side.", "decoder.")

    criterion: SetCriterion
    supervised: int
    bias_weight: float

    def losses(self, san: SAN, images: Tensor, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """`loss_mask`, `loss_dice` and `loss_bias` of the last block, with `_aux0` and so on of those before it.

        Weighted sums over regions, divided by their mean number in a process's batch.

        Args:
            san: the network.
            images: [B, 3, H, W].
            labels: [B, H, W] of the classes in `text`; 255 is outside every region.
            text: only counted.

        Raises:
            ValueError: labels outside the classes.
        """
        proposed, seen = supervised_proposals(san, images, self.supervised)
        with torch.autocast(labels.device.type, enabled=False):
            size = (proposed[0].masks.shape[-2], proposed[0].masks.shape[-1])
            targets = self.criterion.targets(labels, size, len(text.embeddings))
            touched = cells_touched(labels, targets.classes, seen.grid)
            regions = mean_over_processes(sum(targets.counts), labels.device)
            losses: dict[str, Tensor] = {}
            for index, block in enumerate(proposed):
                biases = precise(steering(block.bias, seen.grid))
                found = self._block(precise(block.masks), biases, touched, targets)
                suffix = f"_aux{index - 1}" if index else ""
                losses |= {f"loss_{name}{suffix}": value / regions for name, value in found.items()}
            return losses

    def _block(self, masks: Tensor, biases: Tensor, touched: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Mask logits [B, Q, h, w], biases [B, heads, Q, P], cells [B, T, P] -> weighted sums over the regions of a batch."""
        settings = self.criterion.settings
        matching = self.criterion.match(masks, None, targets)
        of_pixels, of_areas = self.criterion.mask_losses(masks, matching, targets)
        nats = divergence_from_even(*matched_biases(biases, touched, matching))
        return {
            "mask": settings.mask_weight * of_pixels,
            "dice": settings.dice_weight * of_areas,
            "bias": self.bias_weight * nats.mean(-1).sum(),
        }


def masks_stage(supervised: int, bias_weight: float = 2.0, **settings: Any) -> MasksStage:
    """The stage from a recipe's plain values, `settings` being fields of `CriterionSettings`.

    Raises:
        UsageError: a choice that only names have a use for, or ignored pixels left out, which biases do not know.
    """
    _refuse(settings)
    return MasksStage(SetCriterion(CriterionSettings(**settings)), supervised, bias_weight)


def _refuse(settings: Mapping[str, Any]) -> None:
    of_names = [name for name in OF_NAMES_ALONE if name in settings]
    if of_names:
        raise UsageError(
            f"SAN's stage {MASKS!r} has no use for {', '.join(of_names)}: it names nothing; leave it out"
        )
    if settings.get("ignored", "negative") != "negative":
        raise UsageError(
            f"ignored={settings['ignored']!r}: SAN's stage {MASKS!r} takes ignored pixels as negative; leave it out"
        )


def cells_touched(labels: Tensor, classes: Tensor, grid: tuple[int, int]) -> Tensor:
    """Which cells of CLIP's grid any pixel of a region lies in: [B, H, W], [B, T] (-1: none) -> [B, T, P] of 0 and 1.

    Cells that a region only touches belong to it: its shape is told by its edge.
    """
    regions = (labels[:, None] == classes[:, :, None, None]).float().flatten(0, 1)
    return F.adaptive_max_pool2d(regions[:, None], grid).view(*classes.shape, grid[0] * grid[1])


def matched_biases(biases: Tensor, touched: Tensor, matching: Matching) -> tuple[Tensor, Tensor]:
    """The biases [B, heads, Q, P] of N matched queries and the cells [B, T, P] of their regions: two of [N, heads, P]."""
    biases = biases[matching.images, :, matching.queries]
    cells = touched[matching.images, matching.targets].to(biases.dtype)
    return biases, cells[:, None].expand_as(biases)


def divergence_from_even(biases: Tensor, touched: Tensor) -> Tensor:
    """How far biases [..., P] are from looking evenly at the cells touched [..., P] (0 or 1, one at least), nats [...].

    KL(even || softmax(biases)), the Kullback-Leibler divergence of the even distribution over the cells touched from the
    attention to patches that a bias alone makes: 0 where all cells touched have one bias and all others far less. A
    cross-entropy cell by cell would let biases grow without bound, and a mask token look at one cell. How much a token looks at
    itself follows from the level of its biases, which is left to names.
    """
    count = touched.sum(-1)
    inside = torch.where(touched > 0, biases.log_softmax(-1), 0.0)
    return -inside.sum(-1) / count - count.log()
