"""TOML and JSON text to nodes, through the standard library's parsers.

Neither parser tells where a key stands, so the line of a key of the top level is found afterwards, as
the line that begins with it; the rest stands at the line of its key.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from datetime import date, datetime, time
from typing import Any

from feedserver.articles.nodes import Entry, Mapping, Node, Notes, Scalar, Sequence
from feedserver.errors import FrontMatterError

_TOML_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")
_MAX_DEPTH = 20


class _Number(str):
    """The text of a JSON number or constant, to tell it from a string."""

    __slots__ = ()


def parse_json(text: str, notes: Notes) -> Node:
    """The value of a JSON text; repeated keys are kept and noted.

    Raises:
        FrontMatterError: it is not JSON.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_Pairs,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
        )
    except json.JSONDecodeError as error:
        raise FrontMatterError(
            "json-syntax", f"not valid JSON: {error.msg}", error.lineno, error.colno
        ) from error
    except RecursionError as error:
        raise FrontMatterError("too-deep", "nested too deeply") from error
    return _Converter(text, ":", 1, notes).node(value, 1)


def parse_toml(text: str, first_line: int, notes: Notes) -> tuple[Node, bool]:
    """The table of a TOML text, and whether it could be read whole.

    tomllib stops at the first problem, a repeated key for instance. The lines before the first table are
    then read one by one, so that a key that hides the article is still seen (promise 6).

    Raises:
        FrontMatterError: it is nested too deeply.
    """
    try:
        table = tomllib.loads(text, parse_float=_Number)
        return _Converter(text, "=", first_line, notes).node(table, first_line), True
    except (ValueError, RecursionError) as error:
        match = _TOML_PLACE.search(str(error))
        line, column = (int(match[1]), int(match[2])) if match else (text.count("\n") or 1, 1)
        notes.error("toml-syntax", _reason(error), first_line + line - 1, column)
    entries: list[Entry] = []
    for number, line_text in enumerate(text.split("\n"), first_line):
        if line_text.lstrip().startswith("["):
            break
        entries += _entries_of_line(line_text, number)
    return Mapping(tuple(entries), first_line, 1), False


def _entries_of_line(text: str, number: int) -> tuple[Entry, ...]:
    try:
        node = _Converter(text, "=", number, Notes()).node(tomllib.loads(text), number)
    except (ValueError, RecursionError, FrontMatterError):
        return ()  # part of the problem that was noted for the whole text
    return node.entries if isinstance(node, Mapping) else ()


def _reason(error: Exception) -> str:
    # Of tomllib's messages only those that quote nothing of the file.
    reason = str(error).partition(" (at ")[0]
    return f"not valid TOML: {reason}" if re.fullmatch("[A-Za-z ]{1,60}", reason) else "not valid TOML"


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of a JSON object, repeated ones included."""


class _Converter:
    """Parsed values to nodes; finds the lines of the keys of the top level."""

    def __init__(self, text: str, separator: str, first_line: int, notes: Notes) -> None:
        self._text = text
        self._separator = separator
        self._first_line = first_line
        self._notes = notes

    def node(self, value: Any, line: int, depth: int = 0) -> Node:
        if depth > _MAX_DEPTH:
            raise FrontMatterError("too-deep", f"nested deeper than {_MAX_DEPTH} levels", line)
        if isinstance(value, _Pairs):
            return Mapping(self._entries(value, line, depth), line, 1)
        if isinstance(value, dict):
            return Mapping(self._entries(_Pairs(value.items()), line, depth), line, 1)
        if isinstance(value, list):
            return Sequence(tuple(self.node(item, line, depth + 1) for item in value), line, 1)
        return Scalar(_text(value), not isinstance(value, str) or isinstance(value, _Number), line, 1)

    def _entries(self, pairs: _Pairs, line: int, depth: int) -> tuple[Entry, ...]:
        entries: list[Entry] = []
        seen: Counter[str] = Counter()
        for key, value in pairs:
            lines = self._lines(key) if depth == 0 else []
            place = lines[min(seen[key], len(lines) - 1)] if lines else line
            if seen[key] == 1:
                self._notes.duplicate(key, lines[0] if lines else line, place)
            seen[key] += 1
            entries.append(Entry(key, self.node(value, place, depth + 1), place, 1))
        return tuple(entries)

    def _lines(self, key: str) -> list[int]:
        """The lines that begin with a key, of those the least indented; empty if there is none."""
        pattern = rf'^([ \t]*)["\']?{re.escape(key)}["\']?[ \t]*{self._separator}'
        found = list(re.finditer(pattern, self._text, re.MULTILINE))
        least = min((len(match[1]) for match in found), default=0)
        return [
            self._text.count("\n", 0, match.start()) + self._first_line
            for match in found
            if len(match[1]) == least
        ]


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return str(value)
