"""Keeps libraries' chatter off stdout, which belongs to results, and their known, harmless warnings off stderr."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Each is said at every import or trace, concerns nothing we use, and would hide what matters.
_HARMLESS: Final = (
    r"Fail to import .*MultiScaleDeformableAttention",
    r".*torch\.jit.*deprecated",
    r".*enable_nested_tensor is True.*",
)
_CHATTY: Final = ("fvcore", "open_clip", "mmengine", "root")


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Inside, what libraries print to stdout goes to stderr, and known harmless warnings are dropped."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        for pattern in _HARMLESS:
            warnings.filterwarnings("ignore", message=pattern)
        levels = {name: logging.getLogger(name).level for name in _CHATTY}
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
