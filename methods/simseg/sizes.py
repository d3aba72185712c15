"""The sizes that make a SimSeg, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchbed.clip_sizes import TINY, VIT_B16, ClipSize
from benchbed.errors import UsageError
from methods.parts.proposal_network import ProposalSize
from methods.parts.resnet import R50, R101C, ResNetSize
from methods.simseg.fusion import SCALE


@dataclass(frozen=True)
class SimSegSize:
    """What a SimSeg is made of; defaults are the released models'.

    Attributes:
        clip: both towers; crops have its image size.
        backbone, proposals: of the MaskFormer; the class head's last width is CLIP's embedding.
        context_vectors: learned vectors of a prompt (PROMPT_SHAPE).
        scale: of all cosines, frozen: 1 over CLIP's temperature.
    """

    clip: ClipSize = VIT_B16
    backbone: ResNetSize = R101C
    proposals: ProposalSize = ProposalSize()  # noqa: RUF009  (frozen)
    context_vectors: int = 16
    scale: float = SCALE

    def __post_init__(self) -> None:
        """Raise ValueError where the class head does not end in CLIP's embedding."""
        widths = self.proposals.class_embed
        if not widths or widths[-1] != self.clip.embed_dim:
            raise ValueError(
                f"class head {widths}: its last width must be CLIP's embedding, {self.clip.embed_dim}"
            )


R101C_VIT_B16: Final = SimSegSize()
R50_VIT_B16: Final = SimSegSize(backbone=R50)
# Ours: every idea of the published model at a size that two cores train.
TINY_SIZE: Final = SimSegSize(
    clip=TINY,
    backbone=ResNetSize((1, 1, 2, 1), "deeplab", 32, 16, 64, (1,), norm="BN", res5_dilation=2),
    proposals=ProposalSize(64, 64, 64, 4, 128, 2, 12, dropout=0.0, class_embed=(128, TINY.embed_dim)),
    context_vectors=4,
    scale=20.0,  # where the small CLIP ended
)

SIZES: Final = {"r101c-vit-b16": R101C_VIT_B16, "r50-vit-b16": R50_VIT_B16, "tiny": TINY_SIZE}


def named_size(name: str) -> SimSegSize:
    """One of `SIZES`.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in SIZES:
        raise UsageError(f"size={name!r}: SimSeg has no such size; expected one of {', '.join(SIZES)}")
    return SIZES[name]
