"""The gallery as files: of each group a sheet of all its images, and a strip of one, small enough for a README."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from benchbed.kept import find_kept
from benchbed.progress import Reporter
from benchbed.report.gallery import galleries
from benchbed.report.gallery_sheet import draw_gallery
from benchbed.report.gallery_strip import strip_png
from benchbed.report.picture_file import write_picture

if TYPE_CHECKING:
    from benchbed.report.content import Report


def write_gallery(report: Report, folder: Path, reporter: Reporter | None = None) -> list[Path]:
    """Write `gallery-DATASET-PROTOCOL-HASH.png` and `strip-...png` of each group; returns their paths, none if nothing was kept.

    Raises:
        UsageError: the folder cannot be written.
    """
    kept, _ = find_kept(report.sources)
    written = []
    for gallery in galleries(report.rows, kept, reporter=reporter):
        sheet = io.BytesIO()
        draw_gallery(gallery.images).save(sheet, "PNG")
        written.append(write_picture(folder / f"gallery-{gallery.name}.png", sheet.getvalue()))
        written.append(write_picture(folder / f"strip-{gallery.name}.png", strip_png(gallery.images[0])))
    return written
