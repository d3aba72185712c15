"""Runs in the test process time as few rounds as an interval needs, those in a process of their own the usual number; a photo."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from random_photo import pixels

from benchbed import cost_pass


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four timed rounds instead of forty: what these tests look at is not how narrow an interval is."""
    monkeypatch.setattr(cost_pass, "MOST_ROUNDS", cost_pass.LEAST_ROUNDS)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo of 90 x 120 pixels."""
    path = tmp_path / "photo.png"
    Image.fromarray(pixels(90, 120)).save(path)
    return path
