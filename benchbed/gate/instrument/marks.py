"""The gate's own clock and its rule that gives every moment to a stage, listening to the measured tree's stages."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from benchbed.cost.processor_time import processor_ledger
    from benchbed.cost.stage_marks import StageMarks
else:
    _FOLDER: Final = Path(__file__).resolve().parents[2] / "cost"

    def _own(name: str) -> Any:
        """`benchbed/cost/NAME.py` of the gate's tree, which imports of the measured one `benchbed.stages` at most."""
        known = f"{__package__}.{name}"
        spec = importlib.util.spec_from_file_location(known, _FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[known] = module
        spec.loader.exec_module(module)
        return module

    StageMarks = _own("stage_marks").StageMarks
    processor_ledger = _own("processor_time").processor_ledger

__all__ = ["StageMarks", "processor_ledger"]
