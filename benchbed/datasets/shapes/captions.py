"""Captions: short English sentences that name every visible object's class and nothing else.

Each sentence holds the class names word for word ("striped triangle", or "two striped triangles"), so that
the CLIP trained on them learns the names the vocabulary uses, unseen classes included.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchbed.datasets.shapes.random_stream import Stream

NUMBERS = ("no", "a", "two", "three", "four", "five", "six")

# `{}` takes the list of objects.
TEMPLATES = (
    "a photo of {}",
    "a picture of {}",
    "an image of {}",
    "a snapshot of {}",
    "a photo showing {}",
    "{} on the ground",
    "{} lying on the ground",
    "{} seen from above",
    "a cluttered scene with {}",
    "here we see {}",
    "{}",
)
PAIRS = ("{} next to {}", "{} beside {}", "{} together with {}", "{} and {}")
FROM_LEFT = "from left to right: {}"


def caption_of(names: Sequence[str], stream: Stream) -> str:
    """A caption that names `names`, the visible objects' class names from left to right."""
    counted = {name: names.count(name) for name in names}
    if len(counted) == len(names) > 1 and stream.chance(1, 6):
        return FROM_LEFT.format(_listed([_phrase(name, 1) for name in names]))
    phrases = stream.shuffled([_phrase(name, count) for name, count in counted.items()])
    listed = stream.choice(PAIRS).format(*phrases) if len(phrases) == 2 else _listed(phrases)
    return stream.choice(TEMPLATES).format(listed)


def _phrase(name: str, count: int) -> str:
    return f"{NUMBERS[count]} {name}{'s' if count > 1 else ''}"


def _listed(phrases: Sequence[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
