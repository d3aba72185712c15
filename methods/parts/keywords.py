"""Keywords as a user or a card writes them: checked against what there is, the nearest name in the error. Free of torch."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from typing import Any

from benchbed.clip_sizes import ClipSize
from benchbed.errors import UsageError


def keywords_of(
    owner: str, size: type, keywords: Mapping[str, Any], clip: str, clips: Mapping[str, ClipSize]
) -> dict[str, Any]:
    """Keywords made into those of a dataclass of sizes: lists become tuples, a CLIP's name its sizes.

    Args:
        owner: whose keywords they are, for the error.
        size: the dataclass.
        keywords: what was given.
        clip: the keyword that may be a CLIP's name.
        clips: the CLIPs that there are.

    Raises:
        UsageError: a keyword or a CLIP that there is none of.
    """
    check_known(owner, size, keywords)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in keywords.items()}
    name: object = values.get(clip)
    if isinstance(name, str):
        one_of(clip, name, clips)
        values[clip] = clips[name]
    return values


def check_known(owner: str, size: type, keywords: Iterable[str]) -> None:
    """Raise UsageError unless every keyword is a field of the dataclass."""
    known = [field.name for field in fields(size)]
    for name in keywords:
        if name not in known:
            raise UsageError(
                f"{owner} has no keyword {name!r}: {_near(name, known)}known are {', '.join(known)}"
            )


def one_of(keyword: str, value: object, known: Collection[str]) -> None:
    """Raise UsageError unless the value is one of those that there are."""
    if value not in known:
        raise UsageError(f"{keyword}={value!r}: {_near(str(value), known)}expected one of {', '.join(known)}")


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=2)
    return f"did you mean {' or '.join(near)}? " if near else ""
