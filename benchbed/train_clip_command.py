"""`benchbed train --clip shapes`: the small CLIP that ships, made again."""

from __future__ import annotations

from benchbed.errors import EXIT_DONE
from benchbed.training.clip_flags import ClipFlags


def train_clip_command(flags: ClipFlags) -> int:
    """Do what the flags say; returns the exit code.

    Raises:
        BenchError: the training cannot begin, or stopped before its end.
    """
    from benchbed.training.allocation import keep_memory

    keep_memory()  # before torch is imported
    from benchbed.quiet import quiet_libraries

    with quiet_libraries():
        from benchbed.training.clip_command import train_clip

        path = train_clip(flags)
    print(f"weights: {path}")
    print(f"measure them: benchbed run --methods maskclip/tiny --weights maskclip/tiny={path}")
    return EXIT_DONE
