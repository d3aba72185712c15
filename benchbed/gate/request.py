"""What a person asked the gate, one field a flag. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchbed.errors import UsageError
from benchbed.gate.finding import ACCEPTABLE

SECONDS: Final = (
    150.0  # issue 5: at most three minutes; what began before the time was up ends within the rest
)
LEAST_SECONDS: Final = 10.0
MOST_SECONDS: Final = 24 * 3600.0
IMAGES: Final = 24  # of the embedded dataset: every class of shapes is in it several times
MARGIN: Final = 0.03
EFFECT: Final = 0.10  # issue 5: "catches a real 10 %"


@dataclass(frozen=True)
class GateRequest:
    """Attributes:
    methods: as on the command line; `all` for every registered one's tiny variant.
    seconds: of wall time for the whole gate.
    images: of the accuracy pass.
    margin, effect: relative slow-downs: below the one nothing is called slower, the other must be excluded for a pass.
    accepted: metrics whose regressions are meant.
    repository: a folder in the checkout.
    """

    methods: tuple[str, ...] = ("all",)
    seconds: float = SECONDS
    images: int = IMAGES
    margin: float = MARGIN
    effect: float = EFFECT
    accepted: tuple[str, ...] = ()
    repository: Path = Path()

    def __post_init__(self) -> None:
        if not LEAST_SECONDS <= self.seconds <= MOST_SECONDS:
            raise UsageError(
                f"--seconds {self.seconds:g}: expected {LEAST_SECONDS:g} to {MOST_SECONDS:g}, e.g. 150"
            )
        if self.images < 1:
            raise UsageError(f"--images {self.images}: expected the number of images to use, 1 or more")
        if not 0 < self.margin < self.effect < 10:
            raise UsageError(
                f"--margin {self.margin:g} --effect {self.effect:g}: expected fractions with 0 < margin < effect, "
                "e.g. 0.03 and 0.10"
            )
        for name in self.accepted:
            if name not in ACCEPTABLE:
                raise UsageError(f"--accept {name}: expected some of {', '.join(ACCEPTABLE)}")
