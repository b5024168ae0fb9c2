"""Parses the simple YAML of most front matter to nodes: each line is a key, an item, or blank.

It takes less than half the time of libyaml (40 µs against 105 for a generated article, measured). It knows
block mappings and sequences, and scalars on one line, plain or quoted. It refuses any other text, and any
text with an error, so that errors and their positions come from libyaml alone. `parse_plain_yaml` is the only
way in: any exception there leaves the text to libyaml. An accepted text means the same to libyaml, positions
included; property tests and `tests/fuzz_yaml.py` compare the two.
"""

from __future__ import annotations

import logging
import re

import msgspec

from feedserver.articles.nodes import MAX_VALUES, KeyValue, Mapping, Node, Scalar, Sequence

log = logging.getLogger(__name__)

# Nested collections in the top mapping. Deeper texts are left to libyaml's reader, which has the limit.
_MAX_DEPTH = 10

# The groups of a row are its indentation, `- `, key, the blanks after the colon, and the scalar. Possessive,
# so that each character is matched once. A plain scalar begins with no indicator (YAML 1.1 section 5.3) and
# contains neither `: ` nor ` #`; the escapes are those that JSON has as well.
_ROW = re.compile(
    r"""^(\ *+)(?:\#[^\n]*+
    |(-\ )?(?:([A-Za-z_][A-Za-z0-9_-]{0,99}+):(\ ++(?=\S)|\ *+$))?
    ("(?:[^"\\\n]++|\\["\\nrt])*+"
    |'[^'\n]*+'
    |[A-Za-z0-9/(+.<_\u00a1-\U0010ffff](?:[^\n\t:\#\ ]++|:(?![\ \n]|\Z)|\#|\ ++(?![\#\n]|\Z))*+)?
    )$""",
    re.MULTILINE | re.VERBOSE,
)
_Row = tuple[str, str, str, str, str]
_UNESCAPED = msgspec.json.Decoder(str)


def parse_plain_yaml(text: str, first_line: int) -> Mapping | None:
    """The mapping of a text; None if the text is left to libyaml.

    `first_line` is the line of the file at which the text begins. Lines end with LF. No key is repeated.
    """
    try:
        return read_plain_yaml(text, first_line)
    except NotPlainError:
        return None
    except Exception:  # a defect of this module costs time, never the article (promise 5)
        log.exception("front matter is left to libyaml")
        return None


def read_plain_yaml(text: str, first_line: int) -> Mapping:
    """The mapping of a text.

    Raises:
        NotPlainError: the text is not as simple as this module requires.
    """
    text = text.removesuffix("\n")
    if text.count("\n") > MAX_VALUES:  # libyaml's reader refuses it
        raise NotPlainError
    rows: list[_Row] = _ROW.findall(text)
    if len(rows) != text.count("\n") + 1:
        raise NotPlainError
    return _Rows(rows, first_line).document()


class NotPlainError(Exception):
    """The text must be read by libyaml."""


# Added after the last row: it belongs to no collection, and is not blank.
_END: _Row = ("", "end", "end", "", "")


class _Rows:
    """The rows of one text, and the current one, `_at`, which is never blank."""

    def __init__(self, rows: list[_Row], first_line: int) -> None:
        self._rows = [*rows, _END]
        self._first_line = first_line
        self._at = -1
        self._go_on()

    def document(self) -> Mapping:
        first = self._rows[self._at]
        if first[0] or first[1]:
            raise NotPlainError  # indented as a whole, a list, or nothing
        node = self._mapping(0, 0)
        if self._rows[self._at] is not _END:
            raise NotPlainError
        return node

    def _go_on(self) -> _Row:
        """Go to the next row that is not blank."""
        while True:
            self._at += 1
            row = self._rows[self._at]
            if row[2] or row[4]:
                return row
            if row[1]:
                raise NotPlainError  # an item that is empty, or a list in a list

    def _mapping(self, indentation: int, depth: int) -> Mapping:
        """The mapping whose keys have an indentation; the first key may have `- ` before it."""
        first_line, column, start = self._first_line, indentation + 1, self._at
        _, _, key, gap, text = self._rows[start]
        entries: dict[str, KeyValue] = {}
        while True:
            if not key or key in entries:
                raise NotPlainError
            line, after = self._at + first_line, column + len(key) + 1
            row = self._go_on()
            value: Node
            if text:
                value = _scalar(text, line, after + len(gap))
            else:
                value = self._nested(row, indentation, depth) or Scalar("", True, line, after)
                row = self._rows[self._at]
            entries[key] = KeyValue(key, value, line, column)
            spaces, dash, key, gap, text = row
            if len(spaces) != indentation or dash:
                self._leave(row, indentation)
                return Mapping(tuple(entries.values()), start + first_line, column)

    def _sequence(self, indentation: int, depth: int) -> Sequence:
        """The sequence whose `- ` have an indentation."""
        first_line, column, start = self._first_line, indentation + 1, self._at
        items: list[Node] = []
        row = self._rows[start]
        while True:
            if row[2]:
                items.append(self._mapping(indentation + 2, depth + 1))
                row = self._rows[self._at]
            else:
                items.append(_scalar(row[4], self._at + first_line, column + 2))
                row = self._go_on()
            if len(row[0]) != indentation or row[1] != "- ":
                self._leave(row, indentation)
                return Sequence(tuple(items), start + first_line, column)

    def _nested(self, row: _Row, outer: int, depth: int) -> Node | None:
        """The value below its key, which begins at this row; None if there is none."""
        spaces, dash, _, _, _ = row
        indentation = len(spaces)
        if indentation < outer or (indentation == outer and dash != "- "):
            return None
        if depth >= _MAX_DEPTH:  # a list of mappings is two collections
            raise NotPlainError
        return self._sequence(indentation, depth + 1) if dash else self._mapping(indentation, depth + 1)

    @staticmethod
    def _leave(row: _Row, indentation: int) -> None:
        """Check the row after a collection: it must belong to an outer one."""
        if len(row[0]) > indentation:
            raise NotPlainError  # a scalar of several lines, or wrong indentation


def _scalar(text: str, line: int, column: int) -> Scalar:
    if text[0] not in "\"'":
        return Scalar(text, True, line, column)
    if text[0] == '"' and "\\" in text:
        # JSON requires a tab to be escaped, YAML does not. The pattern allows no backslash before one.
        return Scalar(_UNESCAPED.decode(text.replace("\t", "\\t").encode()), False, line, column)
    return Scalar(text[1:-1], False, line, column)
