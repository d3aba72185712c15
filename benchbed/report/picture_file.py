"""Where the pictures of a report go: names that no dataset's or method's name can break, files that appear whole."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from benchbed.errors import UsageError
from benchbed.record_store import write_whole
from benchbed.report.rows import Row


def slug(text: str) -> str:
    """Text as part of a file name: lower-case ASCII letters, digits, dots and dashes; never empty, hidden or a path."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:60] or "x"


def group_name(row: Row) -> str:
    """`DATASET-PROTOCOL-HASH`: the same for all rows of one group, another for every other group."""
    digest = hashlib.sha256(repr(row.group).encode()).hexdigest()[:6]
    return f"{slug(row.dataset)}-{slug(row.provenance.protocol or row.kind)}-{digest}"


def write_picture(path: Path, content: bytes) -> Path:
    """Write a file of a report, whole or not at all; returns its path.

    Raises:
        UsageError: no room or no permission.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise UsageError(
            f"--to {path}: cannot be written ({error.strerror or error}); free room or give another folder"
        ) from error
    return path
