"""SAN/tiny in one of its stages, with scenes and words to train on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from scene_lessons import SEEN

from benchbed.segmenter import TextFeatures
from methods.san import METHOD
from methods.san.model import SAN, build
from methods.san.recipe import recipe

TINY = next(variant for variant in METHOD.variants if variant.embedded)
MASKS, STAGE = recipe("tiny", "shapes").stages


def tiny(
    seed: int = 0, choices: Mapping[str, Any] | None = None, stage: str = STAGE.name, **changes: Any
) -> SAN:
    torch.manual_seed(seed)
    san: SAN = build(**{**TINY.config, **changes}).train()
    return san.begin_stage(stage, **(STAGE.choices if choices is None else choices))


def losses_alone(choices: Mapping[str, Any]) -> dict[str, Any]:
    """What `CriterionSettings` takes."""
    others = ("supervised", "positions", "bias_weight")
    return {name: value for name, value in choices.items() if name not in others}


def random_text(san: SAN, count: int = len(SEEN)) -> TextFeatures:
    rows = torch.randn(count, san.size.clip.embed_dim, generator=torch.Generator().manual_seed(5))
    return TextFeatures(torch.nn.functional.normalize(rows, dim=-1))
