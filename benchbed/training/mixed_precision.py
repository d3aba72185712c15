"""`--amp`: float16 with mmengine's loss scaling on graphics cards, bfloat16 on processors, which have no fast float16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import nn

from benchbed.training.optimisers import make_optimiser
from benchbed.training.recipe import Optimiser


class BFloat16OptimWrapper(OptimWrapper):  # type: ignore[misc]
    """Autocast to bfloat16 on the CPU; its range is float32's, so losses need no scaling. mmengine's own needs CUDA."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Around the forward pass."""
        with super().optim_context(model), torch.autocast("cpu", dtype=torch.bfloat16):
            yield


def optimiser_wrapper(
    model: nn.Module, optimiser: Optimiser, amp: bool, device: torch.device
) -> OptimWrapper:
    """mmengine's wrapper around the recipe's optimiser.

    Raises:
        UsageError: nothing is trained, or a parameter group fits nothing.
    """
    keywords: dict[str, Any] = {"optimizer": make_optimiser(model, optimiser)}
    if optimiser.clip_norm is not None:
        keywords["clip_grad"] = {"max_norm": optimiser.clip_norm}
    if not amp:
        return OptimWrapper(**keywords)
    return AmpOptimWrapper(**keywords) if device.type == "cuda" else BFloat16OptimWrapper(**keywords)
