"""The child's first step: put one source tree first on the path, then load the instrument beside this file.

Run by its file's name, never imported: `python -P .../instrument/__main__.py ROOT`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Final

PACKAGE: Final = "benchbed_gate_instrument"


def main() -> None:
    """Serve requests on stdin until it ends; answers leave on what was stdout, everything printed goes to stderr."""
    root = Path(sys.argv[1])
    sys.path[:0] = [str(folder) for folder in (root, root / "src") if folder.is_dir()]
    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        PACKAGE, here / "__init__.py", submodule_search_locations=[str(here)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{here} holds no package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)
    answers = os.dup(1)
    os.dup2(2, 1)
    importlib.import_module(f"{PACKAGE}.service").serve(root, 0, answers)


if __name__ == "__main__":
    main()
