"""What the pixel-level methods share under training: everything but the text side learns, after the backbone alone, if asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchbed.errors import UsageError
from benchbed.segmenter import Segmenter
from methods.parts.backbone_recipe import BACKBONE
from methods.parts.mask_former_training import train_only
from methods.parts.pixel_recipe import PIXELS


def begin_pixels(segmenter: Segmenter, name: str, choices: Mapping[str, Any], backbone: str) -> None:
    """Say by `requires_grad` what is trained: all but CLIP's text tower, or the backbone alone.

    Args:
        segmenter: changed in place; frozen norms are its own affair.
        name: `pixels` or `backbone`.
        choices: none are known.
        backbone: what the backbone's parameters begin with, with the dot.

    Raises:
        UsageError: another stage, or choices.
    """
    if name not in (PIXELS, BACKBONE) or choices:
        raise UsageError(
            f"{type(segmenter).__name__} has no training stage {name!r} with {dict(choices)}: "
            f"expected {PIXELS!r} or {BACKBONE!r} without keywords"
        )
    if name == BACKBONE:
        train_only(segmenter, backbone)
        return
    for parameter_name, parameter in segmenter.named_parameters():
        parameter.requires_grad_(not parameter_name.startswith(segmenter.text_prefixes))
