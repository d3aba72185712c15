"""zsseg.baseline's learnable prompt: one context of free vectors, shared by all classes, before each class name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn

from benchbed.clip import PROMPTS_PER_PASS, TextTower
from benchbed.errors import UsageError
from benchbed.stages import stage

# Ids in CLIP's byte-pair vocabulary.
SIGNALS: Final = {"start_signal": 49406, "dot_signal": 269, "end_signal": 49407, "pad_signal": 0}
FRAME: Final = 3  # [SOT], "." and [EOT] stand around context and name

_tokenizer = SimpleTokenizer()


class PromptLearner(nn.Module):
    """[SOT], `length` learned vectors, the class name's tokens, ".", [EOT]; the feature is read at [EOT].

    The four fixed tokens are buffers, as in the official checkpoints, and not looked up again in the text tower.

    Args:
        width: of the text tower's tokens.
        length: learned vectors (PROMPT_SHAPE's first number; the second, a suffix, is 0 in every configuration).
    """

    start_signal: Tensor
    dot_signal: Tensor
    end_signal: Tensor
    pad_signal: Tensor

    def __init__(self, width: int, length: int = 16) -> None:
        super().__init__()
        self.prefix_prompt = nn.Parameter(torch.empty(length, width).normal_(std=0.02))
        for name in SIGNALS:
            self.register_buffer(name, torch.zeros(1, width))

    @torch.no_grad()
    def take_signals(self, tower: TextTower) -> None:
        """Copy the four fixed tokens' embeddings from a text tower."""
        for name, token in SIGNALS.items():
            getattr(self, name).copy_(tower.token_embedding.weight[token])

    def forward(self, names: Sequence[str], tower: TextTower) -> Tensor:
        """Unit-norm text features [len(names), embed_dim], in a bounded number of prompts a pass.

        Raises:
            UsageError: a name has more tokens than the tower's context has room for.
        """
        with stage("clip_text"):
            words = [self._tokens(name, tower) for name in names]
            parts = [
                tower.encode_embeddings(*self.embed(words[first : first + PROMPTS_PER_PASS], tower))
                for first in range(0, len(words), PROMPTS_PER_PASS)
            ]
            return F.normalize(torch.cat(parts), dim=-1)

    def _tokens(self, name: str, tower: TextTower) -> list[int]:
        tokens: list[int] = _tokenizer.encode(name.strip())
        room = tower.size.context - len(self.prefix_prompt) - FRAME
        if len(tokens) > room:
            raise UsageError(
                f"class name {name[:40]!r}... has {len(tokens)} tokens: at most {room} fit beside the learned prompt; "
                "shorten the name in the class list"
            )
        return tokens

    def embed(self, words: Sequence[Sequence[int]], tower: TextTower) -> tuple[Tensor, Tensor]:
        """Token embeddings of each prompt and the index of its [EOT].

        Args:
            words: N class names as token ids, without [SOT] and [EOT].
            tower: whose token table is used.

        Returns:
            embeddings [N, L, width], L as long as the longest prompt, and [N] int64.
        """
        device = self.prefix_prompt.device
        lengths = [len(word) for word in words]
        longest = max(lengths)
        ids = torch.tensor(
            [[*word, *[0] * (longest - len(word))] for word in words], dtype=torch.long, device=device
        )
        names = tower.token_embedding(ids)
        head = torch.cat([self.start_signal, self.prefix_prompt])
        rows = [
            torch.cat(
                [head, name[:n], self.dot_signal, self.end_signal, self.pad_signal.expand(longest - n, -1)]
            )
            for name, n in zip(names, lengths, strict=True)
        ]
        return torch.stack(rows), torch.tensor([len(head) + n + 1 for n in lengths], device=device)
