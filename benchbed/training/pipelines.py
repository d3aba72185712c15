"""An `Augmentation` as a list of mmsegmentation's transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import mmseg.datasets.transforms  # noqa: F401  (registers mmsegmentation's transforms)

import benchbed.training.quarter_turns
import benchbed.training.seen_labels  # noqa: F401  (registers ours)
from benchbed.training.recipe import Augmentation
from benchbed.training.seen_labels import IGNORED

# detectron2's mask-former dataset mappers pad the uint8 image with 128, before it is normalised.
PADDING: Final = 128


def training_pipeline(augmentation: Augmentation, seen_table: Sequence[int]) -> list[dict[str, Any]]:
    """The transforms of one training image, in the order of detectron2's mappers: labels, size, crop, colour, flip, padding.

    Labels become 0..S-1 for seen classes and 255 for all else before anything else happens, and are resized by
    nearest neighbour, so that every label afterwards is one of these. With a crop every image comes out as
    [crop, crop]; without one, images keep their own sizes and the segmenter's preprocessor pads the batch.

    What is not as in detectron2, which the authors of the mask methods used:
    - images shrink by OpenCV's bilinear filter, which looks at 2 x 2 pixels whatever the factor; detectron2's (PIL's)
      averages over all pixels that a new one covers, as benchbed does in evaluation;
    - the hue shift is -18..17 (of 180), not -18..18;
    - a crop that is no multiple of the network's stride is padded up to one after normalisation, with 0.

    Args:
        augmentation: of a recipe's stage.
        seen_table: from `benchbed.training.seen_labels.seen_table`.

    Returns:
        Configurations for `mmengine.dataset.Compose`, plain values, to be put behind `TrainingScenes`' loading.
    """
    steps: list[dict[str, Any]] = [{"type": "mmseg.BenchbedSeenLabels", "table": tuple(seen_table)}]
    if augmentation.short_sides:
        steps.append(_resize(augmentation))
    if augmentation.quarter_turns:
        steps.append({"type": "mmseg.BenchbedQuarterTurns"})
    if augmentation.crop:
        crop = (augmentation.crop, augmentation.crop)
        # A largest share of 1 for one category is none: detectron2's SINGLE_CATEGORY_MAX_AREA 1.0.
        steps.append(
            {"type": "mmseg.RandomCrop", "crop_size": crop, "cat_max_ratio": 1.0, "ignore_index": IGNORED}
        )
    if augmentation.colour:
        steps.append({"type": "mmseg.PhotoMetricDistortion"})
    if augmentation.flip:
        steps.append({"type": "mmseg.RandomFlip", "prob": 0.5, "direction": "horizontal"})
    if augmentation.crop:
        steps.append({"type": "Pad", "size": crop, "pad_val": {"img": PADDING, "seg": IGNORED}})
    return [*steps, {"type": "mmseg.PackSegInputs"}]


def _resize(augmentation: Augmentation) -> dict[str, Any]:
    return {
        "type": "RandomChoiceResize",
        "scales": list(augmentation.short_sides),
        "resize_type": "mmseg.ResizeShortestEdge",
        "max_size": augmentation.longest_side,
    }
