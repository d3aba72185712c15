"""SAN's forward pass on small random weights: sizes, batches, precisions, invariants of the steering mask."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from heard import Heard
from numpy.typing import NDArray
from torch import Tensor

from benchbed.errors import UsageError
from benchbed.images import ImageBatch, prepare
from benchbed.scores import MaskScores, label_maps
from benchbed.segmenter import TextFeatures
from benchbed.stages import listening
from benchbed.vocabulary import Vocabulary
from methods.parts.position_encoding import patch_position
from methods.san import METHOD
from methods.san.model import SAN, build
from methods.san.recognition import Seen, recognise, see, steering

(TINY,) = (variant for variant in METHOD.variants if variant.embedded)


def tiny(seed: int = 0, **changes: Any) -> SAN:
    torch.manual_seed(seed)
    san: SAN = build(**{**TINY.config, **changes}).eval()
    return san


@pytest.fixture(scope="module")
def san() -> SAN:
    return tiny()


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def text_of(san: SAN, classes: int, seed: int = 0) -> TextFeatures:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(classes, san.size.clip.embed_dim, generator=generator)
    return TextFeatures(torch.nn.functional.normalize(embeddings, dim=-1))


@torch.no_grad()
def scores_of(san: SAN, images: ImageBatch, classes: int = 5) -> MaskScores:
    return san.segment(images, text_of(san, classes))


def part(images: ImageBatch, index: int) -> ImageBatch:
    """One image of a batch with the batch's padding."""
    chosen = slice(index, index + 1)
    return ImageBatch(images.tensor[chosen], images.pixels[chosen], images.geometry[chosen])


@pytest.mark.parametrize("size", [(33, 47), (112, 160), (160, 113), (1, 200), (301, 299)])
def test_any_image_size_gives_a_label_map_of_that_size(san: SAN, size: tuple[int, int]) -> None:
    images = prepare([photo(*size)], san.input_spec)
    scores = scores_of(san, images)
    height, width = images.tensor.shape[2:]
    assert scores.mask_logits.shape == (1, 48, height // 8, width // 8)
    assert scores.order == "resize-logits"
    (labels,) = label_maps(scores)
    assert tuple(labels.shape) == size
    assert int(labels.min()) >= 0
    assert int(labels.max()) < 5


@pytest.mark.parametrize("size", [(67, 101), (16, 16)])
def test_a_bare_tensor_of_odd_size_drops_incomplete_patches(san: SAN, size: tuple[int, int]) -> None:
    scores = scores_of(san, ImageBatch.around(torch.randn(1, 3, *size), san.input_spec))
    assert scores.mask_logits.shape[2:] == (size[0] // 8, size[1] // 8)
    assert tuple(label_maps(scores)[0].shape) == size


def test_a_batch_of_different_sizes_equals_its_images_under_the_same_padding(san: SAN) -> None:
    images = prepare([photo(128, 150), photo(128, 220, 1), photo(200, 128, 2)], san.input_spec)
    together = scores_of(san, images)
    for index in range(len(images)):
        alone = scores_of(san, part(images, index))
        torch.testing.assert_close(together.mask_logits[index], alone.mask_logits[0], rtol=0, atol=2e-5)
        torch.testing.assert_close(together.class_scores[index], alone.class_scores[0], rtol=0, atol=2e-5)


def test_padding_takes_part_in_attention_as_published(san: SAN) -> None:
    """An image that the batch pads further than it needs changes; one that sets the padding does not."""
    wide, narrow = photo(128, 224, 1), photo(128, 128, 2)
    together = scores_of(san, prepare([wide, narrow], san.input_spec))
    change = []
    for index, image in enumerate((wide, narrow)):
        alone = scores_of(san, prepare([image], san.input_spec)).mask_logits[0]
        change.append(
            float((together.mask_logits[index, :, : alone.shape[1], : alone.shape[2]] - alone).abs().max())
        )
    assert change[0] < 2e-5
    assert change[1] > 1e-3


@pytest.mark.parametrize("classes", [1, 300])
def test_any_number_of_classes(san: SAN, classes: int) -> None:
    scores = scores_of(san, prepare([photo(112, 160)], san.input_spec), classes)
    assert scores.class_scores.shape == (1, 48, classes)
    total = scores.class_scores.sum(-1)
    assert float(scores.class_scores.min()) >= 0
    assert float(total.max()) <= 1 + 1e-5  # the background's share is gone
    (labels,) = label_maps(scores)
    assert int(labels.max()) < classes


def test_the_background_takes_its_share_and_is_renormalised_with_the_names(san: SAN) -> None:
    text = text_of(san, 3)
    embeddings = torch.nn.functional.normalize(torch.randn(1, 4, san.size.clip.embed_dim), dim=-1)
    with torch.no_grad():
        logits = san.classify(embeddings, text)
        background = san.bg_embed[0] / san.bg_embed[0].norm()
        expected = 100 * torch.stack(
            [embeddings @ text.embeddings[k] for k in range(3)] + [embeddings @ background], -1
        )
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-3)


def test_the_same_seed_gives_the_same_scores_and_another_does_not() -> None:
    images = prepare([photo(112, 160)], TINY.inputs["*"])
    first, again, other = (scores_of(tiny(seed), images).mask_logits for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


def test_vocabulary_features_are_unit_means_over_templates_and_cached(san: SAN) -> None:
    vocabulary = Vocabulary(("striped triangle", "sky"), (True, False))
    with torch.no_grad():
        text = san.text_for(vocabulary)
        assert san.text_for(vocabulary) is text
        swapped = san.encode_vocabulary(Vocabulary(("sky", "striped triangle"), (True, True)))
    torch.testing.assert_close(text.embeddings.norm(dim=-1), torch.ones(2))
    torch.testing.assert_close(swapped.embeddings.flip(0), text.embeddings, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precisions_stay_near_float32(san: SAN, dtype: torch.dtype) -> None:
    images = prepare([photo(112, 160), photo(160, 112, 1)], san.input_spec)
    exact = scores_of(san, images)
    with torch.autocast("cpu", dtype=dtype):
        rough = scores_of(san, images)
    assert rough.class_scores.dtype == rough.mask_logits.dtype == torch.float32
    scale = float(exact.mask_logits.abs().max())
    assert float((rough.mask_logits - exact.mask_logits).abs().max()) < 0.05 * scale
    assert float((rough.class_scores - exact.class_scores).abs().max()) < 0.15


def test_gradients_reach_every_trainable_parameter_and_no_frozen_one() -> None:
    san = tiny()
    scores = san.segment(prepare([photo(112, 160)], san.input_spec), text_of(san, 5))
    (scores.mask_logits.square().mean() + scores.class_scores.square().sum()).backward()
    for name, parameter in san.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all(), name


def test_positions_start_at_unit_size_where_the_size_says_so() -> None:
    size = tiny().size
    expected = patch_position(size.side_grid, size.side_grid, size.side_width).flatten(0, 1)[None]
    assert torch.equal(tiny().side.pos_embed, expected)
    assert tiny().side.pos_embed.requires_grad
    assert 0.9 < float(tiny().side.query_pos_embed.std()) < 1.1
    for small in (tiny(unit_positions=False).side.pos_embed, tiny(unit_positions=False).side.query_pos_embed):
        assert float(small.abs().max()) < 0.2  # small random numbers, as the authors'


def test_tiny_is_quick(san: SAN) -> None:
    images = prepare([photo(160, 160)], san.input_spec)
    scores_of(san, images)
    seconds = []
    for _ in range(3):
        start = time.process_time()  # one thread; the clock would also count what runs beside the tests
        scores_of(san, images)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.3


def test_stages_come_in_the_published_order(san: SAN) -> None:
    heard = Heard()
    images = prepare([photo(112, 160)], san.input_spec)
    with listening(heard):
        scores_of(san, images)
    assert heard.names == ["clip_image", "backbone", "proposals", "clip_image", "classify"]


# The steering of mask tokens.


def plain_mask(bias: Tensor, grid: tuple[int, int]) -> Tensor:
    """The official code's, element by element: rows look, columns are seen; [mask tokens; CLS; patches]."""
    batch, heads, count, height, width = bias.shape
    length = count + 1 + grid[0] * grid[1]
    mask = torch.zeros(batch * heads, length, length)
    for n in range(batch * heads):
        for row in range(length):
            for column in range(length):
                if column < count:
                    mask[n, row, column] = 0 if row == column else -100
                elif row < count and column == count:
                    mask[n, row, column] = -100
                elif row < count:
                    y, x = divmod(column - count - 1, grid[1])
                    rows = slice(y * height // grid[0], -(-(y + 1) * height // grid[0]))
                    columns = slice(x * width // grid[1], -(-(x + 1) * width // grid[1]))
                    mask[n, row, column] = bias[n // heads, n % heads, row, rows, columns].max()
    return mask


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("shape", "grid"), [((4, 6), (2, 3)), ((5, 4), (3, 3)), ((2, 2), (3, 2))])
def test_steering_is_what_mask_tokens_see_of_patches(
    seed: int, shape: tuple[int, int], grid: tuple[int, int]
) -> None:
    bias = torch.randn(2, 2, 3, *shape, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(steering(bias, grid).flatten(0, 1), plain_mask(bias, grid)[:, :3, 4:])


def deep(san: SAN, bias: Tensor, tokens: Tensor) -> tuple[Tensor, Seen]:
    """Mask tokens after blocks 3 and 4, and what CLIP sees, from tokens before block 1."""
    blocks = [*san.clip.transformer.resblocks]
    with torch.no_grad():
        seen = see(blocks, tokens, (4, 4), shallow=2, kept={2, 4})
        return recognise(blocks[2:], seen.states[2][:, :1], seen, steering(bias, seen.grid)), seen


@pytest.mark.parametrize("seed", range(3))
def test_tokens_apart_are_those_of_one_sequence_under_the_official_mask(san: SAN, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(2, 17, 128, generator=generator)
    bias = 3 * torch.randn(2, 2, 5, 8, 8, generator=generator)
    found, seen = deep(san, bias, tokens)
    mask = plain_mask(bias, (4, 4))
    with torch.no_grad():
        state = tokens
        for block in san.clip.transformer.resblocks[:2]:
            state = block(state)
        together = torch.cat([state[:, :1].expand(-1, 5, -1), state], 1)
        for block in san.clip.transformer.resblocks[2:]:
            together = block(together, attn_mask=mask)
    torch.testing.assert_close(seen.states[2], state, rtol=0, atol=1e-4)
    torch.testing.assert_close(found, together[:, :5], rtol=0, atol=1e-4)
    torch.testing.assert_close(seen.states[4], together[:, 5:], rtol=0, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_masks_steer_their_own_token_and_nothing_else(san: SAN, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(1, 17, 128, generator=generator)
    bias = torch.randn(1, 2, 5, 8, 8, generator=generator)
    changed = bias.clone()
    changed[:, :, 3] += 3 * torch.randn(1, 2, 8, 8, generator=generator)
    difference = (deep(san, bias, tokens)[0] - deep(san, changed, tokens)[0]).abs().amax((0, 2))
    assert float(difference[3]) > 1e-3
    assert float(difference[[0, 1, 2, 4]].max()) < 1e-5


# The user's mistakes.


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"side_head": 4}, ("side_head", "side_heads")),
        ({"clip": "vit-b61"}, ("vit-b61", "vit-b16")),
        ({"side_heads": 5}, ("side_heads=5", "side_width=96")),
        ({"side_width": 98, "side_heads": 2}, ("unit_positions", "side_width=98")),
        ({"side_heads": 0}, ("side_heads=0",)),
        ({"shallow": 4}, ("shallow=4", "1 to 3")),
        ({"fusion": ((0, 0), (5, 1))}, ("fusion", "0 to 4")),
        ({"fusion": ((0, 1), (1, 0))}, ("fusion", "rising")),
        ({"clip_resolution": 0}, ("clip_resolution=0",)),
    ],
)
def test_wrong_keywords_say_what_would_be_right(keywords: dict[str, Any], words: Sequence[str]) -> None:
    with pytest.raises(UsageError) as caught:
        tiny(**keywords)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


def test_the_card_loads_without_torch_and_its_inputs_match_the_models() -> None:
    program = "import sys, methods.san; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    for variant in METHOD.variants:
        with torch.device("meta"):
            assert build(**variant.config).input_spec == variant.inputs["*"]
