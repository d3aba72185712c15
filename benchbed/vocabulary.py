"""Class names in order, the words used for them in prompts, and which of them were seen with masks in training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchbed.errors import DataError

# ViLD's 14 templates as SAN and zsseg.baseline use them; the full stops are irregular there (templates 2 to 5 have none).
VILD_TEMPLATES: Final = (
    "a photo of a {}.",
    "This is a photo of a {}",
    "There is a {} in the scene",
    "There is the {} in the scene",
    "a photo of a {} in the scene",
    "a photo of a small {}.",
    "a photo of a medium {}.",
    "a photo of a large {}.",
    "This is a photo of a small {}.",
    "This is a photo of a medium {}.",
    "This is a photo of a large {}.",
    "There is a small {} in the scene.",
    "There is a medium {} in the scene.",
    "There is a large {} in the scene.",
)


@dataclass(frozen=True)
class Vocabulary:
    """An ordered label set.

    Attributes:
        names: K class names as tables show them; label k means `names[k]`.
        seen: K flags; True where the class has masks in training under the dataset's zero-shot split.
        prompts: K strings put into prompt templates; the same as `names` unless a paper spelt them otherwise.

    Raises:
        DataError: no classes, duplicate or empty names, or lists of different lengths.
    """

    names: tuple[str, ...]
    seen: tuple[bool, ...]
    prompts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.names:
            raise DataError(
                "the vocabulary has no classes: at least one class name is expected; check the class list"
            )
        if not self.prompts:
            object.__setattr__(self, "prompts", self.names)
        self._check_lengths()
        self._check_names("class name", self.names)
        self._check_names("prompt", self.prompts)

    def _check_lengths(self) -> None:
        lengths = {"names": len(self.names), "seen": len(self.seen), "prompts": len(self.prompts)}
        if len(set(lengths.values())) != 1:
            found = ", ".join(f"{count} {what}" for what, count in lengths.items())
            raise DataError(
                f"the vocabulary's lists differ in length: found {found}; expected one entry a class in each"
            )

    @staticmethod
    def _check_names(what: str, names: Sequence[str]) -> None:
        first: dict[str, int] = {}
        for index, name in enumerate(names):
            if not name.strip():
                raise DataError(
                    f"{what} {index} of the vocabulary is empty: expected a word; correct the class list"
                )
            if name in first:
                raise DataError(
                    f"{what} {name!r} stands at {first[name]} and at {index} of the vocabulary: "
                    "names must differ; rename or merge one of them"
                )
            first[name] = index

    def __len__(self) -> int:
        return len(self.names)

    @property
    def seen_mask(self) -> NDArray[np.bool_]:
        """[K] bool, True for seen classes."""
        return np.array(self.seen, dtype=bool)

    @property
    def digest(self) -> str:
        """SHA-256 over everything that a text tower or a table can see of this vocabulary."""
        content = json.dumps([self.names, self.seen, self.prompts], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    def seen_only(self) -> Vocabulary:
        """The seen classes alone, in order: what a method is trained with.

        Raises:
            DataError: no class is seen.
        """
        kept = [index for index, seen in enumerate(self.seen) if seen]
        return Vocabulary(
            tuple(self.names[index] for index in kept),
            (True,) * len(kept),
            tuple(self.prompts[index] for index in kept),
        )

    def with_prompts(self, prompts: Sequence[str]) -> Vocabulary:
        """The same classes, spelt otherwise in prompts."""
        return Vocabulary(self.names, self.seen, tuple(prompts))


def fill_templates(words: Sequence[str], templates: Sequence[str]) -> list[str]:
    """All prompts, word by word: `len(words) * len(templates)` strings, the templates of one word together."""
    return [template.format(word.strip()) for word in words for template in templates]
