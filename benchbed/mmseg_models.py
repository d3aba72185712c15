"""Every method in mmsegmentation's registry, under one name: `dict(type="BenchbedSegmenter", method="san/vit-b16")`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.registry import MODELS

from benchbed.registry import load_method
from benchbed.segmenter import Segmenter
from benchbed.vocabulary import Vocabulary


@MODELS.register_module(name="BenchbedSegmenter")
def build_segmenter(
    method: str,
    checkpoint: str | None = None,
    classes: Sequence[str] | None = None,
    **overrides: Any,
) -> Segmenter:
    """Build a method for an mmengine config.

    Args:
        method: `method` or `method/variant`, a third party's too.
        checkpoint: an official checkpoint, "shipped" for the weights that come with the variant, or None for random weights.
        classes: class names; None takes them from the dataset that the runner hands over.
        overrides: as for `benchbed.load_method`.
    """
    segmenter = load_method(method, checkpoint, **overrides)
    if classes:
        segmenter.set_vocabulary(Vocabulary(tuple(classes), (True,) * len(classes)))
    return segmenter
