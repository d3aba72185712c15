"""The image encoder of the ViT variants: timm's ViT at any size, read at four of its blocks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from methods.lseg.linear import use_token_linears
from methods.lseg.sizes import LSegSize


class VitEncoder(VisionTransformer):  # type: ignore[misc]
    """A ViT without its final norm and classifier: the official code computes both and uses neither.

    Parameter names are timm's, as below `pretrained.model.` in official checkpoints. Norms have timm's epsilon, 1e-6.
    """

    cls_token: nn.Parameter
    pos_embed: nn.Parameter

    def __init__(self, size: LSegSize) -> None:
        super().__init__(
            img_size=size.table_image,
            patch_size=size.patch,
            embed_dim=size.width,
            depth=size.layers,
            num_heads=size.heads,
            num_classes=0,
            final_norm=False,
        )
        self.size = size
        use_token_linears(self.blocks)

    def forward(self, images: Tensor) -> tuple[list[Tensor], tuple[int, int]]:  # type: ignore[override]
        """Images [B, 3, H, W], H and W multiples of the patch, to four levels of tokens.

        Returns:
            four [B, 1 + h*w, width], the class token first, and the grid (h, w).
        """
        patches = self.patch_embed.proj(images)
        grid = (patches.shape[2], patches.shape[3])
        cls = self.cls_token.expand(len(images), -1, -1)
        tokens = torch.cat([cls.to(patches.dtype), patches.flatten(2).transpose(1, 2)], 1)
        tokens = tokens + position_at(self.pos_embed, grid).to(tokens.dtype)
        levels: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens)
            if index in self.size.hooks:
                levels.append(tokens)
        return levels, grid


def position_at(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """Fit a position table [1, 1 + s*s, width] to a grid (h, w): bilinear, corners not aligned (lseg_vit.py)."""
    side = round((table.shape[1] - 1) ** 0.5)
    if grid == (side, side):
        return table
    patches = table[:, 1:].transpose(1, 2).unflatten(2, (side, side))
    resized = F.interpolate(patches.float(), grid, mode="bilinear", align_corners=False)
    return torch.cat([table[:, :1], resized.flatten(2).transpose(1, 2).to(table.dtype)], 1)
