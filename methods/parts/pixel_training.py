"""What the pixel-level methods share under training: one stage, in which everything but the text side learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchbed.errors import UsageError
from benchbed.segmenter import Segmenter
from methods.parts.pixel_recipe import PIXELS


def begin_pixels(segmenter: Segmenter, name: str, choices: Mapping[str, Any]) -> None:
    """Say by `requires_grad` that all but CLIP's text tower is trained.

    Args:
        segmenter: changed in place; frozen norms are its own affair.
        name: `pixels`.
        choices: none are known.

    Raises:
        UsageError: another stage, or choices.
    """
    if name != PIXELS or choices:
        raise UsageError(
            f"{type(segmenter).__name__} has no training stage {name!r} with {dict(choices)}: "
            f"expected {PIXELS!r} without keywords"
        )
    for parameter_name, parameter in segmenter.named_parameters():
        parameter.requires_grad_(not parameter_name.startswith(segmenter.text_prefixes))
