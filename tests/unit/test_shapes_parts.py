"""The integer parts that `shapes` is drawn with, each against an independent computation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchbed.datasets.shapes import palette
from benchbed.datasets.shapes.classes import SHAPES, TEXTURES
from benchbed.datasets.shapes.fixed_point import PIXEL, along, cosine, grid, integer_root, sine
from benchbed.datasets.shapes.ground import value_noise
from benchbed.datasets.shapes.lighting import Light
from benchbed.datasets.shapes.outlines import REACH, signed_distance
from benchbed.datasets.shapes.random_stream import Stream
from benchbed.datasets.shapes.textures import Texture


def test_stream_gives_the_published_splitmix64_words() -> None:
    # First words for seed 1234567, as listed by Rosetta Code, "Pseudo-random numbers/Splitmix64".
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    stream = Stream(1234567)
    assert [stream.word() for _ in published] == published
    assert Stream(1234567).words(5).tolist() == published


@pytest.mark.parametrize("key", [0, 1, 2**63, 2**64 - 1])
def test_words_one_by_one_and_together_are_the_same(key: int) -> None:
    single, mixed = Stream(key), Stream(key)
    expected = [single.word() for _ in range(12)]
    found = [mixed.word(), *mixed.words(7).tolist(), mixed.word(), *mixed.words(3).tolist()]
    assert found == expected


def test_integers_fill_their_range_evenly() -> None:
    stream = Stream.of("range")
    singles = np.bincount([stream.integer(-2, 4) + 2 for _ in range(7000)], minlength=7)
    arrays = np.bincount(stream.integers(7000, -2, 4) + 2, minlength=7)
    for counts in (singles, arrays):  # binomial: 1000 +- 29
        assert len(counts) == 7
        assert np.abs(counts - 1000).max() < 5 * 29
    assert stream.integer(5, 5) == 5
    with pytest.raises(ValueError, match="between 2 and 1"):
        stream.integer(2, 1)


def test_chance_and_shuffle() -> None:
    stream = Stream.of("chance")
    assert abs(sum(stream.chance(1, 4) for _ in range(8000)) - 2000) < 5 * 39
    firsts = np.bincount([stream.shuffled(range(5))[0] for _ in range(5000)])
    assert np.abs(firsts - 1000).max() < 5 * 28
    assert sorted(stream.shuffled("abc")) == ["a", "b", "c"]


def test_names_make_streams_of_their_own() -> None:
    parts: list[tuple[int | str, ...]] = [
        (0, "val", 1),
        (1, "val", 0),
        (0, "train", 1),
        ("val", 0, 1),
        (0, "val"),
        (0, "val", 1, "x"),
    ]
    assert len({Stream.of(*part).word() for part in parts}) == len(parts)
    parent = Stream.of(1)
    before = parent.child("a").word()
    parent.word()
    assert parent.child("a").word() == before


def test_sine_table() -> None:
    for degrees in range(-400, 800):
        assert sine(degrees) == round(2**14 * math.sin(math.radians(degrees)))
        assert cosine(degrees) == round(2**14 * math.cos(math.radians(degrees)))


def test_integer_root_is_exact_around_every_square() -> None:
    roots = np.arange(1, 2**15, 7, dtype=np.int64)
    values = np.concatenate([roots**2 - 1, roots**2, roots**2 + 1, [0, 2**30 - 1]]).astype(np.int32)
    assert integer_root(values).tolist() == [math.isqrt(value) for value in values.tolist()]


def polygon(shape: str, reach: float, rotation: int) -> list[tuple[float, float]]:
    """Corners in pixels around the centre, in order."""
    corners = {"triangle": 3, "square": 4, "star": 10}[shape]
    start = {"triangle": rotation - 90, "square": rotation + 45, "star": rotation - 90}[shape]
    radii = [reach * (0.5 if shape == "star" and k % 2 else 1.0) for k in range(corners)]
    angles = [math.radians(start + 360 * k / corners) for k in range(corners)]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


def edge_distance(x: float, y: float, corners: list[tuple[float, float]]) -> float:
    """Distance to the polygon, positive inside (crossing number)."""
    inside, nearest = False, math.inf
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
        t = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
        t = min(max(t, 0.0), 1.0)
        nearest = min(nearest, math.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0)))
    return nearest if inside else -nearest


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("radius", "rotation"), [(14, 0), (17, 33), (23, 200), (30, 359)])
def test_outline_distance_against_plain_geometry(shape: str, radius: int, rotation: int) -> None:
    distance = signed_distance(shape, radius * PIXEL, rotation, margin=4) / PIXEL
    half = distance.shape[0] // 2
    reach = radius * REACH[shape] / 64
    corners = None if shape == "disc" else polygon(shape, reach, rotation)
    for row in range(distance.shape[0]):
        for column in range(distance.shape[1]):
            x, y = column - half, row - half
            exact = edge_distance(x, y, corners) if corners else reach - math.hypot(x, y)
            if abs(exact) > 0.1:
                assert (distance[row, column] > 0) == (exact > 0)
            if 0.1 < exact < 1.0:  # coverage of edge pixels; beyond, the value only has to be a monotone ramp
                assert distance[row, column] == pytest.approx(exact, abs=0.12)


@pytest.mark.parametrize("shape", SHAPES)
def test_outlines_of_one_size_have_about_the_same_area(shape: str) -> None:
    area = np.count_nonzero(signed_distance(shape, 20 * PIXEL, 10, 0) >= 0)
    assert area == pytest.approx(math.pi * 20**2, rel=0.1)


@pytest.mark.parametrize("name", TEXTURES)
def test_texture_covers_its_share_and_repeats(name: str) -> None:
    texture = Texture(name, period=9 * PIXEL, direction=90, shift=100)
    x, y = grid(-45, -45, 91, 91)
    cover = texture.coverage(x, y)
    assert cover.shape == (91, 91)
    assert cover.min() >= 0
    assert cover.max() <= PIXEL
    share = {"plain": 0.0, "striped": 0.5, "checkered": 0.5, "dotted": math.pi * 0.31**2, "ringed": 0.5}[name]
    assert cover.mean() / PIXEL == pytest.approx(share, abs=0.03)
    if name not in ("plain", "ringed"):
        np.testing.assert_array_equal(cover[:-18], cover[18:])  # two periods: dots shift every other row
        assert not np.array_equal(cover[:-4], cover[4:])


def test_stripes_and_rings_are_where_plain_geometry_puts_them() -> None:
    x, y = grid(-30, -30, 61, 61)
    for direction in (0, 37, 211):
        stripes = Texture("striped", 8 * PIXEL, direction, 0).coverage(x, y)
        place = (np.arange(-30, 31)[None] * math.cos(math.radians(direction))) + (
            np.arange(-30, 31)[:, None] * math.sin(math.radians(direction))
        )
        edge = np.abs(place % 8 - 4) - 2
        clear = np.abs(edge) > 0.6
        np.testing.assert_array_equal(stripes[clear] > 32, edge[clear] > 0)
    rings = Texture("ringed", 8 * PIXEL, 0, 0).coverage(x, y)
    edge = np.abs(np.hypot(*np.meshgrid(np.arange(-30, 31), np.arange(-30, 31))) % 8 - 4) - 2
    clear = np.abs(edge) > 0.6
    np.testing.assert_array_equal(rings[clear] > 32, edge[clear] > 0)


def test_along_is_a_rotation() -> None:
    x, y = grid(-20, -20, 41, 41)
    for degrees in (0, 30, 90, 245):
        u, v = along(x, y, degrees), along(x, y, degrees + 90)
        assert np.abs(np.hypot(u, v) - np.hypot(x, y)).max() < 2


def test_every_light_colour_stands_out_from_every_dark_one() -> None:
    luma = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    assert (np.array(palette.LIGHT) @ luma).min() - (np.array(palette.DARK) @ luma).max() >= 70


def test_light_falls_from_its_side_and_shadows_lie_on_the_other() -> None:
    light = Light(direction=180, level=256, fall=40, length=5, softness=2 * PIXEL, depth=100)
    levels = light.over_scene(40, 60)
    assert levels[20, 0] > levels[20, 30] > levels[20, 59]
    assert light.shadow_offset() == (5, 0)
    shade = light.shadow(np.array([[-3 * PIXEL, 0, 3 * PIXEL]], np.int32))
    assert shade.tolist() == [[256, 206, 156]]


def test_value_noise_is_smooth_and_fills_its_range() -> None:
    noise = value_noise(150, 130, 10, Stream.of("noise"))
    assert noise.shape == (150, 130)
    assert 0 <= noise.min() < 10
    assert 54 < noise.max() <= PIXEL
    assert np.abs(np.diff(noise, axis=0)).max() <= PIXEL * 1.5 / 10 + 2  # smoothstep's steepest slope is 1.5
    assert np.abs(np.diff(noise, axis=1)).max() <= PIXEL * 1.5 / 10 + 2
