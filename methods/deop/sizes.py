"""The sizes that make a DeOP, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchbed.clip_sizes import TINY, VIT_B16, ClipSize
from methods.parts.proposal_network import ProposalSize
from methods.parts.resnet import R101C, ResNetSize

MASKFORMER: Final = ProposalSize()


@dataclass(frozen=True)
class DeOPSize:
    """What a DeOP is made of; defaults are the released model's.

    Attributes:
        clip, backbone, proposals: sizes of the parts.
        severed: indices of CLIP blocks under patch severance (LAYERMASKVIT).
        position_layers: indices of CLIP blocks that add learned positions of their own (POSITION_LAYERS).
        position_grid: side of the learned positions' grid (LEARNPOSITIONRES 384 / patch 16).
        heatmap_layers: ordinary layers before the heat-map layer (NUM_DECODER_LAYER).
        heatmap_heads, heatmap_feedforward: of the classification decoder, whose width is CLIP's embedding.
        context_vectors: learned vectors of the prompt (PROMPT_SHAPE).
        scale: of all cosines, fixed at 100 in the official code; CLIP's own logit_scale is not used.
    """

    clip: ClipSize = VIT_B16
    backbone: ResNetSize = R101C
    proposals: ProposalSize = MASKFORMER
    severed: tuple[int, ...] = (11,)
    position_layers: tuple[int, ...] = (1, 2, 3, 4, 5)
    position_grid: int = 24
    heatmap_layers: int = 1
    heatmap_heads: int = 8
    heatmap_feedforward: int = 1024
    context_vectors: int = 16
    scale: float = 100.0

    @property
    def unsevered(self) -> int:
        """The index from which on every block is severed, so that no token sees another."""
        layers = self.clip.layers
        return next(i for i in range(layers + 1) if all(k in self.severed for k in range(i, layers)))


R101C_VIT_B16: Final = DeOPSize()
# Ours: every idea of the published model at a size that two cores train.
TINY_SIZE: Final = DeOPSize(
    clip=TINY,
    backbone=ResNetSize((1, 1, 2, 1), "deeplab", 32, 16, 64, (1,), norm="BN", res5_dilation=2),
    proposals=ProposalSize(64, 64, 64, 4, 128, 2, 12, dropout=0.0, class_embed=(128, TINY.embed_dim)),
    severed=(3,),
    position_layers=(1, 2),
    position_grid=16,
    heatmap_layers=1,
    heatmap_heads=4,
    heatmap_feedforward=128,
    context_vectors=4,
    scale=20.0,  # where the small CLIP ended
)

SIZES: Final = {"r101c-vit-b16": R101C_VIT_B16, "tiny": TINY_SIZE}
