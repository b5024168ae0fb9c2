"""The tree that YAML, TOML and JSON are read into: text with positions, not yet typed values.

A scalar keeps the text that the author wrote, so that `title: 2020-01-01` and `title: yes` are titles;
whether a text is a number, a date or a truth value is decided by the field that wants one. A mapping keeps
every occurrence of a repeated key, because any of them may hide the article (promise 6).
"""

from __future__ import annotations

import msgspec

from feedserver.articles.text import quoted
from feedserver.model import Finding, Severity

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Scalar(msgspec.Struct, frozen=True, gc=False):
    """A single value; `plain` if it was not quoted, `line` and `column` 1-based."""

    text: str
    plain: bool
    line: int
    column: int

    @property
    def is_empty(self) -> bool:
        """Whether it is null or holds white space only."""
        return (self.plain and self.text in _NULLS) or not self.text.strip()


class Sequence(msgspec.Struct, frozen=True):
    """A list."""

    items: tuple[Node, ...]
    line: int
    column: int

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing."""
        return not self.items


class Mapping(msgspec.Struct, frozen=True):
    """Keys and values in the order of the file, repeated keys included."""

    entries: tuple[Entry, ...]
    line: int
    column: int

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing."""
        return not self.entries


class Entry(msgspec.Struct, frozen=True):
    """One key and its value; the position is the key's."""

    key: str
    value: Node
    line: int
    column: int


Node = Scalar | Sequence | Mapping

_KINDS = {Scalar: "a single value", Sequence: "a list", Mapping: "a mapping"}


def kind_of(node: Node) -> str:
    """What a node is, for messages."""
    return _KINDS[type(node)]


class Notes:
    """The findings about one file, in the order in which they were made.

    Only `reading` and the steps that it hands this to may add to it, during the reading of that one file.
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def error(self, code: str, message: str, line: int = 1, column: int = 1) -> None:
        """Note what costs the article."""
        self.add(Severity.ERROR, code, message, line, column)

    def warning(self, code: str, message: str, line: int = 1, column: int = 1) -> None:
        """Note what costs a part of the article, or nothing."""
        self.add(Severity.WARNING, code, message, line, column)

    def duplicate(self, key: str, first_line: int, line: int, column: int = 1) -> None:
        """Note a repeated key."""
        message = f"the key {quoted(key)} of line {first_line} is repeated in line {line}"
        self.error("duplicate-key", message, line, column)

    def add(self, severity: Severity, code: str, message: str, line: int = 1, column: int = 1) -> None:
        """Note a finding; `line` and `column` are 1-based."""
        self.findings.append(Finding(severity=severity, code=code, message=message, line=line, column=column))

    @property
    def has_errors(self) -> bool:
        """Whether anything noted costs the article."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)
