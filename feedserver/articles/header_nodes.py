"""Parses the header that Pelican and MkDocs read: `Key: value` lines, without quotes and without a fence.

The rules are those of Python-Markdown's extension meta_data. All values are texts. A line that is indented
by four blanks continues the value before it.
"""

from __future__ import annotations

import re

from feedserver.articles.nodes import MAX_VALUES, KeyValue, Mapping, Node, Scalar, Sequence, too_many_values

_KEY = re.compile(r" {0,3}([A-Za-z0-9_-]++):[ \t]*+")
# Pelican divides these values at semicolons, else at commas; a line more is an item more.
_LISTS = frozenset({"tags", "authors"})


def parse_header(text: str, first_line: int) -> Mapping:
    """The mapping of a header.

    `first_line` is the line of the file at which the text begins. A repeated key is kept.

    Raises:
        FrontMatterError: the header has too many lines.
    """
    lines = text.splitlines()
    if len(lines) > MAX_VALUES:
        raise too_many_values(first_line)
    found: list[tuple[str, list[Scalar]]] = []
    for line, content in enumerate(lines, first_line):
        key = _KEY.match(content)
        start = key.end() if key else len(content) - len(content.lstrip())
        value = Scalar(content[start:].rstrip(), False, line, start + 1)
        if key:
            found.append((key[1], [value]))
        elif found:
            found[-1][1].append(value)
    entries = (KeyValue(key, _value(key, values), values[0].line, 1) for key, values in found)
    return Mapping(tuple(entries), first_line, 1)


def _value(key: str, values: list[Scalar]) -> Node:
    first = values[0]
    if key.lower() not in _LISTS:
        return Scalar("\n".join(value.text for value in values), False, first.line, first.column)
    items = [item for value in values for item in value.text.split(";" if ";" in value.text else ",")]
    named = (Scalar(item.strip(), False, first.line, first.column) for item in items if item.strip())
    return Sequence(tuple(named), first.line, first.column)
