"""SimSeg's parameters and FLOPs against the official model's (shared/reference/methods/simseg.md, 2 and 5), term by term.

The official figures count 2 FLOPs a multiply-add at 640 x 853 pixels, padded to 640 x 864, with 100 crops and without the text
tower: backbone 201.8, head 122.6, 35.13 a crop, 3,837 GFLOPs in all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchbed.images import ImageBatch
from benchbed.segmenter import TextFeatures
from benchbed.stages import listening
from methods.simseg import METHOD
from methods.simseg.crops import Crops
from methods.simseg.model import SimSeg, build
from methods.simseg.settings import VOC_15

MILLION, GIGA = 1e6, 1e9
HEIGHT, WIDTH, CLASSES, QUERIES, CROPS = 640, 864, 171, 100, 100
OFFICIAL = {"backbone": 201.8, "head": 122.6, "crop": 35.13, "total": 3837.0}
# What the official evaluation computes at decoder layers 1 to 5 and throws away: masks, their embeddings, class embeddings.
DEAD_LAYERS = 5
DEAD = {
    "masks": DEAD_LAYERS * 2 * QUERIES * 256 * (HEIGHT // 4) * (WIDTH // 4),
    "mask embeddings": DEAD_LAYERS * 2 * QUERIES * 3 * 256 * 256,
    "class embeddings": DEAD_LAYERS * 2 * QUERIES * (256 * 1024 + 1024 * 512),
}
# The last block of ViT-B/16 for 196 patches that nobody reads: query, output projection, MLP, and their rows of attention.
TOKENS, VIT = 197, 768
DEAD_BLOCK = 2 * 196 * (VIT * VIT + VIT * VIT + 2 * VIT * 4 * VIT + 2 * TOKENS * VIT)

# The table of the state dict: millions, and whether trained. The backbone's figure there includes buffers; its parameters are
# the 61.076 M trained ones less the head (18.548 M), the prompt (16 x 512) and the no-object vector (512).
PARTS = {
    "backbone.": (42.519, True),
    "sem_seg_head.pixel_decoder.": (7.540, True),
    "sem_seg_head.predictor.transformer.": (9.473, True),
    "sem_seg_head.predictor.query_embed.": (0.0256, True),
    "prompt.": (0.008192, True),
    "non_object_embedding": (0.000512, True),
    "visual.": (86.193, False),
    "text.transformer.": (37.829, False),
}
LOGIT_SCALE = 1  # CLIP's temperature, counted there, not held here


def on_meta(**keywords: Any) -> SimSeg:
    """Shapes without memory or time."""
    with torch.device("meta"):
        simseg: SimSeg = build(**keywords).eval()
    return simseg


@pytest.fixture(scope="module")
def simseg() -> SimSeg:
    found = METHOD.variant("r101c")
    assert found is not None
    return on_meta(**found.config)


def numbers(simseg: SimSeg, prefix: str = "") -> int:
    return sum(p.numel() for name, p in simseg.named_parameters() if name.startswith(prefix))


def trained(simseg: SimSeg) -> int:
    return sum(p.numel() for p in simseg.parameters() if p.requires_grad)


def test_parameters_are_the_official_ones(simseg: SimSeg) -> None:
    assert trained(simseg) / MILLION == pytest.approx(61.076, abs=0.0006)
    assert (numbers(simseg) + LOGIT_SCALE) / MILLION == pytest.approx(210.697, abs=0.0006)


def test_each_part_has_the_dossiers_size(simseg: SimSeg) -> None:
    for prefix, (millions, is_trained) in PARTS.items():
        assert numbers(simseg, prefix) / MILLION == pytest.approx(millions, abs=0.001), prefix
        flags = {p.requires_grad for name, p in simseg.named_parameters() if name.startswith(prefix)}
        assert flags == {is_trained}, prefix


def test_the_backbone_in_the_state_dict_counts_its_frozen_norms(simseg: SimSeg) -> None:
    """The dossier's 42.730 M are tensors of the file: parameters, and each frozen norm's four buffers."""
    held = sum(t.numel() for name, t in simseg.state_dict().items() if name.startswith("backbone."))
    assert held / MILLION == pytest.approx(42.730, abs=0.0006)


def test_a_crop_adapter_of_its_own_adds_a_prompt_and_no_second_clip(simseg: SimSeg) -> None:
    """Officially it adds 149.6 M, a frozen copy of a CLIP that is there already."""
    separate = on_meta(**VOC_15)
    assert numbers(separate) == numbers(simseg)  # the own stream's prompt goes, the crop stream's comes
    both = on_meta(separate_adapter=True)
    assert numbers(both) == numbers(simseg) + 16 * 512


def test_hand_written_prompts_leave_the_learned_one_out(simseg: SimSeg) -> None:
    found = METHOD.variant("r101c-vild")
    assert found is not None
    assert trained(on_meta(**found.config)) == trained(simseg) - 16 * 512


def test_the_r50_is_torchvisions_without_norms_and_classifier(simseg: SimSeg) -> None:
    """torchvision's documentation: ResNet-50 has 25,557,032 parameters; 26,560 norm channels have two each."""
    found = METHOD.variant("r50")
    assert found is not None
    other = on_meta(**found.config)
    assert numbers(other, "backbone.") == 25_557_032 - (2048 * 1000 + 1000) - 2 * 26_560
    assert trained(other) - numbers(other, "backbone.") == trained(simseg) - numbers(simseg, "backbone.")


class StageFlops:
    """Reads torch's counter when a stage begins and ends."""

    def __init__(self) -> None:
        self.counter = FlopCounterMode(display=False)
        self.stages: dict[str, int] = {}
        self._begun = 0

    def enter(self, name: str) -> None:
        self._begun = self.counter.get_total_flops()

    def leave(self, name: str) -> None:
        self.stages[name] = self.stages.get(name, 0) + self.counter.get_total_flops() - self._begun


@contextmanager
def everything_counted() -> Iterator[None]:
    """Fused attention hides its products from counters."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    with sdpa_kernel(SDPBackend.MATH):
        yield
    torch.backends.mha.set_fastpath_enabled(before)


def count(simseg: SimSeg, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, int]:
    """FLOPs by stage with 100 crops, which without values cannot be cut, but are all of one size."""
    with torch.device("meta"):
        crops = Crops(torch.empty(CROPS, 3, 224, 224), torch.arange(CROPS))
        monkeypatch.setattr(simseg, "cut", lambda *_: crops)
        images = ImageBatch.around(torch.empty(1, 3, HEIGHT, WIDTH), simseg.input_spec)
        seen = torch.zeros(CLASSES, dtype=torch.bool)
        text = TextFeatures(torch.empty(CLASSES, 512), {"seen": seen})
        ledger = StageFlops()
        with everything_counted(), torch.no_grad(), ledger.counter, listening(ledger):
            scores = simseg.segment(images, text)
    assert scores.mask_logits.shape == (1, QUERIES, HEIGHT // 4, WIDTH // 4)
    assert scores.class_scores.shape == (1, QUERIES, CLASSES)
    assert sum(ledger.stages.values()) == ledger.counter.get_total_flops(), "all work lies in stages"
    return ledger.stages


def test_flops_with_100_crops_are_the_official_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """With CLIP's last block as published. What is left to the official sum is what it computes and throws away."""
    found = count(on_meta(whole_last_block=True), monkeypatch)
    assert sum(found.values()) / GIGA == pytest.approx(OFFICIAL["total"], rel=0.01)
    assert found["backbone"] / GIGA == pytest.approx(OFFICIAL["backbone"], abs=0.06)
    assert found["clip_image"] / CROPS / GIGA == pytest.approx(OFFICIAL["crop"], abs=0.006)
    # The class embedding of the last layer is the head's officially, `classify`'s here; products with names are the rest.
    products = 2 * QUERIES * 512 * (CLASSES + 1) + 2 * CROPS * 512 * CLASSES
    head = found["proposals"] + found["classify"] - products
    assert (head + sum(DEAD.values())) / GIGA == pytest.approx(OFFICIAL["head"], abs=0.06)
    assert (sum(found.values()) + sum(DEAD.values())) / GIGA == pytest.approx(OFFICIAL["total"], rel=0.001)


def test_the_dead_branch_that_is_left_out_by_default(simseg: SimSeg, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = count(on_meta(whole_last_block=True), monkeypatch)
    found = count(simseg, monkeypatch)
    saved = (whole["clip_image"] - found["clip_image"]) / CROPS
    assert saved == DEAD_BLOCK
    assert {name: n for name, n in found.items() if name != "clip_image"} == {
        name: n for name, n in whole.items() if name != "clip_image"
    }


def test_without_an_ensemble_no_crop_costs_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    found = count(on_meta(ensemble_weight=None), monkeypatch)
    assert set(found) == {"backbone", "proposals", "classify"}
