"""Whether a published number is of the variant that was measured, as far as names of backbones and CLIPs tell."""

from __future__ import annotations

import re
from typing import Final

from benchbed.report.published import Published

_VIT: Final = re.compile(r"vit[bl]\d\d")
_RESNET: Final = re.compile(r"(?:resnet|rn|r)(\d+(?:x\d+|c)?)(?![a-z0-9])")
_TEXT_TOWER: Final = " text"  # "ViT-B/32 text": no image goes through it


def same_variant(label: str, entry: Published) -> bool:
    """False where label and entry name other networks; a label or an entry that names none agrees with any.

    Args:
        label: `method/variant`, e.g. "deop/r101c-vit-b16".
        entry: with a backbone such as "R-101c" and a CLIP such as "ViT-L/14-336".
    """
    clip = "" if entry.clip.endswith(_TEXT_TOWER) else entry.clip
    own, said = [label.partition("/")[2]], [entry.backbone, clip]
    vits, resnets = (_names(_VIT, own), _names(_VIT, said)), (_names(_RESNET, own), _names(_RESNET, said))
    either = (vits[0] | resnets[0], vits[1] | resnets[1])
    return all(not a or not b or bool(a & b) for a, b in (vits, resnets, either))


def _names(kind: re.Pattern[str], texts: list[str]) -> set[str]:
    """Networks of one kind: "vitb16", or a ResNet's depth, "101c"."""
    plain = [text.casefold().replace("/", "").replace("-", " ") for text in texts]
    # "ViT-B/16" and "R-101c" have become "vit b16" and "r 101c": put together what is one name.
    joined = [re.sub(r"\b(vit|resnet|rn|r) (?=[bl]?\d)", r"\1", text) for text in plain]
    return {found for text in joined for found in kind.findall(text)}
