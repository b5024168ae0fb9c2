"""The tree that YAML, TOML and JSON are parsed to: texts with positions, without types.

A scalar keeps the text that the author wrote, so that `title: 2020-01-01` and `title: yes` are titles. Each
field parses its text as a number, a date or a truth value if it needs one. A mapping keeps every occurrence
of a repeated key, because any of them may hide the article (promise 6).
"""

from __future__ import annotations

import msgspec

from feedserver.articles.text import quoted
from feedserver.errors import FrontMatterError
from feedserver.findings import FINDINGS, FindingCode, Severity
from feedserver.model import Finding

# Keys, texts and collections of one file: ten times as many as any real one has, and half a second of work.
MAX_VALUES = 50_000
# Findings kept of each severity: as many as a report shows of one file.
MAX_FINDINGS = 20

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


# Without garbage collection: a node is frozen and made after its parts, so none can be part of itself.
class Scalar(msgspec.Struct, frozen=True, gc=False):
    """A single value; `plain` if it was not quoted. `line` and `column` are 1-based."""

    text: str
    plain: bool
    line: int
    column: int

    @property
    def is_empty(self) -> bool:
        """Whether it is null or holds white space only."""
        return (self.plain and self.text in _NULLS) or not self.text.strip()


class Sequence(msgspec.Struct, frozen=True, gc=False):
    """A list."""

    items: tuple[Node, ...]
    line: int
    column: int

    @property
    def is_empty(self) -> bool:
        """Whether it has no members."""
        return not self.items


class Mapping(msgspec.Struct, frozen=True, gc=False):
    """Keys and values in the order of the file, repeated keys included."""

    entries: tuple[KeyValue, ...]
    line: int
    column: int

    @property
    def is_empty(self) -> bool:
        """Whether it has no members."""
        return not self.entries


class KeyValue(msgspec.Struct, frozen=True, gc=False):
    """One key and its value; the position is the key's."""

    key: str
    value: Node
    line: int
    column: int


Node = Scalar | Sequence | Mapping

_KINDS = {Scalar: "a single value", Sequence: "a list", Mapping: "a mapping"}


def kind_of(node: Node) -> str:
    """The kind of a node, for messages."""
    return _KINDS[type(node)]


def too_many_values(line: int = 1) -> FrontMatterError:
    """The error about a file with more than `MAX_VALUES` values."""
    return FrontMatterError(
        FindingCode.TOO_MANY_VALUES, f"the front matter has more than {MAX_VALUES:,} values", line
    )


# Copied for each file: iterating over the enumeration takes 20 times as long.
_NONE = dict.fromkeys(Severity, 0)


class FindingNotes:
    """The findings about one file, in the order in which they were noted; the first ones of each severity.

    Only `reading` and the steps that it calls add to it, while that file is read.
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._counts = _NONE.copy()

    def duplicate(self, entry: KeyValue, first_line: int, *, decides: bool) -> None:
        """Note a repeated key; `decides` says that the key may hide the article."""
        message = f"the key {quoted(entry.key)} of line {first_line} is repeated in line {entry.line}"
        if not decides:
            message += "; the last one counts"
        severity = Severity.ERROR if decides else Severity.WARNING
        self.add(FindingCode.DUPLICATE_KEY, message, entry.line, entry.column, severity)

    def add(
        self,
        code: FindingCode,
        message: str,
        line: int = 1,
        column: int = 1,
        severity: Severity | None = None,
    ) -> None:
        """Note a finding; `line` and `column` are 1-based.

        `severity` is given for codes that have one for each place of use.
        """
        severity = severity or FINDINGS[code].severity
        self._counts[severity] += 1
        if self._counts[severity] <= MAX_FINDINGS:
            self.findings.append(
                Finding(severity=severity, code=code, message=message, line=line, column=column)
            )

    @property
    def has_errors(self) -> bool:
        """Whether any finding costs the article."""
        return self._counts[Severity.ERROR] > 0
