"""What the TOML file of a dataset of one's own says, strictly read: every slip is one clear sentence."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchbed.errors import DataError

if TYPE_CHECKING:
    from benchbed.datasets.pair_folder import PairLayout

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_NEEDED: Final = ("name", "images", "masks", "classes")


@dataclass(frozen=True)
class OwnFile:
    """The keys of the file, as `benchbed.datasets.own` explains them; `path` is where it was read."""

    path: Path = Path()
    name: str = ""
    images: str = ""
    masks: str = ""
    classes: tuple[str, ...] = ()
    title: str = ""
    seen: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    first: int = 0
    values: tuple[int, ...] = ()
    ignored: tuple[int, ...] = (255,)
    list: str = ""
    mask_ending: str = ".png"
    photo_endings: tuple[str, ...] = (".jpg", ".jpeg", ".png")
    background: str = ""
    matched_sides: tuple[int, int] = (512, 2048)

    @property
    def class_values(self) -> tuple[int, ...]:
        """The mask value of each class."""
        return self.values or tuple(range(self.first, self.first + len(self.classes)))

    @property
    def ignore(self) -> int:
        """The label of ignored pixels: 255 where all values and labels fit 8 bits, else 65535."""
        fits = len(self.classes) <= 254 and max((*self.class_values, *self.ignored)) <= 255
        return 255 if fits else 65535

    def flags(self) -> tuple[bool, ...]:
        """Whether each class counts as seen; none does where the file has neither list."""
        if self.unseen:
            return tuple(name not in self.unseen for name in self.classes)
        return tuple(name in self.seen for name in self.classes)

    def layout(self) -> PairLayout:
        """Folders and label rule for the reader."""
        from benchbed.datasets.label_rule import LabelRule
        from benchbed.datasets.pair_folder import PairLayout

        mapping = {value: label for label, value in enumerate(self.class_values)}
        mapping |= dict.fromkeys(self.ignored, self.ignore)
        words = ", ".join(map(str, self.ignored)) or "none"
        expected = f"the values of the classes in {self.path} or its ignored ones ({words})"
        return PairLayout(
            self.images,
            self.masks,
            LabelRule(mapping, expected, self.ignore),
            self.mask_ending,
            self.photo_endings,
            ids="list" if self.list else "masks",
            list_file=self.list,
        )


def read_own_file(path: Path) -> OwnFile:
    """Read and check a TOML file.

    Raises:
        DataError: the file is missing, no TOML, lacks a key, has an unknown one, one of another kind, or values that
            contradict each other.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"--dataset {path} cannot be read: {error.strerror}; give the path of a TOML file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no TOML: {error}; correct that line") from error
    file = OwnFile(path=path, **_typed(path, content))
    _check(file)
    return file


def _typed(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {field.name: field.type for field in fields(OwnFile) if field.name != "path"}
    unknown = sorted(content.keys() - kinds.keys())
    if unknown:
        raise DataError(f"{path}: unknown key {unknown[0]!r}; known are {', '.join(kinds)}")
    lacking = [key for key in _NEEDED if not content.get(key)]
    if lacking:
        raise DataError(f"{path}: {lacking[0]!r} is missing; {', '.join(_NEEDED)} are needed")
    return {key: _value(path, key, str(kinds[key]), value) for key, value in content.items()}


def _value(path: Path, key: str, kind: str, value: Any) -> Any:
    """A TOML value as the field's kind; a list of words may also be a file that has one a line."""
    if kind == "tuple[str, ...]" and isinstance(value, str) and key != "photo_endings":
        return _lines(path, key, path.parent / value)
    if kind.startswith("tuple"):
        part: type = str if "str" in kind else int
        if isinstance(value, list) and all(type(each) is part for each in value):
            return tuple(each.strip() if isinstance(each, str) else each for each in value)
        words = "strings" if part is str else "whole numbers"
        raise DataError(f"{path}: {key} = {value!r}: expected a list of {words}")
    wanted: type = {"str": str, "int": int}[kind]
    if type(value) is not wanted:
        raise DataError(
            f"{path}: {key} = {value!r}: expected a {'string' if wanted is str else 'whole number'}"
        )
    return value


def _lines(path: Path, key: str, file: Path) -> tuple[str, ...]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: {key} names the file {file}, which cannot be read ({error}); expected one name a line"
        ) from error
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _check(file: OwnFile) -> None:
    if not _NAME.fullmatch(file.name):
        raise DataError(f"{file.path}: name = {file.name!r}: expected lower-case letters, digits, - and _")
    for key in ("seen", "unseen"):
        strange = [name for name in getattr(file, key) if name not in file.classes]
        if strange:
            raise DataError(f"{file.path}: {key} has {strange[0]!r}, which is not one of `classes`")
    if file.seen and file.unseen and {*file.seen, *file.unseen} != set(file.classes):
        raise DataError(f"{file.path}: seen and unseen together are not `classes`; give only one of them")
    both = set(file.seen) & set(file.unseen)
    if both:
        raise DataError(f"{file.path}: {min(both)!r} is in seen and in unseen; take it out of one of them")
    _check_numbers(file)


def _check_numbers(file: OwnFile) -> None:
    for key in ("prompts", "values"):
        given = getattr(file, key)
        if given and len(given) != len(file.classes):
            raise DataError(f"{file.path}: {key} has {len(given)} entries for {len(file.classes)} classes")
    if len(set(file.class_values)) != len(file.classes):
        raise DataError(f"{file.path}: values has a number twice; each class needs its own")
    both = set(file.class_values) & set(file.ignored)
    if both:
        raise DataError(
            f"{file.path}: mask value {min(both)} is a class and ignored; change `ignored` or `first`"
        )
    if min((*file.class_values, *file.ignored)) < 0 or max((*file.class_values, *file.ignored)) > 65534 + 1:
        raise DataError(
            f"{file.path}: mask values lie between 0 and 65535; correct `first`, `values` or `ignored`"
        )
    if len(file.matched_sides) != 2 or not 0 < file.matched_sides[0] <= file.matched_sides[1]:
        raise DataError(
            f"{file.path}: matched_sides: expected the short and the longest side, such as [512, 2048]"
        )
