"""The error for files that are not there: a short sentence for a run, every one of them for `benchbed data check`."""

from __future__ import annotations

from collections.abc import Sequence

from benchbed.errors import DataError


class LackingFiles(DataError):
    """Files that a list or a folder promises are missing.

    Attributes:
        each: one line a missing file, all of them; the message has the first few.
    """

    def __init__(self, message: str, each: Sequence[str]) -> None:
        super().__init__(message)
        self.each = tuple(each)
