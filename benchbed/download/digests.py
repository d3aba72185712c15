"""Whether a file is the one whose digests are pinned."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchbed.datasets.archive import Archive
from benchbed.errors import DataError

_BLOCK: Final = 1 << 20


def check_digests(path: Path, archive: Archive) -> None:
    """Compare a file's size and digests with the pinned ones; a file without any pinned passes.

    Raises:
        DataError: one differs, or the file cannot be read; the message has what was found and what was expected.
    """
    try:
        size = path.stat().st_size
        sums = _sums(path, [name for name, _ in archive.digests]) if archive.size in (None, size) else {}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; give it read permission") from error
    if archive.size is not None and size != archive.size:
        raise DataError(
            f"{path} has {size:,} bytes: {archive.size:,} are expected; remove it and get it again from {archive.page}"
        )
    for name, expected in archive.digests:
        if sums[name] != expected:
            raise DataError(
                f"{path} is not the published file: its {name} is {sums[name]}, {expected} is expected; "
                f"remove it and get it again from {archive.page}"
            )


def _sums(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Hexadecimal digests of a file by algorithm, all in one pass."""
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    if sums:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                for digest in sums.values():
                    digest.update(block)
    return {name: digest.hexdigest() for name, digest in sums.items()}
