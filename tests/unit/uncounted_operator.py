"""A heavy operator that no counter knows, as a third party's attention kernel would be."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.library.custom_op("benchbed_test::my_attention", mutates_args=())
def my_attention(query: Tensor, key: Tensor, scale: float) -> Tensor:
    return query @ key.mT * scale
