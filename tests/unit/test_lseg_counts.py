"""LSeg's parameters and multiply-adds against shared/reference/methods/lseg.md, section 8, and official-timing.md."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchbed.images import ImageBatch
from benchbed.segmenter import TextFeatures
from methods.lseg import METHOD
from methods.lseg.model import LSeg, build

MILLION = 1e6
# The dossier's parameters by part of vitl16, millions.
PARTS = {
    "encoder.": 304.72,
    "readout": 8.39,
    "resampling": 14.42,
    "decoder.lateral.": 6.49,
    "units": 9.45,
    "mixing": 0.39,
}
# What the official model holds and never runs, by the shapes in lseg.md, section 2.
CLASSIFIER, FINAL_NORM, IDLE_UNIT = 1000 * 1024 + 1000, 2 * 1024, 2 * 256 * 256 * 9 + 4 * 256
# OpenAI's ViT-B/32: text tower, image tower and temperature.
CLIP_TEXT, CLIP_IMAGE = 63_428_096, 87_849_216
# The dossier's multiply-adds at one 480 x 480 crop and 150 labels, GMAC; the idle unit is not among them.
GMAC = {"VitEncoder": 312.7, "Reassemble": 7.6 + 6.6, "Decoder": 15.4 + 44.9 + 12.6}
SIMILARITY = 4.4


@pytest.fixture(scope="module")
def segmenters() -> dict[str, LSeg]:
    """On the meta device: shapes without memory or time."""
    with torch.device("meta"):
        return {each.name: build(**each.config).eval() for each in METHOD.variants}


@pytest.fixture
def vitl16(segmenters: dict[str, LSeg]) -> LSeg:
    return segmenters["vitl16"]


@pytest.fixture
def everything_counted() -> Iterator[None]:
    """Fused attention hides its products from counters."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    with sdpa_kernel(SDPBackend.MATH):
        yield
    torch.backends.mha.set_fastpath_enabled(before)


def visual(lseg: LSeg) -> int:
    return sum(p.numel() for name, p in lseg.named_parameters() if not name.startswith(lseg.text_prefixes))


def test_visual_parameters_are_the_official_ones_less_what_never_runs(vitl16: LSeg) -> None:
    unrun = CLASSIFIER + FINAL_NORM + IDLE_UNIT
    assert visual(vitl16) + unrun == 343_859_176
    assert (visual(vitl16) + unrun) / MILLION == pytest.approx(343.86, abs=0.005)
    assert visual(vitl16) / MILLION == pytest.approx(343.86, rel=0.01)


def test_the_official_total_is_explained(vitl16: LSeg) -> None:
    """official-timing.md: 495.14 M as constructed, with CLIP's image tower, which LSeg never runs, and temperature."""
    ours = sum(p.numel() for p in vitl16.parameters())
    assert ours == visual(vitl16) + CLIP_TEXT
    unrun = CLASSIFIER + FINAL_NORM + IDLE_UNIT + CLIP_IMAGE + 1
    assert (ours + unrun) / MILLION == pytest.approx(495.14, abs=0.005)


def part_of(name: str) -> str:
    if name.startswith("reassemble."):
        return "readout" if ".readout." in name else "resampling"
    if ".skip." in name or ".refine." in name:
        return "units"
    if ".out." in name or ".head." in name:
        return "mixing"
    return next(prefix for prefix in PARTS if name.startswith(prefix))


def test_each_part_has_the_dossiers_size(vitl16: LSeg) -> None:
    found = dict.fromkeys(PARTS, 0)
    for name, parameter in vitl16.named_parameters():
        if not name.startswith("text."):
            found[part_of(name)] += parameter.numel()
    found["encoder."] += CLASSIFIER + FINAL_NORM
    found["units"] += IDLE_UNIT
    for part, expected in PARTS.items():
        assert found[part] / MILLION == pytest.approx(expected, abs=0.006), part


@pytest.mark.parametrize("name", ["vitl16", "vitb32", "rn101", "tiny"])
def test_all_but_the_text_tower_is_trained(name: str, segmenters: dict[str, LSeg]) -> None:
    """The official optimiser takes the groups `net.pretrained` and `net.scratch`."""
    lseg = segmenters[name]
    for parameter_name, parameter in lseg.named_parameters():
        assert parameter.requires_grad != parameter_name.startswith(lseg.clip_prefixes), parameter_name


def test_the_resnet_is_torchvisions_without_its_classifier(segmenters: dict[str, LSeg]) -> None:
    """torchvision's documentation: ResNet-101 has 44,549,160 parameters, its classifier 2048 x 1000 + 1000 of them."""
    encoder = sum(p.numel() for p in segmenters["rn101"].encoder.parameters())
    assert encoder == 44_549_160 - (2048 * 1000 + 1000)


@pytest.mark.usefixtures("everything_counted")
def test_multiply_adds_at_one_crop_and_150_labels(vitl16: LSeg) -> None:
    with torch.device("meta"):
        images = ImageBatch.around(torch.empty(1, 3, 480, 480), vitl16.input_spec)
        text = TextFeatures(torch.empty(150, 512))
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            scores = vitl16.segment(images, text)
    assert scores.logits.shape == (1, 150, 240, 240)
    assert counter.get_total_flops() / 2e9 == pytest.approx(404.1, rel=0.01)
    for part, expected in GMAC.items():
        assert sum(counter.get_flop_counts()[part].values()) / 2e9 == pytest.approx(expected, rel=0.01), part
    assert pytest.approx(SIMILARITY, rel=0.01) == 512 * 150 * 240 * 240 / 1e9
    assert sum(GMAC.values()) + SIMILARITY == pytest.approx(404.1, rel=0.001)
