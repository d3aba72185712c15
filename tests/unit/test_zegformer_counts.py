"""ZegFormer's parameters and FLOPs against the official model's (shared/reference/methods/zegformer.md, sections 2 and 8).

Counted on tensors without values: the full-size model takes neither memory nor time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchbed.images import ImageBatch
from benchbed.scores import Geometry
from benchbed.segmenter import TextFeatures
from benchbed.stages import listening
from methods.zegformer.card import INPUT
from methods.zegformer.model import ZegFormer, build

CLASSES, QUERIES, HIDDEN, EMBED = 171, 100, 256, 512
LAYERS = 6  # of the mask transformer
TOKENS, WIDTH = 197, 768  # of CLIP ViT-B/16 at 224
CROP = 35.127e9  # the official count of one crop, 35.13 GFLOPs
# padded input -> backbone R101, head, total in GFLOPs; the crops are 3,513 everywhere.
OFFICIAL = {
    (640, 853): (171.9, 121.9, 3806.8),
    (640, 640): (127.3, 90.9, 3731.0),
    (512, 683): (112.1, 80.3, 3705.0),
}


@pytest.fixture
def valueless() -> Iterator[None]:
    """Tensors without values, and no kernel that hides its products from the counter."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    with sdpa_kernel(SDPBackend.MATH), FakeTensorMode(), torch.no_grad():
        yield
    torch.backends.mha.set_fastpath_enabled(before)


class PerStage:
    """FLOPs of each stage, none of which lies inside another."""

    def __init__(self, counter: FlopCounterMode) -> None:
        self.counter, self.flops = counter, dict[str, int]()

    def enter(self, name: str) -> None:
        self.flops[name] = self.flops.get(name, 0) - self.counter.get_total_flops()

    def leave(self, name: str) -> None:
        self.flops[name] += self.counter.get_total_flops()


def count(zegformer: ZegFormer, height: int, width: int) -> dict[str, int]:
    """FLOPs by stage of one image of this (resized) size and 171 classes."""
    padded = zegformer.input_spec.padded(height, width)
    images = ImageBatch(
        torch.empty(1, 3, *padded),
        (torch.empty(3, height, width, dtype=torch.uint8),),
        (Geometry(padded, (height, width), (height, width)),),
    )
    words = torch.empty(CLASSES, EMBED)
    text = TextFeatures(words, {"clip": words, "seen": torch.ones(CLASSES, dtype=torch.bool)})
    with FlopCounterMode(display=False) as counter:
        stages = PerStage(counter)
        with listening(stages):
            scores = zegformer.segment(images, text)
    assert scores.class_scores.shape == (1, QUERIES, CLASSES)
    assert sum(stages.flops.values()) == counter.get_total_flops()
    return stages.flops


@cache
def whole(height: int, width: int) -> dict[str, int]:
    """FLOPs by stage of R101 with every token of CLIP's last block."""
    return count(build("r101", whole_last_block=True).eval(), height, width)


def layers_nobody_reads(padded: tuple[int, int]) -> int:
    """The official head names and draws the masks of all six decoder layers, also where only the last one is used."""
    masks = 2 * QUERIES * HIDDEN * (padded[0] // 4) * (padded[1] // 4)
    mask_embed = 2 * 3 * QUERIES * HIDDEN**2
    names = 2 * QUERIES * (HIDDEN * EMBED + EMBED * (CLASSES + 1))
    return (LAYERS - 1) * (masks + mask_embed + names)


def tokens_nobody_reads() -> int:
    """One crop's last block: queries, output projection, MLP and attention of the 196 tokens that are not CLS."""
    patches = TOKENS - 1
    return 2 * patches * (10 * WIDTH**2 + 2 * TOKENS * WIDTH)


@pytest.mark.usefixtures("valueless")
@pytest.mark.parametrize("size", OFFICIAL)
def test_flops_are_the_official_ones_term_by_term(size: tuple[int, int]) -> None:
    backbone, head, total = OFFICIAL[size]
    found = whole(*size)
    crop_names = 2 * QUERIES * EMBED * CLASSES  # the official count leaves crops times words out
    unread = layers_nobody_reads(INPUT.padded(*size))
    assert found["backbone"] / 1e9 == pytest.approx(backbone, rel=0.001)
    of_head = found["proposals"] + found["classify"] - crop_names
    assert (of_head + unread) / 1e9 == pytest.approx(head, rel=0.001)
    assert found["clip_image"] == pytest.approx(QUERIES * CROP, rel=0.001)
    assert found["crops"] == 0  # interpolation is not counted, by nobody
    ours = sum(found.values())
    assert ours / 1e9 == pytest.approx(total, rel=0.01)
    assert (ours + unread - crop_names) / 1e9 == pytest.approx(total, rel=0.001)


@pytest.mark.usefixtures("valueless")
def test_the_default_leaves_out_what_nobody_reads_of_the_last_block() -> None:
    """3,554 GFLOPs in place of 3,797 at 640 x 853; the rest is the same."""
    official = whole(640, 853)
    found = count(build("r101").eval(), 640, 853)
    assert official["clip_image"] - found["clip_image"] == QUERIES * tokens_nobody_reads()
    assert {**found, "clip_image": 0} == {**official, "clip_image": 0}
    assert sum(found.values()) / 1e9 == pytest.approx(3554.2, abs=0.1)


@pytest.mark.usefixtures("valueless")
def test_the_segmentation_stream_alone_has_no_crops() -> None:
    found = count(build("r101", mode="seg").eval(), 640, 853)
    assert set(found) == {"backbone", "proposals", "classify"}
    assert sum(found.values()) / 1e9 == pytest.approx(284.6, abs=0.1)


@pytest.mark.usefixtures("valueless")
def test_r50_is_the_official_timings_count() -> None:
    """official-timing.md: backbone and head of R50 157.7 GFLOPs at 640 x 640."""
    found = count(build("r50", mode="seg").eval(), 640, 640)
    assert (sum(found.values()) + layers_nobody_reads((640, 640))) / 1e9 == pytest.approx(157.7, rel=0.001)


@pytest.mark.usefixtures("valueless")
@pytest.mark.parametrize(
    ("size", "trained", "total"), [("r101", 60_287_936, 209.91e6), ("r50", 41.348e6, 190.97e6)]
)
def test_parameters(size: str, trained: Any, total: float) -> None:
    """60.288 M are trained, without the head's temperature; CLIP is the rest. Norm statistics are buffers."""
    zegformer = build(size)
    parameters = dict(zegformer.named_parameters())
    assert sum(p.numel() for p in parameters.values() if p.requires_grad) == pytest.approx(trained, rel=1e-5)
    assert sum(p.numel() for p in parameters.values()) == pytest.approx(total, rel=1e-4)
    frozen = {name for name, p in parameters.items() if not p.requires_grad}
    assert frozen == {n for n in parameters if n.startswith(ZegFormer.clip_prefixes)} | {
        "class_head.logit_scale"
    }
    if size == "r101":
        assert sum(p.requires_grad for p in parameters.values()) == 249
        parts = {"backbone.": 42.606e6, "sem_seg_head.pixel_decoder.": 7.540e6, "visual.": 86.19e6}
        for prefix, expected in parts.items():
            tensors = {n: t for n, t in zegformer.state_dict().items() if n.startswith(prefix)}
            assert sum(t.numel() for t in tensors.values()) == pytest.approx(expected, rel=1e-4), prefix
