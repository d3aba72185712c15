"""`benchbed pack`: the weights of a finished training, as they ship."""

from __future__ import annotations

from pathlib import Path

from benchbed.errors import EXIT_DONE


def pack_command(folder: Path, to: Path | None) -> int:
    """Write the file, say where, how large, and its SHA-256; returns the exit code.

    Raises:
        BenchError: there is nothing to pack, or it cannot be written.
    """
    from benchbed.quiet import quiet_libraries

    with quiet_libraries():
        from benchbed.shipped_file import file_sha256
        from benchbed.training.packing import pack_folder

        path = pack_folder(folder, to)
    print(f"{path}: {path.stat().st_size:,} bytes, SHA-256 {file_sha256(path)}")
    return EXIT_DONE
