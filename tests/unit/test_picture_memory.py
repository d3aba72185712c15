"""PIL keeps the memory of pictures that it is done with, unless the user says how much it shall keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from benchbed.images import KEPT_BLOCKS, keep_picture_memory

CORE: Any = Image.core


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    before = CORE.get_blocks_max()
    CORE.set_blocks_max(0)
    yield
    CORE.set_blocks_max(before)


def test_memory_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PILLOW_BLOCKS_MAX", raising=False)
    keep_picture_memory()
    assert CORE.get_blocks_max() == KEPT_BLOCKS
    CORE.reset_stats()
    for _ in range(4):
        Image.new("RGB", (500, 375)).resize((683, 512))
    assert CORE.get_stats()["reused_blocks"] > 4


def test_the_users_own_setting_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILLOW_BLOCKS_MAX", "0")
    keep_picture_memory()
    assert CORE.get_blocks_max() == 0
