"""LSeg's sizes, choices and card: what is refused, and what stands there."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from lseg_small import VIT

from benchbed.errors import UsageError
from benchbed.input_spec import IMAGENET_MEAN
from methods.lseg import METHOD
from methods.lseg.model import build
from methods.lseg.sizes import LSegSize, even_hooks, plain

DATASETS = {
    "voc",
    "coco-stuff",
    "pascal-context-59",
    "pascal-context-459",
    "ade20k-150",
    "ade20k-847",
    "shapes",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"heads": 5},
        {"hooks": (0, 1, 2)},
        {"hooks": (3, 2, 1, 0)},
        {"hooks": (0, 1, 2, 4)},
        {"patch": 12},
        {"pyramid": (1, 2, 3)},
        {"crop_size": 100},
        {"scales": ()},
        {"scales": (1.0, 0.0)},
        {"base_size": 0},
        {"encoder": "resnet50"},
        {"similarity": "bf16"},
        {"evaluation": "sliding"},
        {"regularisation": "bottle-neck"},
        {"activation": "gelu"},
        {"text": "vit-b33"},
        {"evaluations": "whole"},
    ],
)
def test_wrong_choices_are_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(UsageError, match=name):
        build(**{**VIT, **wrong})


def test_hooks_are_the_last_blocks_of_the_quarters() -> None:
    assert even_hooks(24) == (5, 11, 17, 23)
    assert even_hooks(12) == (2, 5, 8, 11)
    assert even_hooks(4) == (0, 1, 2, 3)


def test_the_card_needs_no_torch() -> None:
    code = "import sys, methods.lseg; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_card_is_whole() -> None:
    assert [variant.name for variant in METHOD.variants] == ["vitl16", "vitb32", "rn101", "small", "tiny"]
    assert METHOD.default_variant(embedded=False).name == "vitl16"
    assert METHOD.default_variant(embedded=True).name == "tiny"
    assert METHOD.card.family == "pixel"
    assert METHOD.card.text_per_image
    for variant in METHOD.variants:
        assert variant.inputs["*"] == replace(LSegSize(), **plain(variant.config)).inputs
        assert variant.weights is None or set(variant.weights.not_for) <= DATASETS
    assert METHOD.variants[2].inputs["*"].mean == IMAGENET_MEAN


def test_the_demo_checkpoint_is_barred_from_every_zero_shot_table() -> None:
    weights = METHOD.variants[0].weights
    assert weights is not None
    assert set(weights.not_for) == DATASETS - {"shapes"}
