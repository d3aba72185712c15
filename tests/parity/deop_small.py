"""A small DeOP with seeded random weights, in the official key format (shared/reference/methods/deop.md, 2)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from benchbed.clip_sizes import TINY
from methods.deop.model import DeOP, build
from methods.deop.sizes import DeOPSize
from methods.parts.proposal_network import ProposalSize
from methods.parts.resnet import ResNetSize

# Small, and unlike the published model where it may be: patch 16 and 12 proposals, two heat-map layers.
SMALL = DeOPSize(
    clip=replace(TINY, patch=16),
    backbone=ResNetSize((1, 1, 1, 3), "deeplab", 16, 8, 32, (1, 2, 4)),
    proposals=ProposalSize(32, 16, 32, 8, 48, 2, 12, class_embed=(24, 64)),
    severed=(3,),
    position_layers=(1, 2),
    position_grid=6,
    heatmap_layers=2,
    heatmap_heads=8,
    heatmap_feedforward=96,
    context_vectors=5,
)


def official(deop: DeOP) -> dict[str, Tensor]:
    """A segmenter's weights by official name, as detectron2 would have saved them."""
    state = {}
    for name, value in deop.state_dict().items():
        top, _, rest = name.partition(".")
        heads = {
            "visual": f"clip_adapter.clip_model.visual.{rest}",
            "text": f"clip_adapter.clip_model.{rest}",
            "prompt": f"clip_adapter.prompt_learner.{rest}",
            "non_object_embedding": "clip_adapter.non_object_embedding",
        }
        key = heads.get(top, name)
        if key.startswith("decoder.layers."):
            key = key.replace("multihead_attn.", "multihead_attn_my.")
        state[key] = value.clone()
    state["criterion.empty_weight"] = torch.ones(9)
    state["clip_adapter.clip_model.logit_scale"] = torch.tensor(4.6)
    return state


def random_state(seed: int, size: DeOPSize = SMALL) -> dict[str, Tensor]:
    """Weights of every kind away from their special values: norms, biases and statistics as well."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    state = official(build(size))
    for name, value in state.items():
        noise = torch.randn(value.shape, generator=generator)
        state[name] = value + 0.2 * noise.abs() if name.endswith("running_var") else value + 0.05 * noise
    return state
