"""What methods share of CLIP: the learned prompt and the fused block."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchbed.clip import ImageTower, TextTower
from benchbed.clip_block import mixing_block
from benchbed.clip_sizes import TINY
from benchbed.errors import UsageError
from methods.parts.prompt_learner import PromptLearner

SEEDS = (0, 1, 2)


def close(ours: Tensor, other: Tensor, tolerance: float = 1e-4) -> bool:
    assert ours.shape == other.shape
    return bool((ours - other).abs().max() <= tolerance * other.abs().max())


@torch.no_grad()
@pytest.mark.parametrize("seed", SEEDS)
def test_the_fused_block_is_open_clips(seed: int) -> None:
    torch.manual_seed(seed)
    block = ImageTower(TINY).eval().transformer.resblocks[0]
    tokens = torch.randn(2, 17, TINY.width)
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        assert close(mixing_block(block, tokens), block(tokens), 1e-5)
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@pytest.fixture
def tower() -> TextTower:
    torch.manual_seed(0)
    return TextTower(TINY).eval()


@pytest.fixture
def learner(tower: TextTower) -> PromptLearner:
    made = PromptLearner(TINY.text_width, 4)
    made.take_signals(tower)
    return made


@torch.no_grad()
def test_prompts_end_at_the_end_signal(learner: PromptLearner, tower: TextTower) -> None:
    """[SOT], 4 vectors, n tokens, ".", [EOT]: the end is at n + 6, whatever the longest name is."""
    words = [[10, 11, 12], [13], list(range(100, 130))]
    embeddings, end = learner.embed(words, tower)
    assert embeddings.shape == (3, 30 + 7, TINY.text_width)
    assert end.tolist() == [len(word) + 6 for word in words]
    for row, word, at in zip(embeddings, words, end.tolist(), strict=True):
        assert torch.equal(row[0], learner.start_signal[0])
        assert torch.equal(row[1:5], learner.prefix_prompt)
        assert torch.equal(row[5 : 5 + len(word)], tower.token_embedding.weight[word])
        assert torch.equal(row[at - 1], learner.dot_signal[0])
        assert torch.equal(row[at], learner.end_signal[0])
        assert torch.equal(row[at + 1 :], learner.pad_signal.expand(len(row) - at - 1, -1))


@torch.no_grad()
def test_signals_are_clips_own_tokens(learner: PromptLearner, tower: TextTower) -> None:
    from open_clip import tokenize

    ids = tokenize(["."])[0, :4].tolist()  # [SOT], ".", [EOT], padding
    names = ("start_signal", "dot_signal", "end_signal", "pad_signal")
    for name, token in zip(names, ids, strict=True):
        assert torch.equal(getattr(learner, name)[0], tower.token_embedding.weight[token])


@torch.no_grad()
def test_a_name_alone_gives_what_it_gives_among_others(learner: PromptLearner, tower: TextTower) -> None:
    names = [
        "cat",
        "a very long name of a rather rare kind of animal",
        "grass",
        *(f"thing {n}" for n in range(300)),
    ]
    together = learner(names, tower)
    assert together.shape == (303, TINY.embed_dim)
    assert torch.allclose(together.norm(dim=-1), torch.ones(303))
    for index in (0, 1, 302):
        assert close(together[index : index + 1], learner([names[index]], tower), 1e-5)
    assert torch.equal(learner(["  cat "], tower), learner(["cat"], tower))


@torch.no_grad()
def test_a_name_fits_to_the_last_place_and_not_beyond(learner: PromptLearner, tower: TextTower) -> None:
    room = TINY.context - 4 - 3
    fitting = "cat " * room
    assert learner([fitting], tower).shape == (1, TINY.embed_dim)
    with pytest.raises(UsageError, match=f"{room + 1} tokens: at most {room} fit"):
        learner(["dog", fitting + "cat"], tower)


def test_the_context_alone_learns(learner: PromptLearner, tower: TextTower) -> None:
    tower.requires_grad_(False)
    learner(["cat", "dog"], tower).sum().backward()
    assert [name for name, _ in learner.named_parameters()] == ["prefix_prompt"]
    assert learner.prefix_prompt.grad is not None
    assert learner.prefix_prompt.grad.abs().sum() > 0
