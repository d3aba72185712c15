"""Whether a disk has room, before gigabytes are asked for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from benchbed.errors import StoreError

# What is left free for everything else on the disk.
SPARE: Final = 64 << 20


def check_room(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin where `needed` bytes do not fit.

    Raises:
        StoreError: they do not; the message has both numbers.
    """
    place = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    free = shutil.disk_usage(place).free
    if needed + SPARE > free:
        raise StoreError(
            f"{folder}: {what} needs {_mb(needed)} MB, of which the disk has {_mb(max(free - SPARE, 0))} MB free; "
            "free space or pass another folder as --to"
        )


def _mb(size: int) -> str:
    return f"{-(-size // 1_000_000):,}"
