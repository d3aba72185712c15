"""Our towers are open_clip's: same weights, same outputs, and the shortcuts change nothing."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.tokenizer import tokenize

from benchbed.clip import ImageTower, TextTower, resize_position
from benchbed.clip_block import mixing_block, value_block
from benchbed.clip_sizes import CLIP_SIZES, TINY


@pytest.fixture(scope="module")
def clip() -> CLIP:
    torch.manual_seed(0)
    vision = CLIPVisionCfg(layers=4, width=128, head_width=64, patch_size=8, image_size=64)
    words = CLIPTextCfg(context_length=77, vocab_size=49408, width=64, heads=1, layers=2)
    return CLIP(64, vision, words, quick_gelu=True).eval()


def test_image_tokens_through_all_blocks_give_open_clips_embedding(clip: CLIP) -> None:
    tower = ImageTower(TINY).eval()
    tower.load_state_dict(clip.visual.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        tokens, grid = tower.tokens(images)
        for block in tower.transformer.resblocks:
            tokens = block(tokens)
        ours = tower.ln_post(tokens[:, 0]) @ tower.proj
        theirs = clip.encode_image(images)
    assert grid == (8, 8)
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_text_cut_after_the_last_eot_gives_open_clips_embedding(clip: CLIP) -> None:
    tower = TextTower(TINY).eval()
    tower.load_state_dict(
        {n: v for n, v in clip.state_dict().items() if not n.startswith(("visual.", "logit"))}
    )
    prompts = ["a photo of a cat.", "there is a very long striped triangle in the scene, next to a disc", "x"]
    with torch.no_grad():
        ours = tower.encode(prompts)
        theirs = F.normalize(clip.encode_text(tokenize(prompts)), dim=-1)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_words_are_means_of_unit_embeddings_normalised_again(clip: CLIP) -> None:
    tower = TextTower(TINY).eval()
    with torch.no_grad():
        both = tower.encode_words(["cat", "dog "], ["a {}.", "the {}"])
        plain = F.normalize(tower.encode(["a dog.", "the dog"]).mean(0), dim=-1)
    assert torch.allclose(both[1], plain, atol=1e-6)
    assert torch.allclose(both.norm(dim=-1), torch.ones(2))


def test_the_value_path_is_attention_that_sees_only_itself(clip: CLIP) -> None:
    block = clip.visual.transformer.resblocks[-1]
    tokens = torch.randn(1, 5, 128)
    mask = torch.full((5, 5), float("-inf")).fill_diagonal_(0)
    with torch.no_grad():
        assert torch.allclose(value_block(block, tokens), block(tokens, attn_mask=mask), atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_our_block_is_open_clips_with_and_without_a_mask(clip: CLIP, masked: bool) -> None:
    block = clip.visual.transformer.resblocks[1]
    tokens = torch.randn(2, 9, 128)
    mask = torch.randn(2 * 2, 9, 9) if masked else None
    with torch.no_grad():
        assert torch.allclose(mixing_block(block, tokens, mask), block(tokens, attn_mask=mask), atol=1e-5)


def test_position_tables_keep_their_cls_row_and_are_left_alone_where_they_fit() -> None:
    table = torch.randn(65, 16)
    assert resize_position(table, (8, 8)) is table
    resized = resize_position(table, (4, 16))
    assert resized.shape == (65, 16)
    assert torch.equal(resized[0], table[0])
    assert not torch.equal(resized[1:], table[1:])


def test_parameter_counts_of_openais_towers() -> None:
    with torch.device("meta"):
        visual, text = ImageTower(CLIP_SIZES["vit-b16"]), TextTower(CLIP_SIZES["vit-b16"])
    assert sum(p.numel() for p in visual.parameters()) == 86_192_640  # 86.19 M: deop.md, section 2
    assert sum(p.numel() for p in text.parameters()) == 63_428_096  # 63.43 M, without logit_scale
