"""Tiles of a resized image are what `F.interpolate` makes of the whole."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from benchbed.resample import Resize, Tile, bilinear_axis

CHAINS = [
    (7, 101, 97, 113),
    (24, 96, 96, 51),
    (60, 240, 233, 17),
    (90, 45, 41, 60),
    (1, 16, 12, 31),
    (6, 24, 20, 1),
    (640, 640, 640, 375),
    (500, 2000, 1999, 1333),
    (40, 40, 33, 33),
]


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("align_corners", [False, True])
def test_no_weight_lies_outside_the_named_source(
    chain: tuple[int, int, int, int], align_corners: bool
) -> None:
    """And the weights of every pixel add up to 1; at most one pixel each side is named without need, for two resizes."""
    axis = bilinear_axis(*chain, align_corners)
    target = chain[3]
    matrix = torch.eye(chain[0])[:target] if axis.matrix is None else axis.matrix
    torch.testing.assert_close(matrix.sum(1), torch.ones(target), rtol=0, atol=1e-5)
    for first in range(0, target, 5):
        end = min(first + 5, target)
        low, high = axis.source(first, end)
        outside = matrix[first:end].clone()
        outside[:, low:high] = 0
        assert not outside.any()
        used = matrix[first:end].any(0).nonzero()
        assert int(used.min()) - low <= 2
        assert high - 1 - int(used.max()) <= 2


@pytest.mark.parametrize("rows", CHAINS[:6])
@pytest.mark.parametrize("columns", [(33, 132, 129, 131), (200, 300, 280, 140), (150, 150, 133, 133)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_tiles(
    rows: tuple[int, int, int, int], columns: tuple[int, int, int, int], align_corners: bool
) -> None:
    image = torch.randn(1, 4, rows[0], columns[0], generator=torch.Generator().manual_seed(1))

    def interpolate(maps: torch.Tensor, step: int) -> torch.Tensor:
        return F.interpolate(maps, (rows[step], columns[step]), mode="bilinear", align_corners=align_corners)

    whole = interpolate(interpolate(image, 1)[..., : rows[2], : columns[2]], 3)[0]
    resize = Resize(bilinear_axis(*rows, align_corners), bilinear_axis(*columns, align_corners))
    for top in range(0, rows[3], 20):
        for left in range(0, columns[3], 23):
            tile = Tile(top, min(top + 20, rows[3]), left, min(left + 23, columns[3]))
            source = resize.source(tile)
            patch = image[0, :, source.top : source.bottom, source.left : source.right].permute(1, 0, 2)
            made = resize.apply(patch, tile).permute(1, 0, 2)
            expected = whole[:, tile.top : tile.bottom, tile.left : tile.right]
            torch.testing.assert_close(made, expected, rtol=1e-5, atol=2e-6)


def test_tiles_of_small_images() -> None:
    """Up to height + width = 128 `F.interpolate` uses another kernel, which rounds positions otherwise, by 2^-23 of the size."""
    image = torch.randn(1, 4, 41, 47, generator=torch.Generator().manual_seed(1))
    resize = Resize(bilinear_axis(41, 41, 41, 60), bilinear_axis(47, 47, 47, 61))
    made = resize.apply(image[0].permute(1, 0, 2), Tile(0, 60, 0, 61)).permute(1, 0, 2)
    torch.testing.assert_close(made, F.interpolate(image, (60, 61), mode="bilinear")[0], rtol=0, atol=5e-5)


def test_an_axis_that_changes_nothing_has_no_weights() -> None:
    axis = bilinear_axis(40, 40, 33, 33)
    assert axis.matrix is None
    assert axis.source(3, 9) == (3, 9)
    assert Resize(axis, axis).is_identity
    assert not Resize(axis, bilinear_axis(40, 40, 33, 34)).is_identity


def test_positions_of_large_images_are_torchs_own() -> None:
    """torch rounds positions to float32: at 8,000 pixels weights are off the exact ones by 2e-4, and ours by as much."""
    source, target = 1777, 7993
    ramp = torch.arange(source, dtype=torch.float32) % 2
    expected = F.interpolate(ramp[None, None, :, None], (target, 1), mode="bilinear")[0, 0, :, 0]
    matrix = bilinear_axis(source, target, target, target).matrix
    assert matrix is not None
    assert torch.equal(matrix @ ramp, expected)
