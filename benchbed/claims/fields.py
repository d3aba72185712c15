"""The fields of a TOML table, taken one by one with their types; what is left over is an error."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from benchbed.errors import UsageError

T = TypeVar("T")
_REQUIRED: Any = object()


class Fields:
    """A table read strictly: every getter names file and table in its error.

    Args:
        content: the table.
        where: file and table, for messages.
    """

    def __init__(self, content: Mapping[str, Any], where: str) -> None:
        self.where = where
        self._left = dict(content)
        self._asked: list[str] = []

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        return not self._left

    def done(self) -> None:
        """Raise UsageError if a field was never asked for: it is unknown."""
        if not self._left:
            return
        name = next(iter(self._left))
        near = difflib.get_close_matches(name, self._asked, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"{self.where}: unknown field {name!r}; {hint}known are {', '.join(self._asked)}")

    def text(self, name: str, default: T | str = _REQUIRED) -> Any:
        """A string that is not empty."""
        value = self._take(name, str, "a text", default)
        if value == "" and default is _REQUIRED:
            raise UsageError(f"{self.where}: field {name!r} is empty; expected a text")
        return value

    def integer(self, name: str, default: T | int = _REQUIRED) -> Any:
        """A whole number of at least 1."""
        value = self._take(name, int, "a whole number", default)
        if value is not default and (isinstance(value, bool) or value < 1):
            raise UsageError(
                f"{self.where}: field {name!r} is {value}; expected a whole number of at least 1"
            )
        return value

    def boolean(self, name: str) -> bool:
        """true or false."""
        return bool(self._take(name, bool, "true or false", _REQUIRED))

    def choice(self, name: str, known: Sequence[str], default: T | str = _REQUIRED) -> Any:
        """One of `known`."""
        value = self._take(name, str, f"one of {', '.join(known)}", default)
        if value is default or value in known:
            return value
        near = difflib.get_close_matches(str(value), known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"{self.where}: {name} = {value!r}: {hint}expected one of {', '.join(known)}")

    def integers(self, name: str, default: T | Sequence[int] = _REQUIRED) -> Any:
        """A list of whole numbers of at least 1, as a tuple."""
        value = self._take(name, list, "a list of whole numbers", default)
        if value is default:
            return value
        if not all(isinstance(each, int) and not isinstance(each, bool) and each > 0 for each in value):
            raise UsageError(f"{self.where}: {name} = {value}: expected whole numbers of at least 1")
        return tuple(value)

    def interval(self, name: str) -> tuple[float, float]:
        """Two numbers, the smaller first; `inf` and `-inf` for an open end."""
        value = self._take(name, list, "two numbers, e.g. [4.0, 7.0]", _REQUIRED)
        numbers = [each for each in value if isinstance(each, int | float) and not isinstance(each, bool)]
        right = (
            len(value) == len(numbers) == 2 and not any(map(math.isnan, numbers)) and numbers[0] < numbers[1]
        )
        if not right:
            raise UsageError(
                f"{self.where}: {name} = {value}: expected two numbers, the smaller first, e.g. [4.0, inf]"
            )
        return float(numbers[0]), float(numbers[1])

    def table(self, name: str, default: Mapping[str, Any] = _REQUIRED) -> Fields:
        """A table below this one."""
        return Fields(self._take(name, dict, f"a table [{name}]", default), f"{self.where}: {name}")

    def tables(self, name: str, default: Sequence[Any] = _REQUIRED) -> list[Fields]:
        """A list of tables below this one."""
        value = self._take(name, list, f"a list of tables [[{name}]]", default)
        if not all(isinstance(each, dict) for each in value):
            raise UsageError(f"{self.where}: field {name!r}: expected a list of tables [[{name}]]")
        return [Fields(each, f"{self.where}: {name} {i}") for i, each in enumerate(value, 1)]

    def _take(self, name: str, kind: type, words: str, default: Any) -> Any:
        self._asked.append(name)
        if name not in self._left:
            if default is _REQUIRED:
                raise UsageError(f"{self.where}: field {name!r} is missing; expected {words}")
            return default
        value = self._left.pop(name)
        if not isinstance(value, kind):
            raise UsageError(f"{self.where}: field {name!r} is {value!r}; expected {words}")
        return cast("Any", value)
