"""The loss of every mask method: queries matched to the classes of an image, then taught their class and their mask.

Written from the papers (MaskFormer, arXiv 2107.06278; Mask2Former, arXiv 2112.01527) and from the methods' published
settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor

from methods.parts.mask_losses import (
    FOCAL_ALPHA,
    FOCAL_GAMMA,
    PixelLoss,
    bce,
    dice,
    focal,
    mean_over_pixels,
    pair_dice_costs,
    pair_pixel_costs,
)
from methods.parts.matcher import IGNORED, Matching, Targets, assign, class_costs, find_targets, nearest
from methods.parts.points import counted_points, sample_logits, sample_masks, uncertain_points


@dataclass(frozen=True)
class CriterionSettings:
    """All numbers of the criterion, plain: `dataclasses.asdict` of it may stand in `Stage.choices`.

    The defaults are Mask2Former's and SAN's.

    Attributes:
        class_weight, mask_weight, dice_weight: of the three losses.
        class_cost, mask_cost, dice_cost: of the same three in matching; 0 leaves the term out.
        no_object_weight: of the no-object class in the weighted mean of the cross-entropy; above 0. The mean divides by the
            weights, so that in a batch without any target "no object" counts in full, whatever it weighs.
        pixel_loss: what the mask loss and its cost are: `bce` or `focal`, with `alpha` and `gamma`.
        points: sampled for each mask; 0: all pixels (dense).
        oversample, importance: see `points.uncertain_points`.
        resolution: of dense losses. `labels`: logits are enlarged to the labels (matching shrinks labels to the logits, as
            MaskFormer does); `logits`: labels are shrunk once to the first output's logits and stand for them ever after:
            16 times cheaper for logits of a quarter of the side. A class that this loses from an image is not taught there.
        ignored: pixels labelled 255 are `negative` for every mask, as in the official code, or `left-out` of mask costs and
            mask losses.
    """

    class_weight: float = 2.0
    mask_weight: float = 5.0
    dice_weight: float = 5.0
    class_cost: float = 2.0
    mask_cost: float = 5.0
    dice_cost: float = 5.0
    no_object_weight: float = 0.1
    pixel_loss: PixelLoss = "bce"
    alpha: float = FOCAL_ALPHA
    gamma: float = FOCAL_GAMMA
    points: int = 12544
    oversample: float = 3.0
    importance: float = 0.75
    resolution: Literal["labels", "logits"] = "labels"
    ignored: Literal["negative", "left-out"] = "negative"

    def __post_init__(self) -> None:
        words = {
            "pixel_loss": ("bce", "focal"),
            "resolution": ("labels", "logits"),
            "ignored": ("negative", "left-out"),
        }
        for name, known in words.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {known}")
        if not self.no_object_weight > 0:
            raise ValueError("no_object_weight must be above 0: a batch without targets has no other loss")
        if self.points < 0 or self.oversample < 1 or not 0 <= self.importance <= 1:
            raise ValueError("expected points >= 0, oversample >= 1 and importance in [0, 1]")


# SAN: Base-coco-stuff-164K-171.yaml and san/config.py.
MASK2FORMER = CriterionSettings()
# SimSeg (criterion.py, matcher.py) and ZegFormer. DeOP's stage 2 is this without the class cost:
# `replace(MASKFORMER, class_cost=0.0)`.
MASKFORMER = CriterionSettings(1.0, 20.0, 1.0, 1.0, 20.0, 1.0, pixel_loss="focal", points=0)


@dataclass(frozen=True)
class MaskOutput:
    """What one decoder layer says.

    Attributes:
        mask_logits: [B, Q, h, w].
        class_logits: [B, Q, S + 1], the last one for no object.
    """

    mask_logits: Tensor
    class_logits: Tensor


def mean_over_processes(count: int, device: torch.device) -> float:
    """A count averaged over all processes of `torch.distributed`, and at least 1."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return float(max(count, 1))
    total = torch.tensor(float(count), device=device)
    torch.distributed.all_reduce(total)
    return max(float(total) / torch.distributed.get_world_size(), 1.0)


def precise(values: Tensor) -> Tensor:
    """Half precision to float32; wider types as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


class SetCriterion:
    """`criterion(outputs, labels)`: weighted losses by name; without parameters or state.

    Args:
        settings: see there; `MASK2FORMER` and `MASKFORMER` are the published ones.
    """

    def __init__(self, settings: CriterionSettings = MASK2FORMER) -> None:
        self.settings = settings

    def __call__(self, outputs: Sequence[MaskOutput], labels: Tensor) -> dict[str, Tensor]:
        """The losses of every layer, each matched on its own; their sum is to be minimised.

        Args:
            outputs: the last layer first, then those of deep supervision.
            labels: [B, H, W] int64 over the padded input: 0..S-1, or 255 ignored.

        Returns:
            `loss_class`, `loss_mask`, `loss_dice` (scalars, float32, weighted), and the same with `_aux0`, `_aux1`, ...

        Raises:
            ValueError: no outputs, outputs of another batch than the labels, or labels outside the range.
        """
        if not outputs or any(len(output.mask_logits) != len(labels) for output in outputs):
            raise ValueError(f"expected one output or more, each of {len(labels)} images as labels are")
        with torch.autocast(labels.device.type, enabled=False):
            first = outputs[0]
            size = (first.mask_logits.shape[-2], first.mask_logits.shape[-1])
            targets = self.targets(labels, size, first.class_logits.shape[-1] - 1)
            masks = mean_over_processes(sum(targets.counts), labels.device)
            losses: dict[str, Tensor] = {}
            for index, output in enumerate(outputs):
                suffix = f"_aux{index - 1}" if index else ""
                found = self._layer(precise(output.mask_logits), precise(output.class_logits), targets, masks)
                losses |= {f"loss_{name}{suffix}": value for name, value in found.items()}
            return losses

    def targets(self, labels: Tensor, size: tuple[int, int], classes: int) -> Targets:
        """What labels [B, H, W] ask of mask logits of a size (h, w), at the resolution of the settings.

        Raises:
            ValueError: labels outside 0..classes-1 and 255.
        """
        if self.settings.resolution == "logits":
            labels = nearest(labels, size, centred=True)
        return find_targets(labels, classes)

    def _layer(
        self, mask_logits: Tensor, class_logits: Tensor, targets: Targets, masks: float
    ) -> dict[str, Tensor]:
        """[B, Q, h, w] and [B, Q, S + 1] -> the three weighted losses of one layer."""
        settings = self.settings
        matching = self.match(mask_logits, class_logits, targets)
        of_pixels, of_areas = self.mask_losses(mask_logits, matching, targets)
        return {
            "class": settings.class_weight * self._class_loss(class_logits, matching, targets),
            "mask": settings.mask_weight * of_pixels / masks,
            "dice": settings.dice_weight * of_areas / masks,
        }

    @torch.no_grad()
    def match(self, mask_logits: Tensor, class_logits: Tensor | None, targets: Targets) -> Matching:
        """The cheapest assignment of an image's queries to its classes; [B, Q, h, w], [B, Q, S + 1] or None: by masks alone."""
        settings = self.settings
        logits, masks, weights = self._all_points(mask_logits, targets)
        costs = logits.new_zeros(*logits.shape[:2], masks.shape[1])
        if class_logits is not None and settings.class_cost:
            costs += settings.class_cost * class_costs(class_logits, targets.classes)
        if settings.mask_cost:
            pixels = pair_pixel_costs(
                settings.pixel_loss, logits, masks, weights, settings.alpha, settings.gamma
            )
            costs += settings.mask_cost * pixels
        if settings.dice_cost:
            costs += settings.dice_cost * pair_dice_costs(logits, masks, weights)
        return assign(costs, targets.counts)

    def _all_points(self, mask_logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor, Tensor | None]:
        """Where all queries of an image meet all its targets: logits [B, Q, P], masks [B, T, P], weights [B, P]."""
        left_out = self.settings.ignored == "left-out"
        if not self.settings.points:
            size = (mask_logits.shape[-2], mask_logits.shape[-1])
            masks = targets.masks(size).to(mask_logits.dtype)
            weights = nearest(targets.labels, size).flatten(1) != IGNORED if left_out else None
            return mask_logits.flatten(2), masks, None if weights is None else weights.to(masks.dtype)
        points = torch.rand(len(mask_logits), self.settings.points, 2, device=mask_logits.device)
        points = points.to(mask_logits.dtype)
        images = torch.arange(len(mask_logits), device=mask_logits.device)
        masks = sample_masks(targets.labels, images, points, targets.classes, left_out)
        weights = counted_points(targets.labels, images, points).to(masks.dtype) if left_out else None
        return sample_logits(mask_logits, points), masks, weights

    def _class_loss(self, class_logits: Tensor, matching: Matching, targets: Targets) -> Tensor:
        """Cross-entropy over all queries, those without a target taught "no object"; [B, Q, S + 1] -> scalar."""
        no_object = class_logits.shape[-1] - 1
        wanted = torch.full(class_logits.shape[:2], no_object, device=class_logits.device)
        wanted[matching.images, matching.queries] = targets.classes[matching.images, matching.targets]
        weights = class_logits.new_ones(no_object + 1)
        weights[no_object] = self.settings.no_object_weight
        return F.cross_entropy(class_logits.flatten(0, 1), wanted.flatten(), weights)

    def mask_losses(self, mask_logits: Tensor, matching: Matching, targets: Targets) -> tuple[Tensor, Tensor]:
        """Pixel loss and dice of [B, Q, h, w], unweighted, summed over matched pairs: 0, tied to the logits, without any."""
        matched = mask_logits[matching.images, matching.queries]
        if not len(matched):
            # The sum of nothing: 0 even beside infinite logits, and part of the graph.
            return matched.sum(), matched.sum()
        settings, classes = self.settings, targets.classes[matching.images, matching.targets]
        compare = self._at_points if settings.points else self._at_pixels
        logits, masks, weights = compare(matched, targets.labels, matching.images, classes)
        is_bce = settings.pixel_loss == "bce"
        losses = bce(logits, masks) if is_bce else focal(logits, masks, settings.alpha, settings.gamma)
        return mean_over_pixels(losses, weights).sum(), dice(logits, masks, weights).sum()

    def _at_pixels(
        self, matched: Tensor, labels: Tensor, images: Tensor, classes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Matched logits [N, h, w] of classes [N], at all pixels: logits, masks and weights [N, P]."""
        if matched.shape[-2:] != labels.shape[-2:]:
            size = (labels.shape[-2], labels.shape[-1])
            matched = F.interpolate(matched[:, None], size, mode="bilinear", align_corners=False)[:, 0]
        masks = labels.flatten(1)[images] == classes[:, None]
        weights = None
        if self.settings.ignored == "left-out":
            weights = (labels.flatten(1) != IGNORED).to(matched.dtype)[images]
        return matched.flatten(1), masks.to(matched.dtype), weights

    def _at_points(
        self, matched: Tensor, labels: Tensor, images: Tensor, classes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Matched logits [N, h, w] of classes [N], at points drawn for each: logits, masks and weights [N, P]."""
        settings = self.settings
        left_out = settings.ignored == "left-out"
        numbers = (settings.points, settings.oversample, settings.importance)
        points = uncertain_points(matched, *numbers, *((labels, images) if left_out else ()))
        points = points.to(matched.dtype)
        masks = sample_masks(labels, images, points, classes[:, None], left_out)[:, 0]
        weights = counted_points(labels, images, points).to(masks.dtype) if left_out else None
        return sample_logits(matched[:, None], points)[:, 0], masks, weights
