"""Writes a faulty line of front matter as it was probably meant: for repairs, and for messages."""

from __future__ import annotations

import re

_KEY_AND_VALUE = re.compile(
    r"""([ ]*+(?:-[ ]++)?+["']?[\w.-]++["']?[ ]*+:[ ]++|[ ]*+-[ ]++)(\S.*?)([ \t]*+)"""
)
_TIGHT = re.compile(r"([ ]*+[\w-]++:)[\u00a0]*+(\S.*+)")
_INDENT = re.compile(r"[ ]*\t[ \t]*")


def is_indented_by_tab(line: str) -> bool:
    """Whether there is a tab before the text of a line."""
    return _INDENT.match(line) is not None


def without_tabs(line: str) -> str | None:
    """A line whose indentation has two blanks for each tab."""
    return _INDENT.sub(lambda indent: indent[0].replace("\t", "  "), line, count=1)


def quoted_line(line: str) -> str | None:
    """A line whose value is in quotes; None if it is not clear where the value ends."""
    match = _KEY_AND_VALUE.fullmatch(line)
    if match is None or " #" in match[2] or match[2][0] in "\"'|>&!":
        return None
    return f"{match[1]}{quoted(match[2])}{match[3]}"


def wholly_quoted_line(line: str) -> str | None:
    """A line all of whose value is text, quotes and comments in it included; None if it has no value."""
    match = _KEY_AND_VALUE.fullmatch(line)
    if match is None:
        return None
    value = match[2]
    if len(value) > 2 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return f"{match[1]}{quoted(value)}"


def spaced_line(line: str) -> str | None:
    """A line with a blank after the colon of its key; None if it has no key."""
    match = _TIGHT.match(line)
    return None if match is None else f"{match[1]} {match[2]}"


def quoted(value: str) -> str:
    """A text in the quotes of YAML that leave it as it is."""
    if '"' in value or "\\" in value:
        return "'{}'".format(value.replace("'", "''"))
    return f'"{value}"'
