"""DeOP's one pass through CLIP: extra learned positions, and patch severance in the last block (section 3.2)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.clip import ImageTower, resize_position
from benchbed.clip_block import mixing_block, value_block
from methods.deop.sizes import DeOPSize


class SeveredTower(ImageTower):
    """CLIP's image tower that looks at a whole image once, guided by mask proposals.

    Ordinary blocks attend as ever. A severed block computes no attention: its tokens are weighted by how many
    proposals cover them, `severed_block`. Key names below `visual.` are CLIP's, plus `learned_position` of the tower and of
    the blocks in `position_layers`.
    """

    def __init__(self, size: DeOPSize) -> None:
        super().__init__(size.clip)
        self.severed = frozenset(size.severed)
        self.unsevered = size.unsevered
        self.learned_position = _positions(size)
        for index in size.position_layers:
            self.transformer.resblocks[index].register_parameter("learned_position", _positions(size))

    def forward(self, images: Tensor, mask_logits: Tensor) -> Tensor:
        """Embeddings of patches, after `ln_post` and `proj`, not normalised.

        Args:
            images: [B, 3, H, W], normalised as for the ResNet, with ImageNet's figures (quirk 1), not CLIP's.
            mask_logits: [B, Q, H/4, W/4].

        Returns:
            [B, h, w, embed_dim] with h = H / patch, w = W / patch.
        """
        tokens, grid = self.embed(images)
        cover = token_cover(mask_logits, grid)
        for index in range(len(self.transformer.resblocks)):
            if index == self.unsevered:
                # From here on no token sees another, so CLS, which nobody reads at the end, is done.
                tokens, cover = tokens[:, 1:], cover[:, 1:]
            tokens = self.run_block(index, tokens, grid, cover)
        patches = tokens[:, -grid[0] * grid[1] :]
        embedded: Tensor = (self.ln_post(patches) @ self.proj).unflatten(1, grid)
        return embedded

    def embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Tokens [B, 1 + h*w, width] after `ln_pre`, CLS first, and their grid (h, w)."""
        grid = (images.shape[2] // self.size.patch, images.shape[3] // self.size.patch)
        position = resize_position(self.positional_embedding, grid) + fit_count(self.learned_position, grid)
        return self.tokens(images, position)

    def run_block(self, index: int, tokens: Tensor, grid: tuple[int, int], cover: Tensor) -> Tensor:
        """Block `index` on [B, T, width], T = 1 + h*w or, without CLS, h*w, with `token_cover` [B, T]."""
        block: Any = self.transformer.resblocks[index]
        if hasattr(block, "learned_position"):
            # Added before ln_1 and left in the residual stream (quirk 3).
            tokens = tokens + fit_count(block.learned_position, grid)[-tokens.shape[1] :].to(tokens.dtype)
        if index in self.severed:
            return severed_block(block, tokens, cover)
        return mixing_block(block, tokens)


def severed_block(block: nn.Module, tokens: Tensor, cover: Tensor) -> Tensor:
    """A transformer block under patch severance as released (LAYERMASKVIT with MASKSELFATTN False).

    The official einsum gives token l, in each head, sum_n m_n(l) v_l over the Q proposals n, and materialises
    [B * heads, Q, T, 64] for it; v_l does not depend on n, so the sum is S(l) v_l with S(l) = sum_n m_n(l): the same number,
    without the tensor. Query and key have no part in it; their weights are kept and never multiplied.

    Args:
        block: one of CLIP's blocks.
        tokens: [B, T, width].
        cover: [B, T], the factor S of each token.
    """
    return value_block(block, tokens, cover)


def token_cover(mask_logits: Tensor, grid: tuple[int, int]) -> Tensor:
    """How many proposals cover each token: Q for CLS, else the sum over proposals of sigmoid(mask).

    The mask LOGITS are resized to the token grid and the sigmoid follows (quirk 2); the classification decoder does it in
    the other order. The official size is a quarter of the masks', which is the grid of patches of 16; here the grid is named
    outright, so that other patch sizes work.

    Args:
        mask_logits: [B, Q, h', w'].
        grid: (h, w) of the tokens.

    Returns:
        [B, 1 + h*w] float32, CLS first.
    """
    masks = F.interpolate(mask_logits.float(), grid, mode="bilinear", align_corners=False).sigmoid()
    cls = masks.new_full((len(masks), 1), masks.shape[1])
    return torch.cat([cls, masks.sum(1).flatten(1)], dim=1)


def fit_count(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """A learned table [1 + s*s, width] for a grid (h, w): as it is where the COUNT fits, whatever the shape (quirk 3)."""
    return table if grid[0] * grid[1] == len(table) - 1 else resize_position(table, grid)


def _positions(size: DeOPSize) -> nn.Parameter:
    width = size.clip.width
    return nn.Parameter(torch.randn(1 + size.position_grid**2, width) * width**-0.5)
