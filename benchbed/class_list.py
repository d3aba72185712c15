"""Class names as a person types them: split at commas, checked for what a text tower can tell apart."""

from __future__ import annotations

import difflib
import re
from typing import Final

from benchbed.errors import DataError, UsageError
from benchbed.vocabulary import Vocabulary

# A name in double quotes, where a doubled quote is one quote (RFC 4180), or a bare one; spaces around it do not count.
_FIELD: Final = re.compile(r'\s*+(?:"((?:[^"]|"")*)"|((?!")[^,]*?))\s*(,|$)')
# Of CLIP's 77 positions, 16 vectors of a learned prompt, its full stop, start and end leave 58; no template in use is longer.
NAME_TOKENS: Final = 58
FIRST_CONTROL_TOKEN: Final = 49406  # <start_of_text>; <end_of_text> follows


def split_names(text: str, flag: str) -> tuple[str, ...]:
    """Names between commas, spaces around them stripped and inside them single; `"road, route", sky` are two names.

    Raises:
        UsageError: a quote that is not closed, a line break, or bytes that are no text; the message names the flag.
    """
    _check_text(text, flag)
    names, at = [], 0
    while True:
        match = _FIELD.match(text, at)
        if match is None:
            raise UsageError(
                f"{flag}: the quote before {text[at:].strip()[1:25]!r} is not closed, or something other than a comma "
                "follows the closing one; write e.g. --classes '\"road, route\", sky'"
            )
        quoted, bare, end = match.groups()
        names.append(" ".join((bare if quoted is None else quoted.replace('""', '"')).split()))
        if not end:
            return tuple(names)
        at = match.end()


def _check_text(text: str, flag: str) -> None:
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UsageError(
            f"{flag}: {text[:40]!a} holds bytes that are not UTF-8; retype the names or set LANG=C.UTF-8"
        )
    if len(text.strip().splitlines()) > 1:
        raise UsageError(f"{flag}: line breaks in {text[:40]!r}; separate the names with commas")


def make_vocabulary(classes: str, unseen: str = "") -> Vocabulary:
    """The vocabulary of `--classes` and `--unseen`: every class counts as seen unless `--unseen` names it.

    Raises:
        UsageError: an empty or repeated name, or an unseen name that is not among the classes.
    """
    names = split_names(classes, "--classes")
    new = split_names(unseen, "--unseen") if unseen.strip() else ()
    for name in new:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(
                f"--unseen: {name!r} is not among --classes; {hint}every unseen class must be named there too"
            )
    try:
        return Vocabulary(names, tuple(name not in new for name in names))
    except DataError as error:
        raise UsageError(f"--classes: {error}") from error


def check_tokens(names: tuple[str, ...]) -> None:
    """Refuse names that CLIP's text tower would cut off, not see, or not tell apart. Imports open_clip.

    Without this open_clip cuts long prompts silently, and of two names with the same tokens the second never wins a pixel.

    Raises:
        UsageError: a name of no or more than 58 tokens, one with a control word, or two with the same tokens.
    """
    from open_clip.tokenizer import SimpleTokenizer

    encode, first = SimpleTokenizer().encode, dict[tuple[int, ...], str]()
    for name in names:
        tokens = tuple(encode(name))
        if not tokens:
            raise UsageError(f"--classes: {name!a} has nothing that CLIP can read; give a word")
        if len(tokens) > NAME_TOKENS:
            raise UsageError(
                f"--classes: {name[:40]!r}... has {len(tokens)} tokens; with the prompt around it CLIP reads {NAME_TOKENS} "
                "of a name and would drop the rest: shorten it"
            )
        if max(tokens) >= FIRST_CONTROL_TOKEN:
            raise UsageError(f"--classes: {name!r} holds one of CLIP's control words; leave that out")
        if tokens in first:
            raise UsageError(
                f"--classes: {first[tokens]!r} and {name!r} read the same to CLIP (case and spaces do not count); keep one"
            )
        first[tokens] = name
