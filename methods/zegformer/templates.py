"""ZegFormer's prompts: the segmentation stream's classifier and CLIP's have each their own set. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SYNONYMS: Final = ", "  # a class name with it is a list of words, all averaged (ADE20k-Full has such names)

SINGLE: Final = ("A photo of a {} in the scene",)
# The authors' IMAGENET_TEMPLATES_SELECT; "a origami" is theirs.
IMAGENET_SELECT: Final = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
    "A photo of a {} in the scene",
)
# IMAGENET_TEMPLATES_SELECT_CLIP, in its order; the full stops are irregular there.
IMAGENET_SELECT_CLIP: Final = (
    "a bad photo of the {}.",
    "a photo of the large {}.",
    "a photo of the small {}.",
    "a cropped photo of a {}.",
    "This is a photo of a {}",
    "This is a photo of a small {}",
    "This is a photo of a medium {}",
    "This is a photo of a large {}",
    "This is a masked photo of a {}",
    "This is a masked photo of a small {}",
    "This is a masked photo of a medium {}",
    "This is a masked photo of a large {}",
    "This is a cropped photo of a {}",
    "This is a cropped photo of a small {}",
    "This is a cropped photo of a medium {}",
    "This is a cropped photo of a large {}",
    "A photo of a {} in the scene",
    "a bad photo of the {} in the scene",
    "a photo of the large {} in the scene",
    "a photo of the small {} in the scene",
    "a cropped photo of a {} in the scene",
    "a photo of a masked {} in the scene",
    "There is a {} in the scene",
    "There is the {} in the scene",
    "This is a {} in the scene",
    "This is the {} in the scene",
    "This is one {} in the scene",
    "There is a masked {} in the scene",
    "There is the masked {} in the scene",
    "This is a masked {} in the scene",
    "This is the masked {} in the scene",
    "This is one masked {} in the scene",
)

IMAGENET: Final = "imagenet"  # the 80 of OpenAI's notebook; in no released evaluation of ZegFormer's
_LISTED: Final = {
    "single": SINGLE,
    "imagenet_select": IMAGENET_SELECT,
    "imagenet_select_clip": IMAGENET_SELECT_CLIP,
}
TEMPLATE_SETS: Final = (*_LISTED, IMAGENET)


def template_set(name: str) -> tuple[str, ...]:
    """The templates of one of `TEMPLATE_SETS`."""
    if name == IMAGENET:
        from open_clip import OPENAI_IMAGENET_TEMPLATES

        return tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)
    return _LISTED[name]


def synonyms(name: str) -> list[str]:
    """The words of one class name; a name of nothing but separators stays as it is."""
    return [word for word in name.split(SYNONYMS) if word.strip()] or [name]


def class_prompts(names: Sequence[str], templates: Sequence[str]) -> tuple[list[str], list[int]]:
    """All prompts, class by class, and how many each class has (its synonyms times the templates)."""
    words = [synonyms(name) for name in names]
    prompts = [template.format(word.strip()) for each in words for word in each for template in templates]
    return prompts, [len(each) * len(templates) for each in words]
