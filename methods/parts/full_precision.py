"""Arithmetic that no autocast may round: similarities at a scale of 14 to 100, where bfloat16 has steps of up to a half."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(like: Tensor) -> AbstractContextManager[object]:
    """Autocast off on a tensor's device; the meta device, where costs are counted, has none to switch off.

    Operands that an autocast has already made half precision stay so: call `.float()` on them inside.
    """
    device = like.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()
