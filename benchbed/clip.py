"""CLIP through open_clip: text and image towers with OpenAI's key names, plus what segmenters need of their insides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

import torch
import torch.nn.functional as F
from open_clip import tokenize
from open_clip.transformer import LayerNorm, QuickGELU, TextTransformer, VisionTransformer
from torch import Tensor, nn

from benchbed.clip_block import mixing_block, value_block
from benchbed.clip_sizes import HEAD_WIDTH, ClipSize
from benchbed.stages import stage
from benchbed.vocabulary import fill_templates

PROMPTS_PER_PASS: Final = 256  # bounds the text tower's activations at about 200 MB for ViT-L's tower.


class ImageTower(VisionTransformer):  # type: ignore[misc]
    """open_clip's ViT; parameters named as in OpenAI's checkpoints below `visual.`."""

    def __init__(
        self,
        size: ClipSize,
        activation: type[nn.Module] = QuickGELU,
        norm: Callable[[int], nn.Module] = LayerNorm,
    ) -> None:
        super().__init__(
            image_size=size.image_size,
            patch_size=size.patch,
            width=size.width,
            layers=size.layers,
            heads=size.width // HEAD_WIDTH,
            mlp_ratio=4.0,
            output_dim=size.embed_dim,
            act_layer=activation,
            norm_layer=norm,
        )
        self.size = size

    def tokens(self, images: Tensor, position: Tensor | None = None) -> tuple[Tensor, tuple[int, int]]:
        """Tokens after `ln_pre` and their grid, for images of any size.

        Args:
            images: [B, 3, H, W]; incomplete patches at the right and bottom are dropped, as the convolution does.
            position: [1 + h*w, width] to use instead of the tower's own, already resized, table.

        Returns:
            tokens [B, 1 + h*w, width] (CLS first) and the grid (h, w).
        """
        patches = self.conv1(images)
        grid = (patches.shape[2], patches.shape[3])
        patches = patches.flatten(2).transpose(1, 2)
        cls = self.class_embedding.to(patches.dtype).expand(patches.shape[0], 1, -1)
        table = resize_position(self.positional_embedding, grid) if position is None else position
        return self.ln_pre(torch.cat([cls, patches], 1) + table.to(patches.dtype)), grid

    def dense(self, images: Tensor, position: Tensor | None = None) -> Tensor:
        """Per-patch embeddings by the value path of the last block, [B, embed_dim, h, w], unit norm.

        The last block's attention does not mix tokens: each patch keeps `out_proj(W_v LN(x))` of itself
        (MaskCLIP, Zhou et al., ECCV 2022, section 3.2); its residual and MLP stay.
        """
        tokens, grid = self.tokens(images, position)
        *early, last = self.transformer.resblocks
        for block in early:
            tokens = mixing_block(block, tokens)
        patches = value_block(last, tokens[:, 1:])
        embedded: Tensor = F.normalize(self.ln_post(patches) @ self.proj, dim=-1)
        maps: Tensor = embedded.transpose(1, 2).unflatten(2, grid)
        return maps


def resize_position(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """Fit a position table [1 + s*s, width] to a grid (h, w): bicubic, no antialias, the CLS row untouched.

    Nothing is computed where the grid already has the table's shape. (SAN: attn_helper.resize_pos_embed2d.)
    """
    side = round((table.shape[0] - 1) ** 0.5)
    if grid == (side, side):
        return table
    patches = table[1:].T.reshape(1, -1, side, side)
    resized = F.interpolate(patches.float(), grid, mode="bicubic", align_corners=False)
    return torch.cat([table[:1], resized[0].flatten(1).T.to(table.dtype)])


class TextTower(TextTransformer):  # type: ignore[misc]
    """open_clip's text transformer; parameters named as in OpenAI's checkpoints."""

    def __init__(self, size: ClipSize) -> None:
        super().__init__(
            context_length=size.context,
            vocab_size=size.words,
            width=size.text_width,
            heads=max(1, size.text_width // HEAD_WIDTH),
            layers=size.text_layers,
            output_dim=size.embed_dim,
            act_layer=QuickGELU,
            norm_layer=LayerNorm,
        )
        self.size = size

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Unit-norm embeddings [len(prompts), embed_dim]."""
        tokens = tokenize(list(prompts), context_length=self.size.context).to(
            self.positional_embedding.device
        )
        parts = [self._encode_tokens(chunk) for chunk in tokens.split(PROMPTS_PER_PASS)]
        return F.normalize(torch.cat(parts), dim=-1)

    def _encode_tokens(self, tokens: Tensor) -> Tensor:
        end = tokens.argmax(-1)  # EOT has the highest id
        tokens = tokens[:, : int(end.max()) + 1]
        return self.encode_embeddings(self.token_embedding(tokens), end)

    def encode_embeddings(self, embeddings: Tensor, end: Tensor) -> Tensor:
        """The tower from token embeddings on, for learned prompts.

        Args:
            embeddings: [N, L, text_width] without positions; L may be shorter than the context: the mask is causal,
                so what follows the last EOT cannot change a result and need not be computed.
            end: [N] index of each prompt's EOT token.

        Returns:
            [N, embed_dim], not normalised.
        """
        length = embeddings.shape[1]
        x = embeddings + self.positional_embedding[:length].to(embeddings.dtype)
        x = self.transformer(x, attn_mask=self.attn_mask[:length, :length])
        x = self.ln_final(x[torch.arange(len(x), device=x.device), end])
        return cast(Tensor, x @ self.text_projection)

    def encode_words(self, words: Sequence[str], templates: Sequence[str]) -> Tensor:
        """One unit-norm embedding a word, [K, embed_dim]: the mean over templates of unit embeddings, normalised again."""
        with stage("clip_text"):
            features = self.encode(fill_templates(words, templates))
            return F.normalize(features.unflatten(0, (len(words), len(templates))).mean(1), dim=-1)
