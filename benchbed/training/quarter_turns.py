"""Turns by a multiple of 90 degrees, for pictures that have no up."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class BenchbedQuarterTurns(BaseTransform):  # type: ignore[misc]
    """Turn image and label maps by 0, 90, 180 or 270 degrees, each equally likely; exact, nothing is interpolated."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Turn `img` [H, W, 3] and all `seg_fields` [H, W]; an odd number of turns swaps H and W."""
        turns = int(np.random.randint(4))
        for field in ("img", *results["seg_fields"]):
            results[field] = np.ascontiguousarray(np.rot90(results[field], turns))
        results["img_shape"] = results["img"].shape[:2]
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
