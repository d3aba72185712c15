"""Tensor names of the official training code (subhc/SPNet at 292ff5a) and ours."""

from __future__ import annotations

import re
from typing import Final

# `nn.DataParallel` and the multi-scale wrapper, in front of every name.
WRAPPERS: Final = ("module.", "scale.")
_UNITS: Final = {"reduce": "1", "conv3x3": "2", "increase": "3"}
_SHORTCUT: Final = {"conv": "downsample.0", "bn": "downsample.1"}


def ours(name: str) -> str:
    """An official name in our terms; names that are ours already, or nobody's, stay."""
    bare = name
    for wrapper in WRAPPERS:
        bare = bare.removeprefix(wrapper)
    if match := re.fullmatch(r"aspp\.stages\.c(\d+)\.(weight|bias)", bare):
        return f"aspp.branches.{match[1]}.{match[2]}"
    if match := re.fullmatch(r"layer1\.conv1\.(conv|bn)\.(\w+)", bare):
        return f"backbone.{match[1]}1.{match[2]}"
    # Official stages count from 2, blocks from 1; mmsegmentation's from 1 and 0.
    if match := re.fullmatch(r"layer([2-5])\.block(\d+)\.(\w+)\.(conv|bn)\.(\w+)", bare):
        stage, block, unit, kind, leaf = match.groups()
        place = _SHORTCUT[kind] if unit == "proj" else f"{kind}{_UNITS.get(unit, unit)}"
        return f"backbone.layer{int(stage) - 1}.{int(block) - 1}.{place}.{leaf}"
    return name
