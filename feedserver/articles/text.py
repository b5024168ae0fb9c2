"""Cleans the plain text of fields.

Character references that end with a semicolon are decoded once, characters that XML and readers refuse
are dropped, the rest is NFC. No markup is interpreted: `<b>` stays text.
"""

from __future__ import annotations

import html
import re
import unicodedata
from html.entities import html5

# C0 and C1 without tab, line feed, carriage return and NEL; lone surrogates; non-characters.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)
ASCII_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0D})
# With its semicolon: `?a=1&copy=2` in an address is no copyright sign. Larger numbers are no characters.
_REFERENCE = re.compile("&(#[0-9]{1,8};|#[xX][0-9a-fA-F]{1,8};|[A-Za-z][A-Za-z0-9]{1,31};)")
_BLANK_LINES = re.compile(r"\n{3,}")
_QUOTED_LENGTH = 60
_MOST_MARKS = 30
# Shorter texts are normalised as they are: 1,000 marks take 0.9 ms.
_LONG = 1_000
_NOT_ASCII = re.compile(rf"[^\x00-\x7f]{{{_MOST_MARKS + 1}}}")


def without_controls(text: str) -> str:
    """The text without control characters, lone surrogates and non-characters."""
    # A body of 1.2 kB in 0.9 µs; a look whether all is printable takes 2.9, the pattern 20 times as long.
    if text.isascii():
        return text.encode().translate(None, ASCII_CONTROLS).decode()
    if text.replace("\n", "").isprintable():
        return text
    return _UNWANTED.sub("", text)


def one_line(text: str) -> str:
    """The text of a title or name: one line, white space collapsed."""
    if "&" in text or not (text.isascii() and text.isprintable()):
        text = _plain(text)
    return " ".join(text.split())


def several_lines(text: str) -> str:
    """The text of an excerpt: white space collapsed within each line, blank lines at most single."""
    if "&" not in text and text.isprintable():  # a line break is not printable
        return one_line(text)
    lines = (" ".join(line.split()) for line in _plain(text).splitlines())
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def decoded(text: str) -> str:
    """The text with its character references decoded, once."""
    return _REFERENCE.sub(_character, text) if "&" in text else text


def quoted(text: str) -> str:
    """A value as messages show it: cut to 60 characters, control characters escaped."""
    return repr(text if len(text) <= _QUOTED_LENGTH else text[: _QUOTED_LENGTH - 1] + "…")


def composed(text: str) -> str:
    """The text in NFC; of more than 30 combining marks in a row the first 30.

    Unicode recommends this bound for streams (UAX #15, section 13), and no natural language has as many.
    Python sorts them in time that grows with the square of their number: 120 kB took 3.2 s (measured).
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _without_long_sequences(text) if len(text) > _LONG else text)


def _without_long_sequences(text: str) -> str:
    if not _NOT_ASCII.search(text):
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if character > "\u02ff" and unicodedata.combining(character) else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def _plain(text: str) -> str:
    return composed(without_controls(decoded(text)))


def _character(reference: re.Match[str]) -> str:
    name = reference[1]
    return html.unescape(reference[0]) if name[0] == "#" else html5.get(name, reference[0])
