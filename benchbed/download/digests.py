"""Whether a file is the one whose digests are pinned."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from benchbed.datasets.archive import Archive
from benchbed.errors import DataError

_BLOCK: Final = 1 << 20


def check_digests(path: Path, archive: Archive) -> None:
    """Compare a file's size and digests with the pinned ones; a file without any pinned passes.

    Raises:
        DataError: one differs; the message has what was found and what was expected.
    """
    size = path.stat().st_size
    if archive.size is not None and size != archive.size:
        raise DataError(
            f"{path} has {size:,} bytes: {archive.size:,} are expected; remove it and get it again from {archive.page}"
        )
    sums = {name: hashlib.new(name, usedforsecurity=False) for name, _ in archive.digests}
    if sums:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                for digest in sums.values():
                    digest.update(block)
    for name, expected in archive.digests:
        found = sums[name].hexdigest()
        if found != expected:
            raise DataError(
                f"{path} is not the published file: its {name} is {found}, {expected} is expected; "
                f"remove it and get it again from {archive.page}"
            )
