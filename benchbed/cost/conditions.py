"""Under what a cost is measured: size, classes, proposals, batch; and along which of them it is swept. Free of torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from benchbed.errors import UsageError

Axis = Literal["proposals", "classes", "size", "batch"]
Value = int | tuple[int, int]
Size = tuple[int, int]

AXES: Final[tuple[Axis, ...]] = ("proposals", "classes", "size", "batch")
# What papers on COCO-Stuff print FLOPs for: a 480 x 640 photo at short side 640, and its 171 classes.
DEFAULT_SIZE: Final = (640, 853)
DEFAULT_CLASSES: Final = 171
RANGE_POINTS: Final = 5  # of "1:100": enough to see that a law is not a straight line
SMALLEST_SIDE: Final = 32  # pixels: one stride of a ResNet
SIZE_STEP: Final = 32  # pixels: short sides of a swept size, so that no method pads more than another
MOST: Final[dict[str, int]] = {"proposals": 10_000, "classes": 32_000, "size": 8192, "batch": 4096}


@dataclass(frozen=True)
class Conditions:
    """Where a latency holds.

    Attributes:
        size: height and width of the photo and, under protocol `matched`, of the network's input before padding, pixels.
        classes: K of the vocabulary.
        proposals: masks proposed an image; None as published, or where a method proposes none.
        batch: images a call.
    """

    size: Size = DEFAULT_SIZE
    classes: int = DEFAULT_CLASSES
    proposals: int | None = None
    batch: int = 1

    def at(self, axis: str, value: Value | None) -> Conditions:
        """The same but for one axis."""
        return replace(self, **{axis: value})  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON gives them back."""
        return {**asdict(self), "size": list(self.size)}


def conditions_from(content: Mapping[str, Any]) -> Conditions:
    """The opposite of `Conditions.as_dict`."""
    return Conditions(
        (int(content["size"][0]), int(content["size"][1])),
        content["classes"],
        content["proposals"],
        content["batch"],
    )


def axis_number(axis: str, value: Any) -> float:
    """A value of an axis as the number that scaling laws are fitted over: pixels for `size`, else itself."""
    return float(value[0] * value[1]) if axis == "size" else float(value)


def parse_size(text: str, flag: str = "--size") -> Size:
    """Read "640x853": height x width in pixels.

    Raises:
        UsageError: not two whole numbers, or too small or too large ones.
    """
    match = re.fullmatch(r"\s*(\d+)\s*[xX\u00d7]\s*(\d+)\s*", text)
    if match is None:
        raise UsageError(f"{flag} {text}: expected HEIGHTxWIDTH in pixels, e.g. 640x853")
    size = int(match.group(1)), int(match.group(2))
    if min(size) < SMALLEST_SIDE or max(size) > MOST["size"]:
        raise UsageError(f"{flag} {text}: expected sides of {SMALLEST_SIDE} to {MOST['size']} pixels")
    return size


def check_count(flag: str, axis: str, value: int) -> int:
    """A number of proposals, classes or images, if it can be one.

    Raises:
        UsageError: below 1, or larger than anything that makes sense.
    """
    if not 1 <= value <= MOST[axis]:
        raise UsageError(f"{flag} {value}: expected a number of {axis} from 1 to {MOST[axis]:,}")
    return value


def parse_sweeps(texts: Sequence[str], base: Size = DEFAULT_SIZE) -> dict[str, tuple[Value, ...]]:
    """Read each `--sweep AXIS=VALUES`; values are "1,10,100", or "1:100" for five geometric steps, or "1:100:7" for seven.

    Sizes are "256:1024" (short sides in the base's shape) or "320x427,640x853".

    Raises:
        UsageError: an unknown axis, one that is named twice, or values that are none.
    """
    sweeps: dict[str, tuple[Value, ...]] = {}
    for text in texts:
        axis, _, values = text.partition("=")
        axis = axis.strip()
        if axis not in AXES or not values:
            raise UsageError(
                f"--sweep {text}: expected AXIS=VALUES with an axis of {', '.join(AXES)}, e.g. proposals=1:100"
            )
        if axis in sweeps:
            raise UsageError(f"--sweep {axis}: named twice; list all values in one, e.g. {axis}=1,10,100")
        sweeps[axis] = _sizes(text, values, base) if axis == "size" else _counts(text, axis, values)
    return sweeps


def _counts(text: str, axis: str, values: str) -> tuple[int, ...]:
    found = tuple(sorted(set(_numbers(text, values, _geometric))))
    for value in found:
        check_count(f"--sweep {axis}", axis, value)
    return _several(text, found)


def _sizes(text: str, values: str, base: Size) -> tuple[Size, ...]:
    if "x" in values.lower():
        sizes = {parse_size(part, f"--sweep {text}:") for part in values.split(",")}
    else:
        sides = _numbers(text, values, lambda low, high, count: _steps(_geometric(low, high, count)))
        sizes = {_shaped(side, base) for side in sides}
    for size in sizes:
        parse_size(f"{size[0]}x{size[1]}", f"--sweep {text}:")
    return _several(text, tuple(sorted(sizes, key=lambda size: size[0] * size[1])))


def _several(text: str, found: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(found) < 2:
        raise UsageError(f"--sweep {text}: one value is no sweep; give at least two, e.g. 1,10,100 or 1:100")
    return found


def _numbers(text: str, values: str, between: Callable[[int, int, int], list[int]]) -> list[int]:
    wrong = UsageError(f"--sweep {text}: expected whole numbers as LOW:HIGH, LOW:HIGH:STEPS or A,B,C")
    separator = ":" if ":" in values else ","
    parts = [part.strip() for part in values.split(separator)]
    if not all(re.fullmatch(r"\d{1,9}", part) for part in parts):
        raise wrong
    numbers = [int(part) for part in parts]
    if separator == ",":
        return numbers
    low, high, count = (*numbers, RANGE_POINTS)[:3]
    if len(numbers) not in (2, 3) or not 1 <= low < high or not 2 <= count <= 50:
        raise wrong
    return between(low, high, count)


def _geometric(low: int, high: int, count: int) -> list[int]:
    """`count` whole numbers from low to high whose ratios are alike; fewer where rounding makes some equal."""
    ratio = math.log(high / low) / (count - 1)
    return sorted({round(low * math.exp(ratio * step)) for step in range(count)} | {low, high})


def _steps(sides: list[int]) -> list[int]:
    return sorted({max(SIZE_STEP, SIZE_STEP * round(side / SIZE_STEP)) for side in sides})


def _shaped(side: int, base: Size) -> Size:
    """The base's shape at another short side."""
    scale = side / min(base)
    height, width = round(base[0] * scale), round(base[1] * scale)
    return (side, width) if base[0] <= base[1] else (height, side)
