"""SimSeg on small random weights: sizes, batches, no proposal at all, thresholds, prompts, its card and its mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from heard import Heard
from numpy.typing import NDArray
from torch import Tensor

from benchbed.cost.flops import count_flops
from benchbed.cost.params import count_params
from benchbed.errors import CheckpointError, UsageError
from benchbed.images import ImageBatch, prepare
from benchbed.scores import MaskScores, label_maps
from benchbed.segmenter import TextFeatures
from benchbed.stages import listening
from benchbed.vocabulary import Vocabulary
from methods.simseg import METHOD
from methods.simseg import crops as crops_module
from methods.simseg.checkpoint import load
from methods.simseg.model import TEMPLATES, SimSeg, build
from methods.simseg.settings import CROSS_DATASET, VOC_15, ZERO_SHOT, Settings, settings

TINY = next(variant for variant in METHOD.variants if variant.embedded)
QUERIES = 12
WORDS = Vocabulary(("cat", "wet grass", "tv", "striped triangle", "sky"), (True, False, True, False, True))
NEVER = 0.9999999  # above what sigmoid gives of any logit here


def tiny(seed: int = 0, **changes: Any) -> SimSeg:
    torch.manual_seed(seed)
    simseg: SimSeg = build(**{**TINY.config, **changes}).eval()
    return simseg


@pytest.fixture(scope="module")
def simseg() -> SimSeg:
    return tiny()


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def text_of(simseg: SimSeg, classes: int, seed: int = 0) -> TextFeatures:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(classes, simseg.size.clip.embed_dim, generator=generator)
    seen = torch.arange(classes) % 2 == 0
    return TextFeatures(torch.nn.functional.normalize(embeddings, dim=-1), {"seen": seen})


@torch.no_grad()
def scores_of(simseg: SimSeg, images: ImageBatch, classes: int = 5) -> MaskScores:
    return simseg.segment(images, text_of(simseg, classes))


def part(images: ImageBatch, index: int) -> ImageBatch:
    """One image of a batch with the batch's padding."""
    chosen = slice(index, index + 1)
    return ImageBatch(images.tensor[chosen], images.pixels[chosen], images.geometry[chosen])


# Images.


@pytest.mark.parametrize("size", [(33, 47), (112, 160), (160, 113), (1, 200), (1, 1), (301, 299)])
def test_any_image_size_gives_a_label_map_of_that_size(simseg: SimSeg, size: tuple[int, int]) -> None:
    images = prepare([photo(*size)], simseg.input_spec)
    scores = scores_of(simseg, images)
    height, width = images.tensor.shape[2:]
    assert scores.mask_logits.shape == (1, QUERIES, height // 4, width // 4)
    assert scores.order == "resize-scores"
    (labels,) = label_maps(scores)
    assert tuple(labels.shape) == size
    assert int(labels.max()) < 5


@pytest.mark.parametrize("size", [(67, 101), (16, 50)])
def test_a_bare_tensor_of_odd_size(simseg: SimSeg, size: tuple[int, int]) -> None:
    scores = scores_of(simseg, ImageBatch.around(torch.randn(1, 3, *size), simseg.input_spec))
    assert tuple(label_maps(scores)[0].shape) == size


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_a_batch_of_different_sizes_equals_its_images_under_the_same_padding(seed: int) -> None:
    simseg = tiny(
        seed
    )  # with seed 1's weights one pixel of a mask lies on the threshold, so that its crops differ
    images = prepare([photo(128, 150), photo(128, 220, 1), photo(200, 128, 2)], simseg.input_spec)
    together = scores_of(simseg, images)
    for index in range(len(images)):
        alone = scores_of(simseg, part(images, index))
        torch.testing.assert_close(together.mask_logits[index], alone.mask_logits[0], rtol=0, atol=2e-5)
        torch.testing.assert_close(together.class_scores[index], alone.class_scores[0], rtol=0, atol=2e-5)
    assert [tuple(labels.shape) for labels in label_maps(together)] == [(128, 150), (128, 220), (200, 128)]


@pytest.mark.parametrize("classes", [1, 300])
def test_any_number_of_classes(simseg: SimSeg, classes: int) -> None:
    scores = scores_of(simseg, prepare([photo(112, 160)], simseg.input_spec), classes)
    assert scores.class_scores.shape == (1, QUERIES, classes)
    assert float(scores.class_scores.min()) >= 0
    assert float(scores.class_scores.max()) <= 1
    assert int(label_maps(scores)[0].max()) < classes


# Proposals, valid and not.


def crop_count(simseg: SimSeg, images: ImageBatch) -> list[int]:
    with torch.no_grad():
        masks = scores_of(simseg, images).mask_logits
        return [len(simseg.cut(images, masks, index).kept) for index in range(len(images))]


def test_without_a_valid_proposal_the_own_stream_decides(simseg: SimSeg) -> None:
    """Empty proposals have crop factor 1: own^w for seen classes, own^(1-w) for unseen ones."""
    images = prepare([photo(112, 160), photo(90, 128, 1)], simseg.input_spec)
    empty, alone = tiny(mask_threshold=NEVER), tiny(ensemble_weight=None)
    assert crop_count(empty, images) == [0, 0]
    own = scores_of(alone, images).class_scores
    text = text_of(simseg, 5)
    share = torch.where(text.extra["seen"], 0.8, 0.2)
    torch.testing.assert_close(scores_of(empty, images).class_scores, own**share)


def test_without_a_valid_proposal_and_with_crops_alone_nothing_scores() -> None:
    """The official code then sums over no mask at all; every score is 0 and the first class wins."""
    nothing = tiny(mask_threshold=NEVER, ensemble_weight=0.0)
    images = prepare([photo(112, 160)], nothing.input_spec)
    scores = scores_of(nothing, images)
    assert not scores.class_scores.any()
    assert not label_maps(scores)[0].any()


def test_a_threshold_of_zero_makes_every_proposal_valid() -> None:
    simseg = tiny(mask_threshold=0.0)
    images = prepare([photo(112, 160)], simseg.input_spec)
    assert crop_count(simseg, images) == [QUERIES]


def test_higher_thresholds_keep_fewer_crops() -> None:
    pixels = torch.zeros(3, 60, 60, dtype=torch.uint8)
    logits = torch.randn(40, 16, 16, generator=torch.Generator().manual_seed(0))
    logits += torch.linspace(-9, 9, 40)[:, None, None]
    counts = [
        len(crops_module.proposal_crops(pixels, logits, (64, 64), threshold, 32).kept)
        for threshold in (0.0, 0.1, 0.5, 0.9, 0.999, NEVER)
    ]
    assert counts == sorted(set(counts), reverse=True)
    assert (counts[0], counts[-1]) == (40, 0)


def test_no_tensor_holds_all_masks_at_full_size(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = torch.nn.functional.interpolate

    def watched(tensor: Tensor, *rest: Any, **keywords: Any) -> Tensor:
        result = plain(tensor, *rest, **keywords)
        seen.append(result.numel())
        return result

    monkeypatch.setattr(crops_module.F, "interpolate", watched)
    pixels = torch.zeros(3, 320, 320, dtype=torch.uint8)
    found = crops_module.proposal_crops(pixels, torch.ones(60, 80, 80), (320, 320), 0.5, 32)
    assert len(found.kept) == 60
    assert max(seen) <= crops_module.MASKS_PER_PASS * 320 * 320


# What decides a class's score.


def test_seen_and_unseen_classes_take_different_formulas(simseg: SimSeg) -> None:
    images = prepare([photo(112, 160)], simseg.input_spec)
    text = text_of(simseg, 4)
    with torch.no_grad():
        rows = {
            flags: simseg.segment(
                images, TextFeatures(text.embeddings, {"seen": torch.tensor(flags)})
            ).class_scores
            for flags in [(True,) * 4, (False,) * 4, (True, False, True, False)]
        }
        without = simseg.segment(images, TextFeatures(text.embeddings)).class_scores
    everyone, nobody, mixed = rows.values()
    assert torch.equal(mixed[..., ::2], everyone[..., ::2])
    assert torch.equal(mixed[..., 1::2], nobody[..., 1::2])
    assert torch.equal(without, nobody)
    assert not torch.allclose(everyone, nobody, atol=1e-3)


def test_the_vocabularys_flags_count_unless_told_otherwise(simseg: SimSeg) -> None:
    with torch.no_grad():
        assert simseg.encode_vocabulary(WORDS).extra["seen"].tolist() == list(WORDS.seen)
        assert not tiny(trainable_flag=False).encode_vocabulary(WORDS).extra["seen"].any()


@pytest.mark.parametrize("kind", ["vild", "imagenet", "single"])
def test_hand_written_prompts_are_means_over_their_templates(kind: str) -> None:
    simseg = tiny(prompts=kind)
    assert simseg.prompt is None
    assert len(TEMPLATES[kind]) == {"vild": 14, "imagenet": 80, "single": 1}[kind]
    with torch.no_grad():
        text = simseg.encode_vocabulary(WORDS).embeddings
        each = torch.stack([simseg.text.encode([t.format(n) for n in WORDS.names]) for t in TEMPLATES[kind]])
    expected = each.mean(0) / each.mean(0).norm(dim=-1, keepdim=True)
    torch.testing.assert_close(text, expected, rtol=0, atol=1e-5)


def test_a_crop_adapter_of_its_own_names_crops_by_its_own_prompts() -> None:
    simseg = tiny(prompts="single", separate_adapter=True)
    images = prepare([photo(112, 160)], simseg.input_spec)
    with torch.no_grad():
        text = simseg.encode_vocabulary(WORDS)
        both = simseg.segment(images, text).class_scores
        swapped = TextFeatures(text.embeddings, {**text.extra, "regions": text.embeddings})
        shared = simseg.segment(images, swapped).class_scores
    assert text.extra["regions"].shape == text.embeddings.shape
    assert not torch.allclose(both, shared, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precisions_give_float32_scores(simseg: SimSeg, dtype: torch.dtype) -> None:
    images = prepare([photo(112, 160)], simseg.input_spec)
    with torch.autocast("cpu", dtype=dtype):
        rough = scores_of(simseg, images)
    assert rough.class_scores.dtype == torch.float32
    assert rough.class_scores.isfinite().all()
    exact = scores_of(simseg, images)
    scale = float(exact.mask_logits.abs().max())
    assert float((rough.mask_logits.float() - exact.mask_logits).abs().max()) < 0.05 * scale


def test_only_clip_is_frozen_and_gradients_reach_the_own_stream(simseg: SimSeg) -> None:
    for name, parameter in simseg.named_parameters():
        assert parameter.requires_grad != name.startswith(simseg.clip_prefixes), name
    trained = tiny()
    images = prepare([photo(64, 96)], trained.input_spec)
    scores = trained.segment(images, trained.encode_vocabulary(WORDS))
    (scores.mask_logits.square().mean() + scores.class_scores.sum()).backward()
    for name, parameter in trained.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


# Stages and the bench's own counters.


def test_stages_come_in_order_once_an_image(simseg: SimSeg) -> None:
    heard = Heard()
    images = prepare([photo(112, 160), photo(100, 100)], simseg.input_spec)
    with listening(heard), torch.no_grad():
        text = simseg.encode_vocabulary(WORDS)
        simseg.segment(images, text)
    each = ["crops", "clip_image", "classify"]
    assert heard.names == ["clip_text", "backbone", "proposals", "classify", *each, *each]


def test_the_benchs_counters_follow_what_depends_on_values(simseg: SimSeg) -> None:
    images = prepare([photo(64, 96)], simseg.input_spec)
    flops = count_flops(simseg, images, WORDS)
    assert set(flops.per_stage) >= {"backbone", "proposals", "clip_image", "classify"}
    params = count_params(simseg, images, WORDS)
    assert params.total == sum(p.numel() for p in simseg.parameters())
    assert params.frozen_clip == sum(
        p.numel() for n, p in simseg.named_parameters() if n.startswith(("visual.", "text."))
    )
    assert params.unused_at_inference == 0


# The card, and what was published.


def test_the_card_loads_without_torch_and_its_inputs_match_the_models() -> None:
    program = "import sys, methods.simseg, methods.simseg.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    for variant in METHOD.variants:
        with torch.device("meta"):
            assert build(**variant.config).input_spec == variant.inputs["*"]
        assert json.loads(json.dumps(dict(variant.config))) == dict(variant.config)
    assert METHOD.default_variant(embedded=False).name == "r101c"
    assert METHOD.default_variant(embedded=True).name == "tiny"


def test_published_settings_are_settings_and_r101c_has_coco_stuffs() -> None:
    for chosen in [*ZERO_SHOT.values(), *CROSS_DATASET.values(), VOC_15]:
        assert isinstance(settings(chosen), Settings)
    variant = METHOD.variant("r101c")
    assert variant is not None
    assert {key: variant.config[key] for key in ZERO_SHOT["coco-stuff"]} == dict(ZERO_SHOT["coco-stuff"])
    assert (variant.input_for("coco-stuff").short_side, variant.input_for("voc").short_side) == (640, 512)


# Our own weights, and the user's mistakes.


def test_our_own_state_dict_loads_to_the_same_scores(simseg: SimSeg) -> None:
    again = load(simseg.state_dict(), **TINY.config).eval()
    images = prepare([photo(64, 96)], simseg.input_spec)
    assert torch.equal(scores_of(again, images).class_scores, scores_of(simseg, images).class_scores)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"mask_treshold": 0.5}, ("mask_treshold", "mask_threshold")),
        ({"mask_threshold": 1.0}, ("mask_threshold=1.0", "below 1")),
        ({"mask_threshold": -0.1}, ("mask_threshold=-0.1",)),
        ({"ensemble_weight": 1.5}, ("ensemble_weight=1.5", "at most 1")),
        ({"prompts": "learned"}, ("prompts='learned'", "learnable")),
        ({"region_prompts": "vil"}, ("region_prompts='vil'", "vild")),
        ({"size": "r101"}, ("size='r101'", "r101c-vit-b16")),
    ],
)
def test_wrong_keywords_say_what_would_be_right(keywords: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        tiny(**keywords)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


def test_another_methods_tensors_are_refused() -> None:
    with pytest.raises(CheckpointError, match="another method"):
        load({"backbone.stem.conv1.weight": torch.zeros(64, 3, 7, 7)})


def test_a_name_too_long_for_the_learned_prompt_is_refused(simseg: SimSeg) -> None:
    with pytest.raises(UsageError, match="tokens"):
        simseg.encode_vocabulary(Vocabulary(("very " * 80 + "long",), (True,)))
