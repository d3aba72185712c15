"""One self-contained HTML page of a report: no network, opens from disk, every number one click from its source."""

from __future__ import annotations

from benchbed.report.page.render import page_html

__all__ = ["page_html"]
