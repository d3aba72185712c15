"""DeOP's parameters and FLOPs against the official model's (shared/reference/methods/deop.md, 2 and 5), term by term.

The official figures count 2 FLOPs a multiply-add at 512 x 683 pixels, padded to 512 x 704, without the text tower: backbone
131.5, head 81.0, CLIP 312.3, classification decoder 3.6, 528.4 GFLOPs in all.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchbed.images import ImageBatch
from benchbed.segmenter import TextFeatures
from benchbed.stages import listening
from methods.deop import METHOD
from methods.deop.model import DeOP, build

HEIGHT, WIDTH, CLASSES = 512, 704, 171
QUERIES, LAYERS, PATCHES = 100, 12, (HEIGHT // 16) * (WIDTH // 16)
TOKENS = PATCHES + 1  # and CLS
# Official figures in GFLOPs; each is a sum of the terms of the functions below.
OFFICIAL = {"backbone": 131.5, "proposals": 81.0, "clip_image": 312.3, "classify": 3.6}
OFFICIAL_TOTAL = 528.4
# shared/reference/methods/deop.md, 2: the table of the state dict and its last lines.
LOGIT_SCALE = 1  # counted there, not kept here
PARTS = {
    # name: (numbers of parameters in millions, trainable)
    "sem_seg_head.pixel_decoder.": (7.540, False),
    "sem_seg_head.predictor.transformer.": (9.473, False),
    "text.transformer.": (37.829, False),
    "decoder.layers.": (3.154, True),
    "decoder.outlayer.": (1.840, True),
}


@pytest.fixture(scope="module")
def deop() -> DeOP:
    """On the meta device: shapes without memory or time."""
    variant = METHOD.variant("r101c-vit-b16")
    assert variant is not None
    with torch.device("meta"):
        return build(**variant.config).eval()


@pytest.fixture(scope="module")
def counted(deop: DeOP) -> dict[str, float]:
    """GFLOPs of each stage; fused attention, which hides its products from counters, is off."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    ledger = StageFlops()
    with torch.device("meta"), sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        images = ImageBatch.around(torch.empty(1, 3, HEIGHT, WIDTH), deop.input_spec)
        text = TextFeatures(torch.empty(CLASSES, 512))
        with ledger.counter, listening(ledger):
            deop.segment(images, text)
    torch.backends.mha.set_fastpath_enabled(before)
    assert sum(ledger.stages.values()) == ledger.counter.get_total_flops(), "all work lies in stages"
    return {name: flops / 1e9 for name, flops in ledger.stages.items()}


class StageFlops:
    """Reads torch's counter when a stage begins and ends."""

    def __init__(self) -> None:
        self.counter = FlopCounterMode(display=False)
        self.stages: dict[str, int] = {}
        self._begun = 0

    def enter(self, name: str) -> None:
        self._begun = self.counter.get_total_flops()

    def leave(self, name: str) -> None:
        self.stages[name] = self.counter.get_total_flops() - self._begun


def gflops(terms: Iterator[int] | list[int]) -> float:
    """From multiply-adds."""
    return 2 * sum(terms) / 1e9


def backbone_macs() -> Iterator[int]:
    """R101c: stem at strides 2, 2, 2; then bottlenecks 1x1, 3x3, 1x1 and a projection before each stage."""
    pixels = HEIGHT * WIDTH
    yield from (pixels // 4 * 9 * a * b for a, b in ((3, 64), (64, 64), (64, 128)))
    inputs = 128
    for index, blocks in enumerate((3, 4, 23, 3)):
        here, middle, outputs = pixels // 16 // 4**index, 64 * 2**index, 256 * 2**index
        for block in range(blocks):
            before = here * 4 if block == 0 and index > 0 else here  # the stride sits in the 3x3 convolution
            yield before * inputs * middle + here * (9 * middle * middle + middle * outputs)
            yield here * inputs * outputs if block == 0 else 0
            inputs = outputs


def head_macs() -> Iterator[int]:
    """Pixel decoder of width 256, six decoder layers over res5's memory, the last one's masks."""
    pixels, width = HEIGHT * WIDTH // 16, 256
    memory = pixels // 64
    yield from (
        pixels // 4**k * (channels + 9 * width) * width for k, channels in enumerate((256, 512, 1024))
    )
    yield memory * 9 * 2048 * width + pixels * 9 * width * width  # layer_4 and mask_features
    yield memory * 2048 * width  # input_proj
    yield 6 * decoder_layer_macs(memory, width, 2048)
    yield masks_macs(pixels)


def masks_macs(pixels: int, width: int = 256) -> int:
    """One decoder layer's masks: mask_embed, then its product with the mask features."""
    return 3 * QUERIES * width * width + QUERIES * width * pixels


def dead_head_macs() -> Iterator[int]:
    """What the official head also does at inference: masks of the five earlier layers, which only training
    supervises, and all six layers' class embeddings, which DeOP throws away."""
    yield 5 * masks_macs(HEIGHT * WIDTH // 16)
    yield 6 * QUERIES * (256 * 1024 + 1024 * 512)


def decoder_layer_macs(memory: int, width: int, feedforward: int) -> int:
    own = self_attention_macs(width)
    cross = (2 * QUERIES + 2 * memory) * width * width + 2 * QUERIES * memory * width
    return own + cross + 2 * QUERIES * width * feedforward


def self_attention_macs(width: int) -> int:
    return 4 * QUERIES * width * width + 2 * QUERIES * QUERIES * width


def heatmap_macs() -> Iterator[int]:
    """One ordinary layer, the heat-map layer (queries, keys, heat, pooling; no value or output projection), logits."""
    width = 512
    yield decoder_layer_macs(PATCHES, width, 1024)
    yield self_attention_macs(width) + (QUERIES + PATCHES) * width * width + 2 * QUERIES * PATCHES * width
    yield QUERIES * width * (CLASSES + 1)


def clip_macs(width: int = 768) -> Iterator[int]:
    """The official pass: patches, twelve blocks, the last one severed, projection."""
    yield PATCHES * 3 * 16 * 16 * width
    yield (LAYERS - 1) * (12 * TOKENS * width * width + 2 * TOKENS * TOKENS * width)
    yield 12 * TOKENS * width * width
    yield severed_scores_macs()
    yield severed_sum_macs()
    yield PATCHES * width * 512


def severed_scores_macs(width: int = 768) -> int:
    """Block 11's q k^T, which the official code computes and never uses."""
    return TOKENS * TOKENS * width


def severed_sum_macs(width: int = 768) -> int:
    """Block 11's product of each of 100 masks with the values."""
    return QUERIES * TOKENS * width


def severed_query_key_macs(width: int = 768) -> int:
    """Block 11's query and key projections, whose results end in q k^T."""
    return 2 * TOKENS * width * width


def severed_cls_macs(width: int = 768) -> int:
    """The rest of block 11 on CLS, which nobody reads: values, output projection and MLP."""
    return 10 * width * width


def test_our_formulas_give_the_official_figures() -> None:
    sums = {
        "backbone": gflops(backbone_macs()),
        "proposals": gflops([*head_macs(), *dead_head_macs()]),
        "clip_image": gflops(clip_macs()),
        "classify": gflops(heatmap_macs()),
    }
    for name, official in OFFICIAL.items():
        assert sums[name] == pytest.approx(official, rel=0.001, abs=0.05), name  # figures have one decimal
    assert sum(sums.values()) == pytest.approx(OFFICIAL_TOTAL, rel=0.002)


@pytest.mark.parametrize("name", ["backbone", "classify"])
def test_these_stages_cost_what_the_official_ones_do(counted: dict[str, float], name: str) -> None:
    assert counted[name] == pytest.approx(OFFICIAL[name], rel=0.001, abs=0.05)


def test_stages_are_their_formulas_exactly(counted: dict[str, float]) -> None:
    assert counted["backbone"] == pytest.approx(gflops(backbone_macs()), rel=1e-9)
    assert counted["proposals"] == pytest.approx(gflops(head_macs()), rel=1e-9)
    assert counted["classify"] == pytest.approx(gflops(heatmap_macs()), rel=1e-9)


def test_proposals_cost_the_official_head_less_its_dead_branches(counted: dict[str, float]) -> None:
    dead = gflops(dead_head_macs())
    assert dead == pytest.approx(6.9, abs=0.05)
    assert counted["proposals"] == pytest.approx(OFFICIAL["proposals"] - dead, rel=0.01)


def test_clip_costs_the_official_pass_less_the_dead_work_of_block_11(counted: dict[str, float]) -> None:
    dead = [severed_scores_macs(), severed_sum_macs(), severed_query_key_macs(), severed_cls_macs()]
    assert gflops(dead) == pytest.approx(6.6, abs=0.05)
    assert counted["clip_image"] == pytest.approx(gflops(clip_macs()) - gflops(dead), rel=1e-6)
    assert counted["clip_image"] == pytest.approx(OFFICIAL["clip_image"] - gflops(dead), rel=0.01)


def test_the_total_is_the_official_one_less_that(counted: dict[str, float]) -> None:
    block = [severed_scores_macs(), severed_sum_macs(), severed_query_key_macs(), severed_cls_macs()]
    dead = gflops([*block, *dead_head_macs()])
    assert sum(counted.values()) == pytest.approx(OFFICIAL_TOTAL - dead, rel=0.002)


def test_trainable_and_total_parameters_are_the_official_models(deop: DeOP) -> None:
    trainable = [p for p in deop.parameters() if p.requires_grad]
    assert len(trainable) == 37
    assert sum(p.numel() for p in trainable) / 1e6 == pytest.approx(7.714, abs=5e-4)
    total = sum(p.numel() for p in deop.parameters()) + LOGIT_SCALE
    assert total / 1e6 == pytest.approx(218.402, abs=5e-4)


@pytest.mark.parametrize("prefix", PARTS)
def test_each_part_has_its_parameters(deop: DeOP, prefix: str) -> None:
    millions, trained = PARTS[prefix]
    inside = [p for name, p in deop.named_parameters() if name.startswith(prefix)]
    assert sum(p.numel() for p in inside) / 1e6 == pytest.approx(millions, abs=5e-4)
    assert all(p.requires_grad == trained for p in inside)


def test_only_these_are_trained(deop: DeOP) -> None:
    trained = {name for name, p in deop.named_parameters() if p.requires_grad}
    outside = {name for name in trained if not name.startswith("decoder.")}
    learned = {f"visual.transformer.resblocks.{k}.learned_position" for k in (1, 2, 3, 4, 5)}
    assert outside == {
        "query_embedding.weight",
        "visual.learned_position",
        "prompt.prefix_prompt",
        "non_object_embedding",
        *learned,
    }


def test_the_state_has_the_official_tensors_number(deop: DeOP) -> None:
    """1,020 tensors in the official checkpoint, of which two have no place here (criterion, logit_scale)."""
    assert len(deop.state_dict()) == 1020 - 2
