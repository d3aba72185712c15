"""SAN's parameters and multiply-adds against the official logs and shared/reference/methods/san.md, 2.3 and 5.5."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchbed.images import ImageBatch
from benchbed.segmenter import TextFeatures
from methods.san import METHOD
from methods.san.model import SAN, build

# Official logs san_vit_b_16.log and san_vit_large_14.log, optimiser tables and totals.
PARTS = {
    "vit-b16": {
        "side.blocks.": 5_554_560,
        "side.fusion.": 744_384,
        "decoder.": 1_303_554,
        "clip.positional_embedding": 151_296,
        "bg_embed": 512,
    },
    "vit-l14": {
        "side.blocks.": 5_554_560,
        "side.fusion.": 992_192,
        "decoder.": 1_566_722,
        "clip.positional_embedding": 590_848,
        "bg_embed": 768,
    },
}
TOTALS = {"vit-b16": (8_370_866, 157_840_307), "vit-l14": (9_321_650, 436_674_995)}
CLASSES, QUERIES, SIDE = 171, 100, 640


@pytest.fixture(params=["vit-b16", "vit-l14"])
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def segmenter(variant: str) -> SAN:
    """On the meta device: shapes without memory or time."""
    found = METHOD.variant(variant)
    assert found is not None
    with torch.device("meta"):
        san: SAN = build(**found.config).eval()
    return san


@pytest.fixture
def everything_counted() -> Iterator[None]:
    """Fused attention hides its products from counters."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    with sdpa_kernel(SDPBackend.MATH):
        yield
    torch.backends.mha.set_fastpath_enabled(before)


def test_trainable_and_total_parameters_are_the_official_logs(segmenter: SAN, variant: str) -> None:
    trainable = sum(p.numel() for p in segmenter.parameters() if p.requires_grad)
    total = sum(p.numel() for p in segmenter.parameters())
    assert (trainable, total) == TOTALS[variant]


def test_each_trainable_part_has_its_size(segmenter: SAN, variant: str) -> None:
    trainable = {name: p.numel() for name, p in segmenter.named_parameters() if p.requires_grad}
    for prefix, expected in PARTS[variant].items():
        assert sum(count for name, count in trainable.items() if name.startswith(prefix)) == expected, prefix


def test_clip_prefixes_part_the_frozen_from_the_added(segmenter: SAN) -> None:
    """Outside CLIP everything is trained; inside, the image tower's position table alone."""
    for name, parameter in segmenter.named_parameters():
        inside = name.startswith(segmenter.clip_prefixes)
        assert parameter.requires_grad == (not inside or name == "clip.positional_embedding"), name


@pytest.mark.usefixtures("everything_counted")
@pytest.mark.parametrize(("variant", "gmac"), [("vit-b16", 63.25), ("vit-l14", 396.8)])
def test_multiply_adds_at_640_pixels_and_171_classes(variant: str, gmac: float, segmenter: SAN) -> None:
    with torch.device("meta"):
        images = ImageBatch.around(torch.empty(1, 3, SIDE, SIDE), segmenter.input_spec)
        text = TextFeatures(torch.empty(CLASSES, segmenter.size.clip.embed_dim))
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            scores = segmenter.segment(images, text)
    assert scores.mask_logits.shape == (1, QUERIES, 40, 40)
    counted = counter.get_total_flops() / 2e9
    assert counted == pytest.approx(gmac, rel=0.005)
    # The bench makes label maps of scores; the product of masks and classes at full size, 7.0 GMAC, falls there.
    product = QUERIES * CLASSES * SIDE * SIDE / 1e9
    assert counted + product == pytest.approx(gmac + 7.004, rel=0.005)
