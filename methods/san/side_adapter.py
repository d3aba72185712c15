"""The side network: a narrow ViT over the full input that borrows CLIP's shallow features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.attention import attend
from benchbed.token_linear import apply_linear
from methods.parts.position_encoding import patch_position
from methods.san.sizes import SanSize

NORM_EPS: Final = 1e-6  # timm's ViT and the fusion's channel norm (san/model/layers.py)
INIT_STD: Final = (
    0.02  # of positions and queries (san/model/side_adapter/side_adapter.py), of linear layers (timm)
)

Grid = tuple[int, int]


class SideBlock(nn.Module):
    """A pre-norm transformer block with exact GELU, as in timm; tokens [B, L, width] in and out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attention, then MLP, each added to what came in."""
        tokens = tokens + apply_linear(self.proj, self._attend(self.norm1(tokens)))
        return tokens + apply_linear(self.fc2, F.gelu(apply_linear(self.fc1, self.norm2(tokens))))

    def _attend(self, tokens: Tensor) -> Tensor:
        query, key, value = (
            apply_linear(self.qkv, tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )
        return attend(query, key, value).transpose(1, 2).flatten(2)


class Fusion(nn.Module):
    """CLIP's patch tokens, normalised, projected, and only then stretched to the side network's grid."""

    def __init__(self, clip_width: int, side_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(clip_width, eps=NORM_EPS)
        self.proj = nn.Linear(clip_width, side_width)
        nn.init.kaiming_uniform_(
            self.proj.weight, a=1
        )  # caffe2's "xavier", as for the official 1x1 convolution
        nn.init.zeros_(self.proj.bias)

    def forward(self, state: Tensor, clip_grid: Grid, side_grid: Grid) -> Tensor:
        """CLIP tokens [B, 1 + h*w, clip_width] (CLS first, unused) to [B, H*W, side_width]."""
        patches = self.proj(self.norm(state[:, 1:]))
        plane = patches.transpose(1, 2).unflatten(2, clip_grid)
        return (
            F.interpolate(plane, side_grid, mode="bilinear", align_corners=False).flatten(2).transpose(1, 2)
        )


class SideAdapter(nn.Module):
    """Query tokens and patch tokens through narrow blocks; positions are added again before every block."""

    def __init__(self, size: SanSize) -> None:
        super().__init__()
        width = size.side_width
        self.fusion_map = size.fusion
        self.patch_embed = nn.Conv2d(3, width, size.side_patch, size.side_patch)
        self.pos_embed = nn.Parameter(torch.empty(1, size.side_grid**2, width))
        self.query_embed = nn.Parameter(torch.empty(1, size.queries, width))
        self.query_pos_embed = nn.Parameter(torch.empty(1, size.queries, width))
        self.blocks = nn.ModuleList(SideBlock(width, size.side_heads) for _ in range(size.side_layers))
        self.fusion = nn.ModuleList(Fusion(size.clip.width, width) for _ in size.fusion)
        self._initialise(size)

    def _initialise(self, size: SanSize) -> None:
        nn.init.trunc_normal_(self.pos_embed, std=INIT_STD)
        if size.unit_positions:
            table = patch_position(size.side_grid, size.side_grid, size.side_width)
            with torch.no_grad():
                self.pos_embed.copy_(table.flatten(0, 1)[None])
        nn.init.normal_(self.query_embed, std=INIT_STD)
        # Queries that begin almost alike take hundreds of steps to part.
        nn.init.normal_(self.query_pos_embed, std=1.0 if size.unit_positions else INIT_STD)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=INIT_STD)
                nn.init.zeros_(module.bias)

    def forward(
        self, images: Tensor, states: Mapping[int, Tensor], clip_grid: Grid
    ) -> tuple[Tensor, Tensor, Grid]:
        """Run the side network.

        Args:
            images: [B, 3, H, W]; what exceeds whole patches at the right and bottom is dropped.
            states: CLIP tokens [B, 1 + h*w, clip_width] after each block that the fusion map names; 0 is
                before block 1.
            clip_grid: (h, w).

        Returns:
            query tokens [B, Q, width], patch tokens [B, H'*W', width] and their grid (H', W').
        """
        ((queries, patches),), grid = self.last_blocks(images, states, clip_grid, count=1)
        return queries, patches, grid

    def last_blocks(
        self, images: Tensor, states: Mapping[int, Tensor], clip_grid: Grid, count: int
    ) -> tuple[list[tuple[Tensor, Tensor]], Grid]:
        """As `forward`, after each of the last `count` blocks, first to last: (query tokens, patch tokens).

        Positions are not yet in them again: they come back on the way into the next block.
        """
        plane = self.patch_embed(images)
        grid = (plane.shape[2], plane.shape[3])
        positions = self._positions(grid)
        queries = self.query_embed.to(plane.dtype).expand(len(plane), -1, -1)
        tokens = torch.cat([queries, plane.flatten(2).transpose(1, 2)], 1) + positions
        tokens = self._fuse(0, tokens, states, clip_grid, grid)
        kept = []
        for index, block in enumerate(self.blocks, start=1):
            tokens = self._fuse(index, block(tokens), states, clip_grid, grid)
            if index > len(self.blocks) - count:
                kept.append(tokens)
            if index < len(self.blocks):  # easy to miss: positions come back before each further block
                tokens = tokens + positions
        split = queries.shape[1]
        return [(tokens[:, :split], tokens[:, split:]) for tokens in kept], grid

    def _positions(self, grid: Grid) -> Tensor:
        """[1, Q + H'*W', width]. A table whose token count fits is used as it is, of any shape."""
        table: Tensor = self.pos_embed
        if table.shape[1] != grid[0] * grid[1]:
            side = round(table.shape[1] ** 0.5)
            plane = table.transpose(1, 2).unflatten(2, (side, side))
            resized = F.interpolate(plane.float(), grid, mode="bicubic", align_corners=False)
            table = resized.flatten(2).transpose(1, 2).to(table.dtype)
        return torch.cat([self.query_pos_embed, table], 1)

    def _fuse(
        self, index: int, tokens: Tensor, states: Mapping[int, Tensor], clip_grid: Grid, grid: Grid
    ) -> Tensor:
        """Add CLIP's features to the patch tokens where the map says so, after side block `index`."""
        for layer, (clip_block, side_block) in zip(self.fusion, self.fusion_map, strict=True):
            if side_block == index:
                added = layer(states[clip_block], clip_grid, grid)
                count = tokens.shape[1] - added.shape[1]
                tokens = torch.cat([tokens[:, :count], tokens[:, count:] + added], 1)
        return tokens
