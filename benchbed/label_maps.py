"""The best class of every pixel, tile by tile, in memory that does not grow with the number of classes.

Equal to resizing all class scores to full size and taking their argmax; labels may differ only where float rounding decides.
Why it is several times faster on a CPU: a tile's scores stay in the cache; the two resizes of a chain are done as one
(`benchbed.resample`); and the argmax is made of `amax`, `eq` and `mul`, which torch vectorises (0.2 ns a score), where
`max(dim)` and `argmax` are scalar code (0.8 to 1.5 ns a score; one thread of an EPYC of 2024, torch 2.15). The time does not
depend on what the scores are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchbed.resample import Resize, Tile

DEFAULT_BUDGET = 128 * 2**20  # bytes

# On a CPU, the best of a grid of sizes at 20, 150 and 171 classes (cases of tests/benchmarks/test_label_maps_speed.py): tiles
# of 4,096 pixels, and 3 MB of scores at most, which stay in the cache and in malloc's heap (from 4 MB on, page faults
# double the time).
CPU_PIXELS = 4096
CPU_SCORES = 3 * 2**18
# More classes than this are taken in turns, and so cost no memory.
CLASSES_AT_ONCE = 192
# The widest tile. Widths are powers of two: at 62 columns rows of scores are not aligned and all is 4 times as slow, at 48 twice.
TILE_WIDTH = 128
NARROWEST = 16  # one AVX-512 register of float32
# Scores, a resize's intermediate result, and room for the resize's source and the allocator: 4 float32 a score.
BYTES_PER_SCORE = 16
# Resizing one value costs as much as 60 multiply-adds of the product of masks and classes (same machine).
RESIZE_COST = 60


@dataclass(frozen=True)
class Tiling:
    """How work is cut: tiles of `height` x `width` pixels, and `classes` at a time within a tile."""

    height: int
    width: int
    classes: int

    def tiles(self, size: tuple[int, int]) -> Iterator[Tile]:
        """Tiles that cover an image of `size` (height, width), row by row."""
        for top in range(0, size[0], self.height):
            for left in range(0, size[1], self.width):
                yield Tile(top, min(top + self.height, size[0]), left, min(left + self.width, size[1]))

    def chunks(self, num_classes: int) -> Iterator[slice]:
        """Consecutive ranges of classes."""
        for start in range(0, num_classes, self.classes):
            yield slice(start, min(start + self.classes, num_classes))


def tiling(num_classes: int, held: int, density: float, budget: int, device: torch.device) -> Tiling:
    """Choose tile and chunk so that what a tile needs fits the budget, and on a CPU the cache.

    Args:
        num_classes: K.
        held: values a pixel that stay while the classes are gone through: Q for masks, 0 for dense scores.
        density: source pixels a label pixel, where the image is made smaller; at least 1.
        budget: bytes.
        device: where the scores are. An accelerator gets few large tiles.
    """
    values = max(budget // BYTES_PER_SCORE, 1)
    most = values
    if device.type == "cpu":
        values, most = min(values, CPU_SCORES), CPU_PIXELS
    pixels = max(min(most, values // (held + min(num_classes, CLASSES_AT_ONCE))), 1)
    width = max(2 ** int(math.log2(TILE_WIDTH / density**0.5)), NARROWEST)
    height = max(int(pixels / density) // width, 1)
    return Tiling(height, width, max(values // pixels - held, 1))


class DenseSource:
    """Scores of a tile from dense logits."""

    def __init__(self, logits: Tensor, resize: Resize, offset: Tensor | None) -> None:
        """Take logits [K, h, w], the resize to the label map's size, and what to add to the scores, [K]."""
        self.logits = logits.permute(1, 0, 2)
        self.resize = resize
        self.offset = offset

    def chunks(self, tile: Tile, classes: Iterator[slice]) -> Iterator[Tensor]:
        """[H, k, W] float32 for each range of k classes, in new memory."""
        source = self.resize.source(tile)
        patch = self.logits[source.top : source.bottom, :, source.left : source.right]
        for chunk in classes:
            part = patch[:, chunk].to(torch.float32, copy=self.resize.is_identity)
            yield _add(self.resize.apply(part, tile), self.offset, chunk)


class MaskSource:
    """Scores of a tile from Q masks and their classes: resize, sigmoid, then product with the classes and a second resize.

    The product and the second resize are linear and act on different axes; whichever order is cheaper is used.
    """

    def __init__(
        self, mask_logits: Tensor, class_scores: Tensor, before: Resize, after: Resize, offset: Tensor | None
    ) -> None:
        """Take masks [Q, h, w], class scores [Q, K], the resizes before and after the sigmoid, an offset [K]."""
        self.mask_logits = mask_logits.permute(1, 0, 2)
        self.classes = class_scores.float().T.contiguous()
        self.before = before
        self.after = after
        self.offset = offset

    def chunks(self, tile: Tile, classes: Iterator[slice]) -> Iterator[Tensor]:
        """[H, k, W] float32 for each range of k classes, in new memory."""
        middle = self.after.source(tile)
        masks = self._probabilities(middle)
        classes_first = self.after.is_identity or self._classes_first(tile, middle)
        if not classes_first:
            masks = self.after.apply(masks, tile)
        for chunk in classes:
            product = torch.bmm(self.classes[chunk].expand(len(masks), -1, -1), masks)
            scores = self.after.apply(product, tile) if classes_first else product
            yield _add(scores, self.offset, chunk)

    def _probabilities(self, middle: Tile) -> Tensor:
        """[H, Q, W] mask probabilities of a tile of the size where the sigmoid is taken."""
        source = self.before.source(middle)
        patch = self.mask_logits[source.top : source.bottom, :, source.left : source.right]
        patch = patch.to(torch.float32, copy=self.before.is_identity)
        return self.before.apply(patch, middle).sigmoid_()

    def _classes_first(self, tile: Tile, middle: Tile) -> bool:
        """Compare the multiply-adds of both orders: K Q m + c K p against c Q p + K Q p, over p pixels made of m."""
        num_classes, masks = self.classes.shape
        pixels, sources = _area(tile), _area(middle)
        products = num_classes * masks
        return (
            products * sources + RESIZE_COST * num_classes * pixels
            < (RESIZE_COST * masks + products) * pixels
        )


def best_classes(
    source: DenseSource | MaskSource,
    num_classes: int,
    size: tuple[int, int],
    cut: Tiling,
    device: torch.device,
) -> Tensor:
    """[H, W] the class of the greatest score, the lowest of equals; uint8 up to 255 classes, so that 255 is free, else int16."""
    dtype = torch.uint8 if num_classes <= 255 else torch.int16
    labels = torch.empty(size, dtype=dtype, device=device)
    # K, K - 1, ... 1: the greatest code among equals is the lowest class. Exact in float32 below 2^24.
    codes = torch.arange(num_classes, 0, -1, dtype=torch.float32, device=device)[:, None]
    for tile in cut.tiles(size):
        winner: tuple[Tensor, Tensor] | None = None
        chunks = source.chunks(tile, cut.chunks(num_classes))
        for scores, chunk in zip(chunks, cut.chunks(num_classes), strict=True):
            best = _best(scores, codes[chunk])
            winner = best if winner is None else _better(winner, best)
        assert winner is not None
        labels[tile.top : tile.bottom, tile.left : tile.right] = num_classes - winner[1]
    return labels


def _best(scores: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Greatest of scores [H, k, W] and its code, both [H, W]. Overwrites the scores."""
    best = scores.amax(1, keepdim=True)
    return best[:, 0], scores.eq_(best).mul_(codes).amax(1)


def _better(held: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Strictly greater wins, so that the lower class stays where two are equal."""
    return torch.maximum(held[0], new[0]), torch.where(new[0] > held[0], new[1], held[1])


def _add(scores: Tensor, offset: Tensor | None, chunk: slice) -> Tensor:
    return scores if offset is None else scores.add_(offset[chunk, None])


def _area(tile: Tile) -> int:
    return (tile.bottom - tile.top) * (tile.right - tile.left)
