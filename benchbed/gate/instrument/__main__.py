"""The first process of a gate: imports the libraries that all trees share, then forks a child for each tree.

Run by its file's name, never imported: `python -P .../instrument/__main__.py SPECIFICATION`, a JSON list with a tree each:
`root`, and the file descriptors `requests`, `replies` and `log`. On stdout it says, a JSON line each, how a child ended.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = "benchbed_gate_instrument"


def main() -> None:
    """Import, fork, and wait for all children."""
    trees: list[dict[str, Any]] = json.loads(sys.argv[1])
    _load()
    says = os.dup(1)
    os.dup2(2, 1)  # what libraries print while they are imported is no report
    folders = [_folders(Path(tree["root"])) for tree in trees]
    importlib.import_module(f"{PACKAGE}.libraries").import_shared([each for one in folders for each in one])
    running = {_child(trees, place, folders[place], says): place for place in range(len(trees))}
    for tree in trees:
        _close(tree)
    while running:
        process, status = os.wait()
        place = running.pop(process)
        report = {"place": place, "code": os.waitstatus_to_exitcode(status)}
        os.write(says, json.dumps(report).encode() + b"\n")


def _load() -> None:
    """The package beside this file, under a name of its own: `benchbed` is the measured tree's."""
    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        PACKAGE, here / "__init__.py", submodule_search_locations=[str(here)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{here} holds no package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)


def _folders(root: Path) -> list[Path]:
    """Where a tree's packages may lie."""
    return [folder for folder in (root, root / "src") if folder.is_dir()]


def _child(trees: list[dict[str, Any]], place: int, folders: list[Path], says: int) -> int:
    """Fork one that serves its tree to its end; returns its process id."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.close(says)
        for other, tree in enumerate(trees):
            if other != place:
                _close(tree)
        tree = trees[place]
        for stream in (1, 2):
            os.dup2(tree["log"], stream)
        os.chdir(tree["root"])
        sys.path[:0] = [str(folder) for folder in folders]
        importlib.invalidate_caches()
        importlib.import_module(f"{PACKAGE}.service").serve(
            Path(tree["root"]), tree["requests"], tree["replies"]
        )
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


def _close(tree: dict[str, Any]) -> None:
    for name in ("requests", "replies", "log"):
        os.close(tree[name])


if __name__ == "__main__":
    main()
