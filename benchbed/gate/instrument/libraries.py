"""What every tree imports and none brings: installed libraries, imported before the trees part."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# What importing `benchbed` for a measurement and the shipped methods' models imports in the end.
SHARED: Final = (
    "numpy",
    "PIL.Image",
    "torch",
    "torch.utils.flop_counter",
    "torchvision",
    "mmengine.model",
    "mmseg.structures",
    "mmseg.models.segmentors",
    "open_clip",
)


def import_shared(folders: Sequence[Path]) -> list[str]:
    """Import the libraries, unless a tree has one of them of its own, on which the others would then rest; returns which.

    One that is not installed or does not import is left to the trees, whose error then says so.

    Args:
        folders: of all trees, in which packages may lie.
    """
    if any(_brings(folder, name.partition(".")[0]) for folder in folders for name in SHARED):
        return []
    done = []
    for name in SHARED:
        try:
            importlib.import_module(name)
        except Exception:  # whatever it raises, it raises again where a tree needs it
            continue
        done.append(name)
    return done


def _brings(folder: Path, package: str) -> bool:
    return (folder / package).exists() or (folder / f"{package}.py").exists()
