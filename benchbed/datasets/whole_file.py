"""Files that appear whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from benchbed.errors import StoreError


def write_picture(path: Path, picture: Image.Image, **options: int) -> None:
    """Save a picture in the format of its ending; a TIFF is deflated.

    Raises:
        StoreError: no room or no permission.
    """
    part = path.with_name(f".{path.name}.part")
    kind = {".png": "PNG", ".tif": "TIFF", ".jpg": "JPEG"}[path.suffix]
    packed = {"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            picture.save(file, kind, **packed, **options)
        os.replace(part, path)
    except OSError as error:
        raise _unwritable(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8.

    Raises:
        StoreError: no room or no permission.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be written: {error.strerror or error}; free space or pass another folder as --to, then run the same "
        "command"
    )
