"""The measured source tree: imported whole, so that no fork imports anything while it is timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def import_tree(root: Path) -> dict[str, Any]:
    """Import all that measuring needs; returns where `benchbed` lies, and no more where that is outside the tree.

    Raises:
        Exception: whatever the tree raises; the gate says so.
    """
    import benchbed

    found = str(Path(benchbed.__file__).resolve().parent)
    if not Path(found).is_relative_to(root.resolve()):
        return {"benchbed": found}
    import torch

    torch.set_num_threads(1)
    import_measuring()
    return {"benchbed": found, "torch": torch.__version__, "threads": torch.get_num_threads()}


def import_measuring() -> None:
    """The parts of the bench that a worker uses, and the modules of every registered method."""
    import importlib

    for name in ("plan", "subject", "stages", "quiet", "metrics", "cost.flop_counters"):
        importlib.import_module(f"benchbed.{name}")
    registry = importlib.import_module("benchbed.registry")
    for found in registry.every(registry.METHOD_GROUP):
        for module in sorted({variant.build.partition(":")[0] for variant in found.object.variants}):
            importlib.import_module(module)
