"""The book of how far each stage of each method is from the official code's output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

# What an array's name (golden/README.md, "expected.npz by method") means, in the order of a forward pass.
STAGES: Final = (
    ("text embeddings", r"text_(embeddings|features)"),
    ("network input", r"(side_|clip_)?input"),
    ("image encoder: four hooked blocks", r"vit_hook"),
    ("backbone", r"backbone_res"),
    ("CLIP, shallow blocks: patches", r"clip_feature_\d+_img"),
    ("CLIP, shallow blocks: CLS", r"clip_feature_\d+_cls_token"),
    ("side network", r"side_(query|pixel)"),
    ("decoder", r"path\d"),
    ("pixel embeddings", r"pixel_features"),
    ("mask logits", r"mask_logits"),
    ("attention biases", r"attn_bias"),
    ("CLIP, deep blocks: mask embeddings", r"mask_embeddings"),
    ("CLIP around the severed block", r"clip_(layer|grid)"),
    ("proposal embeddings", r"proposal_features"),
    ("class logits", r"class_logits"),
    ("which proposals are valid", r"valid_flag"),
    ("crops", r"clip_crops"),
    ("crops, cut by the official masks", r"official_masks_clip_crops"),
    ("CLIP features of crops", r"clip_image_features"),
    ("CLIP logits of crops", r"clip_logits"),
    ("class probabilities, both streams", r"class_probs"),
    ("class maps at network size", r"sem_seg_net_res"),
    ("class maps at image size", r"sem_seg\d"),
    ("class maps, multi-scale evaluator", r"multieval"),
)
SAME_LABELS: Final = 0.999  # of the pixels of a label map; the others must be ties of float rounding


@dataclass(frozen=True)
class Entry:
    """One array beside the official one: `off` is max |ours - official| / max |official|."""

    method: str
    case: str
    array: str
    off: float
    tolerance: float
    values: int

    @property
    def stage(self) -> str:
        """The stage in words; an array that no stage knows stands for itself."""
        return next((stage for stage, pattern in STAGES if re.match(pattern, self.array)), self.array)

    @property
    def agrees(self) -> bool:
        """Whether it is below the tolerance; what is not a number never is."""
        return self.off < self.tolerance


@dataclass(frozen=True)
class LabelMap:
    """One label map beside the argmax of official scores; `worst` is the official score lost, relative to the largest."""

    method: str
    case: str
    array: str
    pixels: int
    differing: int
    worst: float


def distance(ours: NDArray[Any], official: NDArray[Any]) -> float:
    """max |ours - official| / max |official|, in float64; infinite where anything is not finite or shapes differ."""
    if ours.shape != official.shape:
        return float("inf")
    mine, theirs = ours.astype(np.float64), official.astype(np.float64)
    if not (np.isfinite(mine).all() and np.isfinite(theirs).all()):
        return float("inf")
    largest, scale = np.abs(mine - theirs).max(), np.abs(theirs).max()
    if largest == 0:
        return 0.0
    return float(largest / scale) if scale else float("inf")


class ParityLedger:
    """Golden tests compare through it; it notes every comparison, agreeing or not, and then asserts."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.label_maps: list[LabelMap] = []

    def compare(
        self,
        method: str,
        case: str,
        ours: Mapping[str, Tensor],
        official: Mapping[str, NDArray[Any]],
        tolerance: float,
    ) -> None:
        """Every official array must have one of ours, of its shape and below `tolerance`.

        Args:
            method: as the folder of golden cases names it.
            case: the folder below it.
            ours: tensors by the arrays' names; more than official ones are in order.
            official: what the official code made; at least one array.
            tolerance: of `distance`.

        Raises:
            AssertionError: naming all arrays that are missing, misshapen or too far off.
        """
        missing = sorted(set(official) - set(ours))
        assert not missing, f"expected.npz has arrays that this test does not compute: {missing}"
        assert official, f"{method}/{case} has no arrays"
        found = {key: ours[key].detach().numpy() for key in official}
        entries = [
            Entry(method, case, key, distance(found[key], theirs), tolerance, theirs.size)
            for key, theirs in official.items()
        ]
        self.entries += entries
        shapes = {key: (found[key].shape, theirs.shape) for key, theirs in official.items()}
        misshapen = {key: pair for key, pair in shapes.items() if pair[0] != pair[1]}
        assert not misshapen, f"shapes of ours and the official array: {misshapen}"
        far = {entry.array: entry.off for entry in entries if not entry.agrees}
        assert not far, f"relative differences not below {tolerance:g}: {far}"

    def compare_labels(
        self, method: str, case: str, array: str, labels: Tensor, official: NDArray[Any], tolerance: float
    ) -> None:
        """A label map [H, W] must be the argmax of the official scores [K, H, W], but where scores tie within `tolerance`.

        Raises:
            AssertionError: of another size; a pixel's class scores less than the best by more than `tolerance` of the
                largest score; or more than 0.1 % of the pixels differ.
        """
        mine = labels.numpy().astype(np.int64)
        assert mine.shape == official.shape[1:], f"{array}: {mine.shape} labels, {official.shape} scores"
        chosen = np.take_along_axis(official, mine[None], 0)[0]
        worst = float((official.max(0) - chosen).max() / np.abs(official).max())
        same = mine == official.argmax(0)
        self.label_maps.append(LabelMap(method, case, array, mine.size, int((~same).sum()), worst))
        assert worst <= tolerance, f"{array}: a pixel's class loses {worst:.1e} of the largest score"
        assert same.mean() > SAME_LABELS, f"{array}: {same.mean():.4%} of the labels are the official ones"
