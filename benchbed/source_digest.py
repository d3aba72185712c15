"""A digest of the code that makes a number, so that work of other code is never gone on with."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

# Distributions whose version can change a label map.
_LIBRARIES: Final = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "open_clip_torch",
    "timm",
    "onedl-mmsegmentation",
)


@cache
def source_digest(package: str) -> str:
    """SHA-256 over every Python file of an installed package, and of benchbed's, and the libraries' versions."""
    digest = hashlib.sha256()
    for name in sorted({"benchbed", package}):
        for path in _files(name):
            digest.update(f"{path.name} {path.stat().st_size}".encode())
            digest.update(path.read_bytes())
    digest.update(" ".join(f"{name} {version(name)}" for name in _LIBRARIES).encode())
    return digest.hexdigest()


def _files(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        return [Path(spec.origin)] if spec and spec.origin else []
    return sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
