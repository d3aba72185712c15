"""FLOPs of a full-size variant by the bench's own counter, on tensors without values: neither memory nor minutes."""

from __future__ import annotations

from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from benchbed.cost.flop_counters import count_with_torch
from benchbed.cost.label_map_flops import label_map_flops
from benchbed.images import ImageBatch
from benchbed.method_card import OfficialFlops, Variant
from benchbed.registry import resolve
from benchbed.scores import Geometry
from benchbed.segmenter import Segmenter, TextFeatures

CROP_SIDE = 224  # of CLIP ViT-B/16
WORDS = 512  # width of CLIP's text space, ViT-B; ViT-L has 768


def counted(variant: Variant, figure: OfficialFlops, **keywords: Any) -> float:
    """GFLOPs of one image under a figure's conditions.

    Args:
        variant: as shipped.
        figure: its size, classes and proposals; whether the label map's product counts.
        keywords: of `build`, over the variant's.
    """
    try:
        with torch.device("meta"):
            return _count(variant, figure, keywords)
    except (RuntimeError, NotImplementedError):
        # It looks at how many there are of something, which tensors without a device cannot tell: fake ones can.
        with FakeTensorMode():
            return _count(variant, figure, keywords)


def _count(variant: Variant, figure: OfficialFlops, keywords: dict[str, Any]) -> float:
    with torch.no_grad():
        segmenter: Segmenter = resolve(variant.build)(**{**variant.config, **keywords}).eval()
        images, text = _image(segmenter, figure.size), _text(segmenter, figure.classes)
        if hasattr(segmenter, "cut"):
            _all_crops(segmenter, figure.proposals or 0)
        found = count_with_torch(lambda: segmenter.segment(images, text))
        label_map = label_map_flops(found.result)  # type: ignore[arg-type]
    return (found.total + (label_map if figure.label_map else 0)) / 1e9


def _image(segmenter: Segmenter, size: tuple[int, int]) -> ImageBatch:
    height, width = size
    padded = segmenter.input_spec.padded(height, width)
    return ImageBatch(
        torch.empty(1, 3, *padded),
        (torch.empty(3, height, width, dtype=torch.uint8),),
        (Geometry(padded, size, size),),
    )


def _text(segmenter: Segmenter, classes: int) -> TextFeatures:
    """Vectors as wide as the segmenter's own, with every kind of extra that methods ask for."""
    width = getattr(getattr(getattr(segmenter, "size", None), "clip", None), "embed_dim", WORDS)
    words = torch.empty(classes, width)
    return TextFeatures(words, {"clip": words, "seen": torch.zeros(classes, dtype=torch.bool)})


def _all_crops(segmenter: Any, count: int) -> None:
    """Which proposals are empty depends on values, and there are none: every proposal becomes a crop."""
    from methods.simseg.crops import Crops

    crops = Crops(torch.empty(count, 3, CROP_SIDE, CROP_SIDE), torch.arange(count))
    segmenter.cut = lambda *_: crops
