"""SimSeg's choices at inference that no tensor tells, and what was published for each dataset. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from benchbed.errors import UsageError
from methods.parts.keywords import check_known, one_of

LEARNABLE: Final = "learnable"
SINGLE: Final = (
    "single"  # "a sculpture of a {}.", PREDEFINED_PROMPT_TEMPLATES of every configuration that has one
)
PROMPTS: Final = (LEARNABLE, "vild", "imagenet", SINGLE)


@dataclass(frozen=True)
class Settings:
    """How proposals are cut, named and fused; the defaults are the zero-shot COCO-Stuff configuration's.

    Attributes:
        mask_threshold: a pixel is in the crop where sigmoid(mask logit) is above it, 0 to 1 (MASK_THR).
        ensemble_weight: w of the geometric mean (CLIP_ENSEMBLE_WEIGHT): a seen class takes own^w * crop^(1-w), an unseen
            one own^(1-w) * crop^w. 0 or less: the crop stream alone; None: the own stream alone (CLIP_ENSEMBLE False).
        prompts: one of `PROMPTS`, of the own stream, and of the crop stream unless `separate_adapter`.
        separate_adapter: the crop stream has prompts of its own (SEPERATE_ADAPTER, as in the VOC configuration).
        region_prompts: one of `PROMPTS`, of the crop stream under `separate_adapter`.
        trainable_flag: classes that the vocabulary calls seen take the formula for seen ones; False: every class takes the
            formula for unseen ones, as where a dataset has no flags (cross-dataset).
        whole_last_block: run CLIP's last block for every token although CLS alone is read, as the official code does.
    """

    mask_threshold: float = 0.5
    ensemble_weight: float | None = 0.8
    prompts: str = LEARNABLE
    separate_adapter: bool = False
    region_prompts: str = LEARNABLE
    trainable_flag: bool = True
    whole_last_block: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.mask_threshold < 1:
            raise UsageError(
                f"mask_threshold={self.mask_threshold}: expected a probability from 0 to below 1, e.g. 0.5"
            )
        if self.ensemble_weight is not None and not self.ensemble_weight <= 1:
            raise UsageError(
                f"ensemble_weight={self.ensemble_weight}: expected at most 1, e.g. 0.8; 0 for crops alone, None for none"
            )
        for name in ("prompts", "region_prompts"):
            one_of(name, getattr(self, name), PROMPTS)


def settings(keywords: Mapping[str, Any]) -> Settings:
    """Settings from keywords.

    Raises:
        UsageError: a keyword that there is none of, or a value out of range.
    """
    check_known("SimSeg", Settings, keywords)
    return Settings(**keywords)


# configs/coco-stuff-164k-156 (learned prompt) and voc-11k-20/..._test_only, which tests the same model on all of VOC.
ZERO_SHOT: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "coco-stuff": {"mask_threshold": 0.5, "ensemble_weight": 0.8},
        "voc": {"mask_threshold": 0.5, "ensemble_weight": 0.4},
    }
)
# configs/*/cross_dataset*: ViLD's prompts, and no trainable_flag in these datasets' metadata.
CROSS_DATASET: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "pascal-context-59": {"mask_threshold": 0.5, "ensemble_weight": 0.4},
        "ade20k-150": {"mask_threshold": 0.4, "ensemble_weight": 0.5},
        "ade20k-847": {"mask_threshold": 0.3, "ensemble_weight": 0.7},
        "cityscapes": {"mask_threshold": 0.3, "ensemble_weight": 0.4},
    }
)
# configs/voc-11k-15, trained on VOC's 15 seen classes; its weights were never released.
VOC_15: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "mask_threshold": 0.5,
        "ensemble_weight": 0.7,
        "prompts": SINGLE,
        "separate_adapter": True,
        "region_prompts": LEARNABLE,
    }
)
