"""The sizes that make a ZegFormer, by name, and the choices of its inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from benchbed.clip_sizes import TINY, VIT_B16, ClipSize
from benchbed.errors import UsageError
from methods.parts.proposal_network import ProposalSize
from methods.parts.resnet import R50, R101, ResNetSize

Mode = Literal["seg", "img", "full"]
MODES: Final[dict[Mode, str]] = {
    "seg": "ZegFormer-seg: the segmentation stream alone; CLIP's image tower does not run",
    "img": "CLIP alone names the masks",
    "full": "both, fused",
}


@dataclass(frozen=True)
class ZegFormerSize:
    """What a ZegFormer is made of; defaults are the released R101's."""

    clip: ClipSize = VIT_B16
    backbone: ResNetSize = R101
    proposals: ProposalSize = ProposalSize(class_embed=())  # noqa: RUF009 (frozen)
    head_scale: float = 100.0  # of the class head's cosines, frozen; where OpenAI's CLIPs ended


# Ours: every idea of the published model at a size that two cores train; a norm that learns from nothing.
TINY_SIZE: Final = ZegFormerSize(
    clip=TINY,
    backbone=ResNetSize((1, 1, 2, 1), "basic", 32, 16, 64, (1,), norm="BN", res5_dilation=2),
    proposals=ProposalSize(64, 64, 64, 4, 128, 2, 12, dropout=0.0, class_embed=()),
    head_scale=20.0,  # where the small CLIP ended
)

SIZES: Final = {"r101": ZegFormerSize(), "r50": ZegFormerSize(backbone=R50), "tiny": TINY_SIZE}


def named_size(name: str) -> ZegFormerSize:
    """One of `SIZES`.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in SIZES:
        raise UsageError(f"size={name!r}: ZegFormer has no such size; expected one of {', '.join(SIZES)}")
    return SIZES[name]
