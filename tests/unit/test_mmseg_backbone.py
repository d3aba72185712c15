"""Backbones by mmsegmentation's registry: random weights that carry a signal, and that nobody draws a second time."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from methods.parts.mmseg_backbone import mmseg_backbone

CONFIGS: tuple[dict[str, Any], ...] = (
    {"type": "mmseg.ResNet", "depth": 18, "stem_channels": 16, "base_channels": 16},
    {"type": "mmseg.MobileNetV2", "widen_factor": 0.5},
)


@pytest.mark.parametrize("config", CONFIGS, ids=["resnet", "mobilenet"])
@torch.no_grad()
def test_different_images_have_different_features(config: dict[str, Any]) -> None:
    """The spread over positions is of the order of the features themselves; under torch's defaults it is a thousandth."""
    torch.manual_seed(0)
    backbone = mmseg_backbone(config)
    backbone.eval()
    deepest = backbone(torch.randn(2, 3, 96, 96))[-1]
    assert 1e-2 < deepest.std() < 1e4
    assert (deepest[0] - deepest[1]).std() > 0.1 * deepest.std()


@pytest.mark.parametrize("config", CONFIGS, ids=["resnet", "mobilenet"])
def test_mmengines_runner_leaves_loaded_weights_alone(config: dict[str, Any]) -> None:
    """`Runner.train` calls `init_weights` on the whole model, after a user may have loaded a checkpoint."""
    backbone: Any = mmseg_backbone(config)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    backbone.init_weights()
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


def test_the_configuration_is_not_used_up() -> None:
    config = dict(CONFIGS[1])
    mmseg_backbone(config)
    assert config == CONFIGS[1]
