"""Another revision's files in a temporary folder, by `git worktree`, and gone afterwards. Free of torch."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchbed.errors import UsageError

_PATIENCE_S: Final = 60.0


@dataclass(frozen=True)
class Tree:
    """A source tree to be measured.

    Attributes:
        name: for messages.
        root: its folder.
        commit: full hash; "" outside git.
        dirty: whether tracked files differ from the commit.
    """

    name: str
    root: Path
    commit: str
    dirty: bool = False

    @property
    def words(self) -> str:
        """Name and short hash."""
        return (
            f"{self.name} ({self.commit[:10]}{', changed' if self.dirty else ''})"
            if self.commit
            else self.name
        )


def working_tree(folder: Path) -> Tree:
    """The checkout that `folder` lies in, as its files are now.

    Raises:
        UsageError: it lies in none, or there is no git.
    """
    top = _git(folder, "rev-parse", "--show-toplevel")
    if not top.ok:
        raise UsageError(
            f"--repository {folder}: not in a git checkout ({top.error}); run in the checkout whose working tree is to be gated"
        )
    root = Path(top.out)
    head = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return Tree("the working tree", root, head.out if head.ok else "", bool(changed.out))


@contextmanager
def revision(repository: Path, name: str) -> Iterator[Tree]:
    """A revision's files, in a folder that is removed at the end.

    Args:
        repository: the checkout's root.
        name: anything that git takes for a commit; it never passes through a shell, and never for an option.

    Raises:
        UsageError: there is no such revision, or git cannot lay it out.
    """
    found = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if not found.ok or not name:
        raise UsageError(
            f"--against {name!r}: no such revision in {repository}; expected a branch, a tag or a commit "
            "(a shallow clone holds few: git fetch --unshallow, or fetch-depth: 0 in a workflow)"
        )
    with tempfile.TemporaryDirectory(prefix="benchbed-gate-") as folder:
        root = Path(folder).resolve() / "tree"
        added = _git(repository, "worktree", "add", "--detach", "--quiet", str(root), found.out)
        if not added.ok:
            raise UsageError(f"--against {name}: git cannot lay out its files ({added.error})")
        try:
            yield Tree(f"revision {name}", root, found.out)
        finally:
            _git(repository, "worktree", "remove", "--force", str(root))


@dataclass(frozen=True)
class _Answer:
    ok: bool
    out: str
    error: str


def _git(folder: Path, *arguments: str) -> _Answer:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return _Answer(False, "", str(error))
    last = (done.stderr.strip().splitlines() or [f"git ended with {done.returncode}"])[-1]
    return _Answer(done.returncode == 0, done.stdout.strip(), last)
