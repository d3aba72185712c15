"""What segmenters say to a CLIP about a class: the sentences that the small CLIP must understand beside its captions."""

from __future__ import annotations

from typing import Final

from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

from benchbed.datasets.shapes import CLASSES
from benchbed.vocabulary import VILD_TEMPLATES

PROMPT: Final = "a photo of a {}"  # of the zero-shot test
# By family, each as likely as the others: bare names, ViLD's, ImageNet's, and what else the two-stream methods say.
FAMILIES: Final = (
    ("{}", "a {}", PROMPT, "A photo of a {} in the scene"),
    VILD_TEMPLATES,
    tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES),
    (
        "This is the {} in the scene",
        "This is one {} in the scene",
        "This is a cropped photo of a {}",
        "This is a masked photo of a {}",
        "There is a masked {} in the scene",
        "This is one masked {} in the scene",
    ),
)


def all_prompts() -> list[str]:
    """Every sentence about every class."""
    return [template.format(name) for family in FAMILIES for template in family for name in CLASSES]
