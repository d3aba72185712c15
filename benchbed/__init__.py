"""benchbed: one bench for zero-shot and open-vocabulary semantic segmentation.

Importing it is cheap; the names below load what they need when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "BenchError": "benchbed.errors",
    "Method": "benchbed.method_card",
    "MethodCard": "benchbed.method_card",
    "Segmenter": "benchbed.segmenter",
    "Variant": "benchbed.method_card",
    "Vocabulary": "benchbed.vocabulary",
    "load_method": "benchbed.registry",
    "stage": "benchbed.stages",
}

__all__ = ["__version__", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'benchbed' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
