"""A split's list: one image id a line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchbed.errors import DataError

_SHOWN: Final = 3


def read_ids(path: Path, how_to_get: str) -> tuple[str, ...]:
    """The ids that a list names, in its order.

    Blank lines, Windows line ends, spaces around an id and a byte order mark are tolerated.

    Args:
        path: the list.
        how_to_get: what to do where it is not there, for messages.

    Raises:
        DataError: the list is missing, unreadable, empty, has duplicates or lines that are no ids.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read ({error}): expected one image id a line; {how_to_get}"
        ) from error
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    _check(path, names, how_to_get)
    return names


def _check(path: Path, names: Sequence[str], how_to_get: str) -> None:
    if not names:
        raise DataError(f"{path} is empty: expected one image id a line, such as 2007_000033; {how_to_get}")
    wrong = next(
        (name for name in names if re.search(r"[\s/\\]", name) or name.endswith((".jpg", ".png"))), None
    )
    if wrong is not None:
        raise DataError(
            f"{path} has the line {wrong!r}: expected a bare image id such as 2007_000033, without folder, "
            "ending or flag; put the segmentation list of the dataset there"
        )
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        shown = ", ".join(twice[:_SHOWN]) + (", ..." if len(twice) > _SHOWN else "")
        raise DataError(
            f"{path} names {len(twice):,} images more than once ({shown}): take the repeated lines out"
        )
