"""The git checkout that benchbed runs from, if it runs from one."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Checkout:
    """Attributes:
    commit: the full hash of HEAD; "" in a repository without commits.
    dirty: whether tracked files differ from it, or benchbed itself is not committed.
    """

    commit: str
    dirty: bool


def find_checkout(package: Path | None = None) -> Checkout | None:
    """The checkout around `package` (benchbed's own folder); None where it is installed from a distribution.

    A virtual environment inside somebody else's repository is no checkout of benchbed: `.git` must lie right beside the package.
    """
    root = (package or Path(__file__).resolve().parent.parent).parent
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    own = _git(root, "status", "--porcelain", "--", (package or Path(__file__).resolve().parent.parent).name)
    return Checkout(commit or "", bool(changes) or bool(own) or commit is None)


def _git(root: Path, *arguments: str) -> str | None:
    """Its output, or None where git is missing, refuses or hangs."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
