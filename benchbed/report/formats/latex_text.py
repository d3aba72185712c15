"""Any text as LaTeX that pdflatex, xelatex and lualatex set without loading anything: nothing in it is run."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_COMMANDS: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"$\sim$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # else taken for an option after a line's end
    "]": "{]}",
    "\u2020": r"\textsuperscript{\textdagger}",
    "\u00b1": r"$\pm$",
    "\u00d7": r"$\times$",
    "\u2013": "--",
    "\u2014": "---",
    "\u2018": "`",
    "\u2019": "'",
    "\u201c": "``",
    "\u201d": "''",
    "\u2026": r"\ldots{}",
    "\u00a0": "~",
}
# Accented letters of Latin-1 and Latin Extended-A that the T1 and OT1 encodings both set.
_LETTERS: Final = re.compile(r"[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0148]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9 .,:;()/+*=?!@'-]*")  # nothing to escape in it
_UNSET: Final = frozenset("\u00d0\u00de\u00f0\u00fe\u0110\u0111\u0126\u0127\u0138\u013f\u0140\u0166\u0167")


def latex_text(text: str) -> str:
    """The text with everything escaped; what the fonts lack stands by its Unicode name, e.g. "{[}grinning face{]}"."""
    line = " ".join(text.split())
    if _PLAIN.fullmatch(line):
        return line
    return "".join(_sign(sign) for sign in unicodedata.normalize("NFC", line))


def _sign(sign: str) -> str:
    if sign in _COMMANDS:
        return _COMMANDS[sign]
    if sign.isascii():
        return sign if sign.isprintable() else ""
    if _LETTERS.match(sign) and sign not in _UNSET:
        return sign
    if unicodedata.category(sign) in ("Mn", "Cf", "Cc"):  # joiners and variation selectors show nothing
        return ""
    name = unicodedata.name(sign, f"U+{ord(sign):04X}")
    return f"{{[}}{f'U+{ord(sign):04X}' if 'IDEOGRAPH' in name else name.lower()}{{]}}"
