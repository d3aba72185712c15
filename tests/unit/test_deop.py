"""DeOP as a segmenter: any image, any vocabulary, any precision; what is trained; what a wrong checkpoint says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from heard import Heard
from numpy.typing import NDArray
from torch import Tensor

from benchbed.errors import CheckpointError, UsageError
from benchbed.images import prepare
from benchbed.scores import MaskScores, full_scores, label_maps
from benchbed.segmenter import TextFeatures
from benchbed.stages import listening
from benchbed.vocabulary import Vocabulary
from methods.deop import METHOD
from methods.deop.checkpoint import load
from methods.deop.clip_pass import fit_count, token_cover
from methods.deop.heatmap_decoder import patch_masks
from methods.deop.model import DeOP, build

TINY = METHOD.variants[1]


@pytest.fixture(scope="module")
def deop() -> DeOP:
    torch.manual_seed(3)  # of seed 0's random weights, no-object takes all probability
    return build(**TINY.config).eval()


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def words(count: int) -> Vocabulary:
    return Vocabulary(tuple(f"thing number {k}" for k in range(count)), (True,) * count)


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth enough that resizing it means something."""
    rows, columns = np.mgrid[:height, :width]
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = np.sin(rows[..., None] / 9 + phase) + np.sin(columns[..., None] / 7 + phase)
    return (127 + 60 * waves).astype(np.uint8)


def segmented(deop: DeOP, images: list[NDArray[np.uint8]], count: int = 5) -> MaskScores:
    return deop.segment(prepare(images, deop.input_spec), deop.text_for(words(count)))


@pytest.mark.parametrize(
    "size", [(128, 128), (97, 131), (150, 101), (1, 1), (17, 300), (300, 17), (129, 255)]
)
def test_any_image_size(deop: DeOP, size: tuple[int, int]) -> None:
    scores = segmented(deop, [photo(*size)])
    padded = scores.geometry[0].padded
    assert scores.mask_logits.shape == (1, 12, padded[0] // 4, padded[1] // 4)
    assert scores.class_scores.shape == (1, 12, 5)
    assert scores.order == "resize-scores"
    assert label_maps(scores)[0].shape == size


@pytest.mark.parametrize("count", [1, 2, 300])
def test_any_number_of_classes(deop: DeOP, count: int) -> None:
    scores = segmented(deop, [photo(60, 80)], count)
    assert scores.class_scores.shape == (1, 12, count)
    total = scores.class_scores.sum(-1)
    assert (total > 0).all()
    assert (total < 1 + 1e-5).all()
    if count == 1:
        assert total.mean() < 0.999, "the no-object class keeps its share, dropped after the softmax"
    assert int(label_maps(scores)[0].max()) < count


def test_a_batch_of_one_size_is_its_images(deop: DeOP) -> None:
    images = [photo(100, 140, seed) for seed in range(3)]
    together = segmented(deop, images)
    for index, image in enumerate(images):
        alone = segmented(deop, [image])
        assert torch.allclose(together.mask_logits[index], alone.mask_logits[0], atol=1e-4)
        assert torch.allclose(together.class_scores[index], alone.class_scores[0], atol=1e-4)


def test_a_batch_of_unequal_sizes_runs(deop: DeOP) -> None:
    images = [photo(100, 140), photo(140, 100), photo(30, 31)]
    maps = label_maps(segmented(deop, images))
    assert [tuple(labels.shape) for labels in maps] == [image.shape[:2] for image in images]


@pytest.mark.parametrize("size", [(100, 141), (33, 47), (8, 8)])
def test_a_bare_tensor_need_not_be_padded(deop: DeOP, size: tuple[int, int]) -> None:
    """mmsegmentation's `encode_decode` hands over any size; CLIP drops incomplete patches."""
    deop.set_vocabulary(words(3))
    maps = deop.encode_decode(torch.randn(2, 3, *size), [])
    assert maps.shape == (2, 3, *size)
    assert maps.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_runs_and_stays_near_float32(deop: DeOP, dtype: torch.dtype) -> None:
    batch = prepare([photo(120, 150)], deop.input_spec)
    exact = deop.segment(batch, deop.text_for(words(5)))
    with torch.autocast("cpu", dtype=dtype):
        text = deop.encode_vocabulary(words(5))
        scores = deop.segment(batch, text)
    assert scores.class_scores.dtype == torch.float32
    agreement = (label_maps(scores)[0] == label_maps(exact)[0]).float().mean()
    assert agreement > 0.9
    # Scores too: with random weights the best two classes may lie within float32's rounding. Class logits rounded to
    # bfloat16, in steps of a half at this temperature, would move them by half of themselves.
    found, expected = full_scores(scores, 0), full_scores(exact, 0)
    assert (found - expected).abs().max() < 0.2 * expected.abs().max()


def test_the_same_image_twice_gives_the_same_bits(deop: DeOP) -> None:
    first, second = (segmented(deop, [photo(90, 90)]) for _ in range(2))
    assert torch.equal(first.mask_logits, second.mask_logits)
    assert torch.equal(first.class_scores, second.class_scores)


def test_stages_are_marked_in_order(deop: DeOP) -> None:
    heard = Heard()
    with listening(heard):
        batch = prepare([photo(64, 64)], deop.input_spec)
        deop.segment(batch, deop.encode_vocabulary(words(2)))
    stages = ("preprocess", "clip_text", "backbone", "proposals", "clip_image", "classify")
    assert heard.names == list(stages)


def test_both_networks_see_one_tensor(deop: DeOP) -> None:
    """Quirk 1: ImageNet's mean and std, for CLIP as well."""
    assert deop.input_spec.mean == (123.675, 116.28, 103.53)
    seen: list[Tensor] = []
    hooks = [
        part.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        for part in (deop.backbone.stem, deop.visual)
    ]
    segmented(deop, [photo(64, 64)])
    for hook in hooks:
        hook.remove()
    assert len(seen) == 2
    assert seen[0] is seen[1]


def test_masks_reach_the_patch_grid_in_two_orders() -> None:
    """Quirks 2 and 5: CLIP's factor resizes logits, the anchors' masks resize probabilities."""
    logits = torch.tensor([[-20.0, 0.0, 20.0, 20.0]]).expand(4, 4)[None, None]
    cover, masks = token_cover(logits, (1, 1)), patch_masks(logits, (1, 1))
    # Bilinear to one pixel takes the middle two columns: 0 and 20.
    assert cover.tolist() == [[1.0, pytest.approx(torch.tensor(10.0).sigmoid().item())]]
    assert masks.flatten().tolist() == [pytest.approx(0.75, abs=1e-6)]


def test_cls_is_covered_by_every_proposal() -> None:
    assert token_cover(torch.randn(2, 100, 8, 8), (2, 2))[:, 0].tolist() == [100.0, 100.0]


def test_the_official_token_grid_is_a_quarter_of_the_masks() -> None:
    """Patch 16 and masks at stride 4: naming the grid is the official `// 4`, for every padded size."""
    for side in range(32, 2080, 32):
        assert side // 16 == (side // 4) // 4


def test_learned_positions_of_fitting_count_stay() -> None:
    """Quirk 3: 4 x 16 tokens take an 8 x 8 table as it is."""
    table = torch.randn(65, 3)
    assert fit_count(table, (4, 16)) is table
    resized = fit_count(table, (4, 15))
    assert resized.shape == (61, 3)
    assert torch.equal(resized[0], table[0])


@torch.enable_grad()
def test_gradients_reach_what_is_trained_and_nothing_else() -> None:
    torch.manual_seed(1)
    deop = build(**TINY.config).train()
    batch = prepare([photo(64, 64)], deop.input_spec)
    scores = deop.segment(batch, deop.text_for(words(3)))
    (scores.class_scores * torch.randn(1, 12, 3)).sum().backward()
    moved = {name for name, p in deop.named_parameters() if p.grad is not None}
    trained = {name for name, p in deop.named_parameters() if p.requires_grad}
    assert trained - moved == {"decoder.norm.weight", "decoder.norm.bias"}
    assert moved <= trained
    values = deop.decoder.outlayer.multihead_attn_my.in_proj_weight.grad
    assert values is not None
    width = values.shape[1]
    assert values[2 * width :].abs().sum() == 0, "the value third is dead weight"
    assert values[: 2 * width].abs().sum() > 0


def test_a_long_class_name_is_refused(deop: DeOP) -> None:
    with pytest.raises(UsageError, match="tokens: at most"):
        deop.encode_vocabulary(Vocabulary(("word " * 80,), (True,)))


def test_the_card_loads_without_torch() -> None:
    code = "import sys, methods.deop as d; print(d.METHOD.card.name, 'torch' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == ["deop", "False"]


def test_inputs_are_the_published_ones() -> None:
    full = METHOD.variant("r101c-vit-b16")
    assert full is not None
    assert (full.input_for("coco-stuff").short_side, full.input_for("coco-stuff").longest_side) == (512, 2560)
    assert (full.input_for("voc").short_side, full.input_for("voc").longest_side) == (512, 2048)
    assert METHOD.default_variant(embedded=False) is full
    assert METHOD.default_variant(embedded=True) is TINY


# Checkpoints.


@pytest.fixture
def own(deop: DeOP) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in deop.state_dict().items()}


def test_our_own_state_loads_as_it_is(deop: DeOP, own: dict[str, Tensor]) -> None:
    again = load(own, **TINY.config).eval()
    assert again.input_spec == TINY.inputs["*"]
    batch, text = prepare([photo(64, 64)], deop.input_spec), deop.text_for(words(3))
    assert torch.equal(again.segment(batch, text).class_scores, deop.segment(batch, text).class_scores)


def test_our_own_state_of_another_size_is_refused(own: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match="is it of another method or size"):
        load(own, size="r101c-vit-b16")


@pytest.mark.parametrize("state", [{}, {"model.weight": torch.zeros(2)}])
def test_another_methods_checkpoint_is_refused(state: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"clip_adapter\.clip_model\.visual\.conv1\.weight"):
        load(state)


def test_an_unknown_size_is_refused() -> None:
    with pytest.raises(UsageError, match=r"size='huge'.*r101c-vit-b16, tiny"):
        build("huge")


def test_text_features_may_come_from_elsewhere(deop: DeOP) -> None:
    """`segment` takes whatever [K, D] features it is given."""
    text = TextFeatures(torch.nn.functional.normalize(torch.randn(7, deop.size.clip.embed_dim), dim=-1))
    scores = deop.segment(prepare([photo(40, 40)], deop.input_spec), text)
    assert scores.num_classes == 7
