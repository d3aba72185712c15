"""Resize and padding sizes, against detectron2's rule written out plainly."""

from __future__ import annotations

import random

import pytest

from benchbed.input_spec import InputSpec


def detectron2_size(height: int, width: int, short: int, longest: int) -> tuple[int, int]:
    """ResizeShortestEdge.get_output_shape, from its documentation: scale the short edge, then cap the long one."""
    scale = short * 1.0 / min(height, width)
    new = (short, scale * width) if height < width else (scale * height, short)
    if max(new) > longest:
        cap = longest * 1.0 / max(new)
        new = (new[0] * cap, new[1] * cap)
    return int(new[0] + 0.5), int(new[1] + 0.5)


def test_sizes_equal_detectron2s_on_many_images() -> None:
    draw = random.Random(0)
    for _ in range(2000):
        height, width = draw.randint(1, 3000), draw.randint(1, 3000)
        short = draw.choice([128, 336, 512, 640])
        longest = draw.choice([short, 2 * short, 2048, 2560])
        expected = detectron2_size(height, width, short, max(short, longest))
        got = InputSpec(short, max(short, longest)).resized(height, width)
        assert got == (max(1, expected[0]), max(1, expected[1]))


@pytest.mark.parametrize(
    ("size", "padded"), [((1, 1), (32, 32)), ((32, 33), (32, 64)), ((640, 853), (640, 864))]
)
def test_padding_goes_up_to_the_next_multiple(size: tuple[int, int], padded: tuple[int, int]) -> None:
    assert InputSpec(640, 2560).padded(*size) == padded


def test_another_size_keeps_normalisation_and_padding() -> None:
    spec = InputSpec(640, 2560, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 16)
    other = spec.at(512, 2048)
    assert (other.short_side, other.longest_side) == (512, 2048)
    assert (other.mean, other.std, other.pad_multiple) == (spec.mean, spec.std, spec.pad_multiple)
