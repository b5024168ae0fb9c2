"""Parses TOML and JSON to nodes, with the parsers of the standard library.

Neither parser gives the positions of keys. So the line of a key of the top level is found afterwards, as the
line that begins with it; deeper values get the line of their key. Serves promise 5: the work for a text is in
proportion to its length, and texts that would take the parsers longer are refused before.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from datetime import date, datetime, time
from typing import Any

from feedserver.articles.nodes import (
    MAX_VALUES,
    FindingNotes,
    KeyValue,
    Mapping,
    Node,
    Scalar,
    Sequence,
    too_many_values,
)
from feedserver.errors import FrontMatterError
from feedserver.findings import FindingCode

_TOML_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")
_MAX_DEPTH = 20

# tomllib takes up to 3.3 µs for a character (lists of numbers, measured).
_MAX_TOML = 131_072

# tomllib's time and memory grow with the square of the number of parts of a dotted key: 64 kB of `a.a.a…`
# took 19 s and 4.1 GB. Strings come first, so that no text in them is taken for a key; each match ends where
# the next one begins. A string that is not closed ends with its line or the text, so that it is read once.
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]++|\\.)*+"?|'[^'\n]*+'?)"""
_NEXT_PART = rf"(?:[ \t]*+\.[ \t]*+{_PART})"
_TOML_KEYS = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+(?:"""|\Z)'
    r"|'''(?:[^']++|'(?!''))*+(?:'''|\Z)"
    rf"|(?P<deep>{_PART}{_NEXT_PART}{{{_MAX_DEPTH},}}+)"
    rf"|{_PART}{_NEXT_PART}*+|#[^\n]*+",
    re.DOTALL,
)

# A line that begins with a key: its indentation, the key as written, and the separator before its value.
_KEY_LINE = re.compile(
    r"""^([ \t]*+)(?:"((?:[^"\\\n]|\\[^\n])*+)"|'([^'\n]*+)'|([A-Za-z0-9_-]++))[ \t]*+([:=])""", re.MULTILINE
)


class _Number(str):
    """The text of a JSON number or constant, as a type of its own, distinct from strings."""

    __slots__ = ()


def parse_json(text: str, notes: FindingNotes) -> Node:
    """The value of a JSON text; repeated keys are kept.

    Raises:
        FrontMatterError: the text is not JSON, is nested too deeply, or has too many values.
    """
    made = _Made()
    try:
        value = json.loads(
            text,
            object_pairs_hook=made.pairs,
            parse_int=made.number,
            parse_float=made.number,
            parse_constant=made.number,
        )
    except json.JSONDecodeError as error:
        raise FrontMatterError(
            FindingCode.JSON_SYNTAX, f"not valid JSON: {error.msg}", error.lineno, error.colno
        ) from error
    except RecursionError as error:
        raise FrontMatterError(FindingCode.TOO_DEEP, "nested too deeply") from error
    return _Converter(text, ":", 1, notes).node(value, 1)


def parse_toml(text: str, first_line: int, notes: FindingNotes) -> tuple[Node, bool]:
    """The table of a TOML text, and whether it could be read. Problems are noted.

    tomllib stops at the first problem, such as a repeated key, and then returns nothing.
    """
    try:
        _refuse_costly_toml(text, first_line)
        table = tomllib.loads(text, parse_float=_Number)
        return _Converter(text, "=", first_line, notes).node(table, first_line), True
    except FrontMatterError as error:
        notes.add(error.code, error.reason, error.line, error.column)
    except (ValueError, RecursionError) as error:
        match = _TOML_PLACE.search(str(error))
        line, column = (int(match[1]), int(match[2])) if match else (text.count("\n") or 1, 1)
        notes.add(FindingCode.TOML_SYNTAX, _reason(error), first_line + line - 1, column)
    return Mapping((), first_line, 1), False


def _refuse_costly_toml(text: str, first_line: int) -> None:
    if len(text) > _MAX_TOML:
        message = f"TOML front matter is longer ({len(text):,} characters) than {_MAX_TOML:,}"
        raise FrontMatterError(FindingCode.FRONT_MATTER_TOO_LONG, message, first_line)
    if text.count(".") < _MAX_DEPTH:
        return
    for match in _TOML_KEYS.finditer(text):
        if match["deep"]:
            line = text.count("\n", 0, match.start()) + first_line
            raise FrontMatterError(FindingCode.TOO_DEEP, f"a key has more than {_MAX_DEPTH} parts", line)


def _reason(error: Exception) -> str:
    # Only those messages of tomllib that quote nothing of the file.
    reason = str(error).partition(" (at ")[0]
    return f"not valid TOML: {reason}" if re.fullmatch("[A-Za-z ]{1,60}", reason) else "not valid TOML"


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of a JSON object, repeated ones included."""


class _Made:
    """The hooks of the JSON parser: they make its values, and raise an error at too many."""

    def __init__(self) -> None:
        self._count = 0

    def number(self, text: str) -> _Number:
        """The text of a number or constant."""
        self._count_one()
        return _Number(text)

    def pairs(self, pairs: list[tuple[str, Any]]) -> _Pairs:
        """The keys and values of an object."""
        self._count_one()
        return _Pairs(pairs)

    def _count_one(self) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            raise too_many_values()


class _Converter:
    """Converts parsed values to nodes, and finds the lines of the keys of the top level."""

    def __init__(self, text: str, separator: str, first_line: int, notes: FindingNotes) -> None:
        self._lines = _lines_of_keys(text, separator, first_line)
        self._notes = notes
        self._count = 0

    def node(self, value: Any, line: int, depth: int = 0) -> Node:
        self._count += 1
        if self._count > MAX_VALUES:
            raise too_many_values(line)
        if depth > _MAX_DEPTH:
            raise FrontMatterError(FindingCode.TOO_DEEP, f"nested deeper than {_MAX_DEPTH} levels", line)
        if isinstance(value, _Pairs):
            return Mapping(self._entries(value, line, depth), line, 1)
        if isinstance(value, dict):
            return Mapping(self._entries(_Pairs(value.items()), line, depth), line, 1)
        if isinstance(value, list):
            return Sequence(tuple(self.node(item, line, depth + 1) for item in value), line, 1)
        return Scalar(_text(value), not isinstance(value, str) or isinstance(value, _Number), line, 1)

    def _entries(self, pairs: _Pairs, line: int, depth: int) -> tuple[KeyValue, ...]:
        entries: list[KeyValue] = []
        seen: Counter[str] = Counter()
        for key, value in pairs:
            lines = self._lines.get(key) if depth == 0 else None
            place = lines[min(seen[key], len(lines) - 1)] if lines else line
            seen[key] += 1
            entries.append(KeyValue(key, self.node(value, place, depth + 1), place, 1))
        return tuple(entries)


def _lines_of_keys(text: str, separator: str, first_line: int) -> dict[str, list[int]]:
    """The lines that begin with a key, by key: for each key, its least indented lines."""
    found: dict[str, tuple[int, list[int]]] = {}
    line, end = first_line, 0
    for match in _KEY_LINE.finditer(text):
        line, end = line + text.count("\n", end, match.start()), match.start()
        indentation, double, single, bare, parting = match.groups()
        if parting != separator:
            continue
        key, width = double or single or bare or "", len(indentation)
        least, lines = found.setdefault(key, (width, []))
        if width < least:
            found[key] = (width, [line])
        elif width == least:
            lines.append(line)
    return {key: lines for key, (_, lines) in found.items()}


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return str(value)
