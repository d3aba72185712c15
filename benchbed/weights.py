"""Which weights each variant of a run gets: shipped, a file, or random ones. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

from benchbed.errors import MissingError, UsageError
from benchbed.method_card import Variant
from benchbed.registry import METHOD_GROUP, SHIPPED, Chosen, names, require_shipped, unknown

RANDOM_NOTE: Final = "random weights: accuracy means nothing"
WEIGHTS_FOLDER: Final = "BENCHBED_WEIGHTS"
# What `--weights` takes in place of a path; the third is `load_method`'s word, too.
WORDS: Final = ("auto", "random", SHIPPED)


@dataclass(frozen=True)
class WeightsChoice:
    """Where a variant's weights come from.

    Attributes:
        kind: `random`, `packaged` (what the word `shipped` asks for: inside a distribution) or `file`.
        path: the file, or None for random weights.
        seed: of random weights.
        note: what every row of a table must say of them, or "".
        official: found under the official file's name in the weights folder.
    """

    kind: Literal["random", "packaged", "file"]
    path: Path | None = None
    seed: int = 0
    note: str = ""
    official: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a record; the file's name only, never somebody's folders."""
        return {
            "kind": self.kind,
            "file": self.path.name if self.path else None,
            "seed": self.seed if self.kind == "random" else None,
            "note": self.note,
        }


RANDOM: Final = WeightsChoice("random", note=RANDOM_NOTE)


def folder() -> Path:
    """Where official checkpoints are looked for: `$BENCHBED_WEIGHTS`, else `~/.cache/benchbed/weights`."""
    return Path(os.environ.get(WEIGHTS_FOLDER) or Path.home() / ".cache" / "benchbed" / "weights")


def parse(flag: str, chosen: Sequence[Chosen]) -> dict[str, WeightsChoice]:
    """Read `--weights`: `auto`, `random`, `shipped`, one PATH, or `method=PATH,...` (unnamed methods get `auto`).

    A word may stand in place of any PATH, e.g. `san=shipped`.

    Returns:
        label -> choice, one for each of `chosen`.

    Raises:
        UsageError: a name that is not in this run, one path for several methods, or `shipped` where no weights come with it.
        MissingError: a file that is not there, or official weights that a person must get first.
    """
    if flag in WORDS:
        return {each.label: _by_word(flag, each) for each in chosen}
    if "=" not in flag or Path(flag).is_file():
        return {_only(chosen, flag).label: _file(Path(flag))}
    given = dict(_pair(part) for part in flag.split(","))
    _check_names(given, chosen)
    return {each.label: _given(each, given) for each in chosen}


def _pair(part: str) -> tuple[str, str]:
    name, _, path = part.partition("=")
    if not name or not path:
        raise UsageError(f"--weights {part!r}: expected method=PATH, e.g. san=san_vit_b_16.pth")
    return name.strip(), path.strip()


def _only(chosen: Sequence[Chosen], flag: str) -> Chosen:
    if len(chosen) != 1:
        labels = ", ".join(each.label for each in chosen)
        raise UsageError(
            f"--weights {flag}: one file, but this run has {len(chosen)} variants ({labels}); "
            f"say method={flag} for the one it is of"
        )
    return chosen[0]


def _check_names(given: dict[str, str], chosen: Sequence[Chosen]) -> None:
    wanted = {each.label for each in chosen} | {each.found.name for each in chosen}
    for name in given:
        if name in wanted:
            continue
        if name.partition("/")[0] in names(METHOD_GROUP):
            raise UsageError(
                f"--weights {name}=...: {name} is not in this run; its variants are {', '.join(sorted(wanted))}"
            )
        raise UsageError(f"--weights: {unknown('method', name, wanted)}")


def _given(chosen: Chosen, given: dict[str, str]) -> WeightsChoice:
    what = given.get(chosen.label, given.get(chosen.found.name, "auto"))
    return _by_word(what, chosen) if what in WORDS else _file(Path(what))


def _by_word(word: str, chosen: Chosen) -> WeightsChoice:
    if word == "random":
        return RANDOM
    return shipped(chosen) if word == SHIPPED else automatic(chosen)


def _file(path: Path) -> WeightsChoice:
    if not path.is_file():
        raise MissingError(
            f"--weights {path}: no such file; expected 'auto', 'random', 'shipped', or the path of a checkpoint"
        )
    return WeightsChoice("file", path)


def shipped(chosen: Chosen) -> WeightsChoice:
    """The weights that come with the variant, and no others.

    Raises:
        UsageError: none do; the message names the method's variants that have some, and what else to give.
    """
    name = chosen.found.name
    require_shipped(chosen, f"give --weights {name}=auto, {name}=PATH or {name}=random")
    return WeightsChoice("packaged", packaged_path(chosen.variant))


def automatic(chosen: Chosen) -> WeightsChoice:
    """Shipped weights, else the official file in the weights folder, else (embedded variants only) random ones.

    Raises:
        MissingError: the variant needs a checkpoint that is not there; the message says where to get it.
    """
    variant = chosen.variant
    if variant.packaged:
        return shipped(chosen)
    if variant.weights is not None:
        path = folder() / variant.weights.file
        if path.is_file():
            return WeightsChoice("file", path, official=True)
    if variant.embedded:
        return RANDOM
    raise MissingError(_how_to_get(chosen))


def packaged_path(variant: Variant) -> Path:
    """Where a variant's shipped weights lie, whether they are there or not."""
    package, _, file = variant.packaged.partition(":")
    return Path(str(files(package) / file))


def _how_to_get(chosen: Chosen) -> str:
    choice = f"or measure cost alone with --weights random (or --weights {chosen.found.name}=random)"
    weights = chosen.variant.weights
    if weights is None:
        return f"{chosen.label}: no released weights are known; give --weights {chosen.found.name}=PATH, {choice}"
    return (
        f"{chosen.label}: its weights {weights.file} are not in {folder()}; get them from {weights.source}, "
        f"put them there or give --weights {chosen.found.name}=PATH, {choice}"
    )
