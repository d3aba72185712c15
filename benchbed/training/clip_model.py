"""The small CLIP as open_clip builds it: a model configuration of ours; images of any size, texts cut to their length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F
from open_clip import CLIP, tokenize
from torch import Tensor

from benchbed.clip import ImageTower
from benchbed.clip_block import value_block
from benchbed.clip_sizes import HEAD_WIDTH, ClipSize
from benchbed.clip_weights import TABLE

# What open_clip calls the model of `benchbed/data/benchbed-shapes.json` after `open_clip.add_model_config` of that file.
CONFIG_NAME: Final = "benchbed-shapes"


def open_clip_config(size: ClipSize) -> dict[str, Any]:
    """open_clip's model configuration of a size: what its `create_model` and its `CLIP` read."""
    return {
        "embed_dim": size.embed_dim,
        "quick_gelu": True,
        "vision_cfg": {
            "image_size": size.image_size,
            "layers": size.layers,
            "width": size.width,
            "head_width": HEAD_WIDTH,
            "patch_size": size.patch,
        },
        "text_cfg": {
            "context_length": size.context,
            "vocab_size": size.words,
            "width": size.text_width,
            "heads": max(1, size.text_width // HEAD_WIDTH),
            "layers": size.text_layers,
        },
    }


class SmallClip(CLIP):  # type: ignore[misc]
    """open_clip's CLIP with a token table of only the words it will read, so that a step does not move 49,408 rows.

    Args:
        size: of both towers.
        words: ascending ids of the tokens in use, with those that start and end a text.
    """

    words: Tensor

    def __init__(self, size: ClipSize, words: Sequence[int]) -> None:
        config = open_clip_config(size)
        config["text_cfg"]["vocab_size"] = len(words)
        super().__init__(**config)
        self.visual = ImageTower(size)  # the same tower, which can also see other sizes
        self.size = size
        self.register_buffer("words", torch.tensor(list(words)), persistent=False)

    def tokens(self, captions: Sequence[str]) -> Tensor:
        """Captions as rows of the token table, [N, L], L as long as the longest, on the table's device.

        Raises:
            ValueError: a caption has a word that is not in use.
        """
        ids = tokenize(list(captions), context_length=self.size.context).to(self.words.device)
        ids = ids[:, : int(ids.argmax(-1).max()) + 1].contiguous()
        rows = torch.searchsorted(self.words, ids).clamp(max=len(self.words) - 1)
        if not bool((self.words[rows] == ids).all()):
            raise ValueError("a caption has words that this CLIP has no rows for")
        return rows

    def encode_image(self, image: Tensor, normalize: bool = False) -> Tensor:
        """As open_clip's, for images [N, 3, H, W] of any size: the position table is resized. [N, embed_dim]."""
        tokens, _ = self.visual.tokens(image)
        for block in self.visual.transformer.resblocks:
            tokens = block(tokens)
        features: Tensor = self.visual.ln_post(tokens[:, 0]) @ self.visual.proj
        return F.normalize(features, dim=-1) if normalize else features

    def encode_image_and_patches(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """What `encode_image` gives, and the mean over patches of what `ImageTower.dense` gives: [N, embed_dim] each.

        Neither is of unit norm; of the mean each patch has the same share.
        """
        tokens, _ = self.visual.tokens(image)
        *early, last = self.visual.transformer.resblocks
        for block in early:
            tokens = block(tokens)
        whole = self.visual.ln_post(last(tokens)[:, 0]) @ self.visual.proj
        patches = self.visual.ln_post(value_block(last, tokens[:, 1:])) @ self.visual.proj
        return whole, F.normalize(patches.float(), dim=-1).mean(1)

    def encode_text(self, text: Tensor, normalize: bool = False) -> Tensor:
        """As open_clip's, for rows [N, L] of `tokens`: the mask is causal, so what follows the end need not be there."""
        length, end = text.shape[1], text.argmax(-1)  # the end has the highest id, and so the last row
        x = self.token_embedding(text) + self.positional_embedding[:length]
        x = self.ln_final(self.transformer(x, attn_mask=self.attn_mask[:length, :length]))
        features: Tensor = x[torch.arange(len(x), device=x.device), end] @ self.text_projection
        return F.normalize(features, dim=-1) if normalize else features

    def whole_state(self) -> dict[str, Tensor]:
        """All tensors by OpenAI's names, on the CPU, with a whole token table: 0 for the words it never read."""
        state = {name: value.detach().cpu() for name, value in self.state_dict().items()}
        table = torch.zeros(self.size.words, self.size.text_width)
        table[self.words.cpu()] = state[TABLE]
        return {**state, TABLE: table}
