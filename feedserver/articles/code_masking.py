"""Hides the code of a Markdown text, so that rewriting the rest cannot touch it.

Code is found by the parser that renders the text, not by patterns. Control characters stand for the hidden
parts: bodies have none of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
import pyromark

# The text in place of a hidden part, and the marks around the text of a link.
_TOKEN = re.compile("\x00([0-9]+)\x00")
LINK = "\x01"
LINK_END = "\x02"
_LINK_MARKS = re.compile("[\x01\x02]")
_DEFINITION = re.compile(r"^[ >]*\[(?!\^)[^\]\n]+\]:[^\n]*", re.MULTILINE)

# The kinds of events of the parser.
_HIDDEN_LEAVES = frozenset({"Code", "FootnoteReference", "InlineMath", "DisplayMath", "Html", "InlineHtml"})
_LINKS = frozenset({"Link", "Image"})
_WHOLE_LINKS = frozenset({"Autolink", "Email"})

FENCES = frozenset({"Fenced"})
CODE_BLOCKS = frozenset({"Fenced", "Indented"})
FENCES_AND_SPANS = frozenset({"Code", "Fenced"})
CODE = frozenset({"Code", "Fenced", "Indented"})
EVERYTHING = CODE | _HIDDEN_LEAVES | _LINKS | {"Whole"}


class Masked(msgspec.Struct, frozen=True):
    """A text with tokens in the place of its hidden parts."""

    text: str
    hidden: tuple[str, ...]

    def shown(self, text: str) -> str:
        """A text made from `text`, with the hidden parts in the place of their tokens."""
        return _shown(text, self.hidden)


def mask_code(text: str, parser: pyromark.Markdown, kinds: frozenset[str] = EVERYTHING) -> Masked:
    """Hide code, formulas, HTML, the addresses of links and pictures, and definitions of addresses.

    The text of a link stays between `LINK` and `LINK_END`. With other `kinds` less is hidden.
    """
    masker = _Masker(text)
    for start, end, kind, is_start in _elements(text, parser):
        if kind and kind not in kinds:
            continue
        if kind in _LINKS:
            masker.open_link(start) if is_start else masker.close_link(end)
        elif kind:
            masker.hide(start, end)
        masker.see(end)
    return masker.masked(hides_definitions=kinds is EVERYTHING)


def code_lines(text: str, parser: pyromark.Markdown, kinds: frozenset[str] = CODE_BLOCKS) -> frozenset[int]:
    """The numbers of the lines, from 0, in which a block of code is; `kinds` are `Fenced` and `Indented`."""
    raw = text.encode()
    lines: set[int] = set()
    line = position = 0
    for start, end, kind, _ in _elements(text, parser):
        if kind in kinds and start >= position:
            first = line + raw.count(b"\n", position, start)
            line = first + raw.count(b"\n", start, end)
            position = end
            lines.update(range(first, line + (raw[end - 1 : end] != b"\n")))
    return frozenset(lines)


def _shown(text: str, hidden: Sequence[str]) -> str:
    return _TOKEN.sub(lambda token: hidden[int(token[1])], _LINK_MARKS.sub("", text))


def _elements(text: str, parser: pyromark.Markdown) -> Iterator[tuple[int, int, str, bool]]:
    """Start, end (in bytes), kind and whether it starts, of each event; '' for text and other elements."""
    for event, span in parser.events_with_range(text):
        kind, is_start = "", False
        if isinstance(event, dict):
            [(name, value)] = event.items()
            if name == "Start" and isinstance(value, dict):
                kind, is_start = _kind_of_start(value), True
            elif name == "End" and isinstance(value, str) and value in _LINKS:
                kind = str(value)
            elif name in _HIDDEN_LEAVES:
                kind = name
        yield span["start"], span["end"], kind, is_start


def _kind_of_start(element: dict[str, object]) -> str:
    [(name, value)] = element.items()
    if name == "CodeBlock":
        return "Indented" if value == "Indented" else "Fenced"
    if name not in _LINKS:
        return ""
    kind = str(value["link_type"]) if isinstance(value, dict) and isinstance(value["link_type"], str) else ""
    return name if kind and kind not in _WHOLE_LINKS else "Whole"


class _Masker:
    """Takes the parts of a text in their order."""

    def __init__(self, text: str) -> None:
        self._raw = text.encode()
        self._pieces: list[str] = []
        self._hidden: list[str] = []
        self._position = 0
        self._seen = 0
        self._depth = 0

    def hide(self, start: int, end: int) -> None:
        if end <= self._position:
            return
        start = max(start, self._position)
        self._take(start)
        self._pieces.append(f"\x00{len(self._hidden)}\x00")
        self._hidden.append(self._raw[start:end].decode())
        self._position = end

    def see(self, end: int) -> None:
        self._seen = max(self._seen, end)

    def open_link(self, start: int) -> None:
        if start < self._position:
            return
        self._take(start)
        if not self._depth:
            self._pieces.append(LINK)
        self._depth += 1
        self._seen = start + 1

    def close_link(self, end: int) -> None:
        if end <= self._position or not self._depth:
            return
        self.hide(min(self._seen, end), end)
        self._depth -= 1
        if not self._depth:
            self._pieces.append(LINK_END)

    def masked(self, *, hides_definitions: bool) -> Masked:
        self._take(len(self._raw))
        text = "".join(self._pieces)
        if hides_definitions and "]:" in text:
            text = _DEFINITION.sub(self._hide_definition, text)
        return Masked(text, tuple(self._hidden))

    def _take(self, end: int) -> None:
        self._pieces.append(self._raw[self._position : end].decode())
        self._position = end

    def _hide_definition(self, match: re.Match[str]) -> str:
        self._hidden.append(_shown(match[0], self._hidden))
        return f"\x00{len(self._hidden) - 1}\x00"
