"""ZegFormer's behaviour at the edges, on the tiny variant with random weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from heard import Heard
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchbed.cost.flops import count_flops
from benchbed.errors import CheckpointError, UsageError
from benchbed.images import prepare
from benchbed.scores import MaskScores, full_scores, label_maps
from benchbed.stages import listening
from benchbed.vocabulary import Vocabulary
from methods.zegformer import METHOD
from methods.zegformer.checkpoint import load
from methods.zegformer.model import ZegFormer, build

METHOD_ROOT = Path(__file__).parents[2]
WORDS = Vocabulary(("cat", "potted plant", "sea, ocean"), (True, False, True))


def tiny(**choices: Any) -> ZegFormer:
    """Masks of all sizes, the same ones each time."""
    torch.manual_seed(0)
    zegformer: ZegFormer = build("tiny", short_side=64, longest_side=192, **choices).eval()
    zegformer.sem_seg_head.pixel_decoder.mask_features.bias.data.normal_(std=2)  # type: ignore[union-attr]
    return zegformer


def photo(height: int, width: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def run(zegformer: ZegFormer, *images: Any, words: Vocabulary = WORDS) -> MaskScores:
    with torch.inference_mode():
        return zegformer.segment(prepare(images, zegformer.input_spec), zegformer.text_for(words))


# Modes.


def test_the_three_modes_differ_in_names_and_share_masks() -> None:
    found = {mode: run(tiny(mode=mode), photo(50, 70)) for mode in ("seg", "img", "full")}
    assert torch.equal(found["seg"].mask_logits, found["full"].mask_logits)
    scores = [each.class_scores for each in found.values()]
    assert all(each.shape == (1, 12, 3) for each in scores)
    assert not any(torch.allclose(scores[i], scores[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert all(each.order == "resize-scores" for each in found.values())


def test_seg_runs_neither_crops_nor_the_second_text_set() -> None:
    zegformer, heard = tiny(mode="seg"), Heard()
    assert "clip" not in zegformer.encode_vocabulary(WORDS).extra
    zegformer.visual = torch.nn.Identity()  # type: ignore[assignment]
    with listening(heard):
        run(zegformer, photo(50, 70))
    assert set(heard.names) == {"clip_text", "preprocess", "backbone", "proposals", "classify"}


def test_full_marks_every_stage_and_text_runs_once() -> None:
    zegformer, heard = tiny(), Heard()
    run(zegformer, photo(50, 70))
    with listening(heard):
        run(zegformer, photo(50, 70))
    assert heard.names == [
        "preprocess",
        "backbone",
        "proposals",
        "classify",
        "crops",
        "clip_image",
        "classify",
    ]


@pytest.mark.parametrize(("gamma", "expected"), [(0.1, [-0.1, 0.0, -0.1]), (2.5, [-2.5, 0.0, -2.5])])
def test_gamma_holds_seen_classes_back(gamma: float, expected: list[float]) -> None:
    offset = run(tiny(mode="seg", gamma=gamma), photo(50, 70)).class_offset
    assert offset is not None
    torch.testing.assert_close(offset, torch.tensor(expected))


@pytest.mark.parametrize("gamma", [0.0, -1.0])
def test_gamma_of_zero_or_less_does_nothing(gamma: float) -> None:
    assert run(tiny(mode="seg", gamma=gamma), photo(50, 70)).class_offset is None


def test_which_classes_are_seen_changes_the_names_of_masks() -> None:
    split, none = run(tiny(), photo(50, 70)), Vocabulary(WORDS.names, (False,) * 3)
    assert not torch.allclose(run(tiny(), photo(50, 70), words=none).class_scores, split.class_scores)
    alone = run(tiny(mode="img"), photo(50, 70), words=none).class_scores
    torch.testing.assert_close(alone, run(tiny(mode="img"), photo(50, 70)).class_scores)


def test_seen_classes_are_told_apart_by_the_head_alone() -> None:
    head, both = (run(tiny(mode=mode), photo(50, 70)).class_scores[..., [0, 2]] for mode in ("seg", "full"))
    torch.testing.assert_close(
        (head[..., 0] / head[..., 1]) ** (2 / 3), both[..., 0] / both[..., 1], rtol=1e-4, atol=1e-6
    )


def test_templates_of_each_stream_are_its_own() -> None:
    usual, other = (
        tiny().encode_vocabulary(WORDS),
        tiny(head_templates="imagenet_select").encode_vocabulary(WORDS),
    )
    assert not torch.allclose(usual.embeddings, other.embeddings, atol=1e-4)
    torch.testing.assert_close(usual.extra["clip"], other.extra["clip"])
    same = tiny(clip_templates="single").encode_vocabulary(WORDS)
    torch.testing.assert_close(same.extra["clip"], usual.embeddings)


def test_the_whole_last_block_changes_nothing_but_time() -> None:
    ours, theirs = (run(tiny(whole_last_block=whole), photo(50, 70)) for whole in (False, True))
    torch.testing.assert_close(ours.class_scores, theirs.class_scores, rtol=1e-4, atol=1e-6)


# Images, masks and words at the edges.


@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 300), (300, 17), (33, 65), (64, 64)])
def test_odd_sizes(height: int, width: int) -> None:
    scores = run(tiny(), photo(height, width))
    (labels,) = label_maps(scores)
    assert labels.shape == (height, width)
    assert full_scores(scores, 0).isfinite().all()


@pytest.mark.parametrize("level", [-50.0, 50.0], ids=["empty", "full"])
def test_masks_all_empty_or_all_full(level: float) -> None:
    """Empty masks are sent to CLIP like any other: a crop of nothing but the mean colour."""
    zegformer = tiny()
    images = prepare([photo(50, 70)], zegformer.input_spec)
    masks = torch.full((1, 30, images.tensor.shape[2] // 4, images.tensor.shape[3] // 4), level)
    with torch.inference_mode():
        embedded = zegformer.clip_features(images, masks)
    assert embedded.shape == (1, 30, 64)
    torch.testing.assert_close(embedded, embedded[:, :1].expand_as(embedded))
    nothing = torch.nn.functional.normalize(zegformer.visual(torch.zeros(1, 3, 64, 64)), dim=-1)[0]
    assert torch.allclose(embedded[0, 0], nothing, atol=1e-6) == (level < 0)


def test_one_class_fills_the_picture() -> None:
    (labels,) = label_maps(run(tiny(), photo(50, 70), words=Vocabulary(("a thing",), (True,))))
    assert not labels.any()


def test_many_classes_and_unusual_names() -> None:
    names = ("CAT ", "café", "a, b, c", ", ", "日本", *(f"thing {k}" for k in range(40)))
    words = Vocabulary(names, tuple(k % 3 > 0 for k in range(len(names))))
    assert run(tiny(head_templates="imagenet_select"), photo(40, 40), words=words).num_classes == len(names)


def test_a_batch_of_equal_sizes_is_its_images_one_by_one() -> None:
    zegformer, images = tiny(), [photo(50, 70, seed) for seed in (1, 2)]
    together = run(zegformer, *images)
    for index, image in enumerate(images):
        alone = run(zegformer, image)
        torch.testing.assert_close(together.class_scores[index], alone.class_scores[0], rtol=1e-3, atol=1e-5)


def test_a_batch_of_two_sizes_keeps_each_ones_own() -> None:
    scores = run(tiny(), photo(50, 70), photo(90, 41))
    assert [tuple(labels.shape) for labels in label_maps(scores)] == [(50, 70), (90, 41)]


def test_autocast_leaves_scores_finite_and_near() -> None:
    zegformer = tiny()
    images, text = prepare([photo(50, 70)], zegformer.input_spec), zegformer.text_for(WORDS)
    with torch.inference_mode():
        plain = zegformer.segment(images, text)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = zegformer.segment(images, text)
    assert rounded.class_scores.dtype == torch.float32
    assert (rounded.class_scores - plain.class_scores).abs().mean() < 0.05


class LargestResult(TorchDispatchMode):
    """The most bytes that one operator's new result takes."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        stored = (t.untyped_storage().nbytes() for t in tree_leaves(result) if isinstance(t, Tensor))
        self.bytes = max(self.bytes, *stored, 0)
        return result


def test_no_tensor_holds_all_queries_at_full_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither masked copies nor masks: the official code holds 30 x 3 x H x W floats here, twice."""
    monkeypatch.setattr("methods.zegformer.crops.MASKED_BYTES", 2**20)
    zegformer = tiny().set_input(build("tiny", short_side=256, longest_side=512).input_spec)
    text = zegformer.text_for(WORDS)
    images = prepare([photo(256, 320)], zegformer.input_spec)
    with torch.no_grad(), LargestResult() as largest:
        zegformer.clip_features(images, torch.randn(1, 30, 64, 80))
    assert text.extra["clip"].shape == (3, 64)
    assert 0 < largest.bytes < 30 * 256 * 320 * 4


def test_the_bench_can_count_it_on_shapes() -> None:
    zegformer = tiny()
    flops = count_flops(zegformer, prepare([photo(50, 70)], zegformer.input_spec), WORDS)
    assert flops.counted_on["segment"] == "shapes"
    assert flops.per_stage["clip_image"] > 0.5 * flops.total
    assert flops.per_stage["unaccounted"] == 0


def test_a_bare_tensor_from_mmsegmentation_runs() -> None:
    zegformer = tiny().set_vocabulary(WORDS)
    with torch.inference_mode():
        (scores,) = zegformer(torch.randn(1, 3, 64, 96), mode="tensor")
    assert scores.shape == (3, 64, 96)


# Names, card, checkpoints.


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"mode": "both"}, r"mode='both'.*expected one of seg, img, full"),
        ({"head_templates": "vild"}, r"head_templates='vild'.*single, imagenet_select"),
        ({"clip_templates": "vild"}, r"clip_templates='vild'"),
        ({"gamma": float("nan")}, r"gamma=nan"),
        ({"size": "r18"}, r"size='r18'.*r101, r50, tiny"),
    ],
)
def test_a_wrong_choice_is_named(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(**{"size": "tiny", **choices})


def test_variants_build_what_they_say() -> None:
    assert METHOD.default_variant(embedded=False).name == "r101"
    assert METHOD.default_variant(embedded=True).name == "tiny"
    for variant in METHOD.variants:
        with torch.device("meta"):
            zegformer = build(**variant.config)
        assert zegformer.input_spec == variant.inputs["*"]
    assert METHOD.variants[0].input_for("coco-stuff").short_side == 640


def test_the_card_needs_no_torch() -> None:
    code = "import sys, methods.zegformer; assert not {'torch', 'open_clip', 'mmseg'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=METHOD_ROOT)


def test_our_own_tensors_load_and_give_the_same() -> None:
    zegformer = tiny()
    config = METHOD.variant("tiny")
    assert config is not None
    again = load(zegformer.state_dict(), **{**config.config, "short_side": 64, "longest_side": 192}).eval()
    assert torch.equal(run(again, photo(50, 70)).class_scores, run(zegformer, photo(50, 70)).class_scores)
    assert again.conversion is not None
    assert set(again.conversion.used) == set(zegformer.state_dict())
    with pytest.raises(CheckpointError, match=r"lacks|unknown"):
        load(zegformer.state_dict(), size="r50")
