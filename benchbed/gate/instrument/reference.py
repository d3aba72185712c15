"""The reference workload: what a segmenter is made of, the same for ever, so that ratios to it travel between machines.

Products of matrices, a convolution, a resize, an element-wise pass over more than a cache, and small operators whose
cost is Python's. About 10 ms on one core of 2020. Changing it makes every baseline worthless: raise `WORKLOAD` then.
"""

from __future__ import annotations

from typing import Final

import torch
from torch.nn import functional

WORKLOAD: Final = 1
SMALL_STEPS: Final = 60


class Reference:
    """Its tensors, made once."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.matrix = torch.randn(320, 320, generator=generator)
        self.image = torch.randn(1, 32, 56, 72, generator=generator)
        self.kernel = torch.randn(32, 32, 3, 3, generator=generator) / 17
        self.large = torch.randn(1, 20, 112, 144, generator=generator)
        self.small = torch.randn(8, generator=generator)

    def __call__(self) -> float:
        """Run it once; returns a number that depends on all of it."""
        with torch.inference_mode():
            product = self.matrix @ (self.matrix @ self.matrix / 320)
            features = functional.conv2d(self.image, self.kernel, padding=1).relu()
            larger = functional.interpolate(features, size=(112, 144), mode="bilinear", align_corners=False)
            scores = self.large.softmax(1).max(1).values
            small = self.small
            for _ in range(SMALL_STEPS):
                small = small * 0.5 + self.small
            return float(product[0, 0] + larger.mean() + scores.mean() + small.sum())
