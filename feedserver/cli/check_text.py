"""Reports for people: grouped by file, with the line and a caret; and one line for each finding."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby

import click

from feedserver.findings import Severity
from feedserver.indexing.linting.diagnostics import Diagnostic
from feedserver.indexing.linting.source_lines import one_line

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_WIDTH = 100  # columns of a line of the file that are shown
_BEFORE = 60  # of them before the place, if the line is longer
_ELLIPSIS = "…"


def as_text(diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    """The lines of a report, grouped by file; with colours, which `click.echo` removes where they disturb."""
    for number, (path, of_file) in enumerate(groupby(diagnostics, key=lambda one: one.path)):
        if number:
            yield ""
        yield click.style(one_line(path), bold=True)
        for one in of_file:
            yield from _of_one(one)


def as_compact(one: Diagnostic) -> str:
    """`path:line:column: severity code message`, as compilers write it."""
    place = f"{one_line(one.path)}:{one.extent.line}:{one.extent.begin}"
    return f"{place}: {one.severity.value} {one.code} {one_line(one.message)}"


def _of_one(one: Diagnostic) -> Iterator[str]:
    severity = click.style(one.severity.value, fg=_COLORS[one.severity], bold=True)
    place = f"{one.extent.line}:{one.extent.begin}"
    yield f"  {place} {severity} {one.code}: {one_line(one.message)}"
    margin = " " * len(str(one.extent.line))
    bar = click.style("|", fg="blue")
    if one.extent.is_known:
        source, caret = excerpt(one.source, one.extent.begin, one.extent.end)
        yield f"    {one.extent.line} {bar} {source}"
        yield f"    {margin} {bar} {click.style(caret, fg=_COLORS[one.severity], bold=True)}"
    if one.severity is not Severity.INFO:
        yield f"    {margin} = {one_line(one.help)}"


def excerpt(line: str, begin: int, end: int) -> tuple[str, str]:
    """The part of a line around its columns `begin` to `end`, and the line of carets below it."""
    first = max(0, begin - 1 - _BEFORE) if len(line) > _WIDTH else 0
    last = first + _WIDTH
    head, tail = _ELLIPSIS if first else "", _ELLIPSIS if len(line) > last else ""
    before = _shown(line[first : begin - 1])
    marked = _shown(line[begin - 1 : min(end - 1, last)])
    after = _shown(line[end - 1 : last])
    caret = " " * (len(head) + _columns(before)) + "^" * max(1, _columns(marked))
    return f"{head}{before}{marked}{after}{tail}".rstrip(), caret


def _shown(text: str) -> str:
    """A text with a tab as one arrow, which editors show too, and without other control characters."""
    return one_line(text.replace("\t", "→"))


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
        for char in text
    )
