"""Mends faults in the bytes of a file that have one safe remedy.

These are: a value that needs quotes, tabs that indent, a byte order mark, and line ends if they are asked
for. A repair is kept only if the fault is gone and nothing else reads differently: an article that could be
read before is the same article after. Reads and writes no files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import PurePosixPath
from typing import NamedTuple

from feedserver.articles.reading import read_article
from feedserver.articles.rules import ReadingRules
from feedserver.articles.yaml_errors import COLON_IN_VALUE, TAB
from feedserver.findings import FindingCode
from feedserver.indexing.linting.suggestions import is_indented_by_tab, quoted_line, without_tabs
from feedserver.model import Finding, Reading, Verdict

# Faults of one file that are mended; each takes a reading of it.
_MOST_FAULTS = 50

# The codes of findings that may be mended.
REPAIRABLE = frozenset({FindingCode.YAML_SYNTAX, FindingCode.BYTE_ORDER_MARK})

_BREAKS = re.compile(r"\r\n|\r")


class FileToMend(NamedTuple):
    """The circumstances of a file: its path below the root, its modification time, and the rules."""

    path: PurePosixPath
    mtime: datetime
    rules: ReadingRules

    def read(self, raw: bytes) -> Reading:
        """The reading of these bytes."""
        return read_article(raw, self.path, self.mtime, self.rules)


class Repair(NamedTuple):
    """The mended bytes.

    `is_dated_by_file`: the article has no other date than the modification time, which writing it changes.
    """

    raw: bytes
    is_dated_by_file: bool = False


def repair(
    raw: bytes, source: FileToMend, codes: Collection[FindingCode], *, line_ends: bool
) -> Repair | None:
    """The file without the faults that can be mended safely; None if there are none.

    Args:
        raw: its bytes.
        source: its circumstances.
        codes: the findings to mend; others are left alone.
        line_ends: write CRLF and CR as LF, too.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    before = source.read(raw)
    if FindingCode.BYTE_ORDER_MARK in codes:
        text = text.removeprefix("\ufeff")
    if line_ends:
        text = _BREAKS.sub("\n", text)
    if FindingCode.YAML_SYNTAX in codes and "\r" not in text.replace("\r\n", ""):
        text = _with_valid_yaml(text, source)
    mended = text.encode("utf-8")
    if mended == raw:
        return None
    after = source.read(mended)
    if before.verdict is not Verdict.BROKEN and _content(before) != _content(after):
        return None
    return Repair(mended, before.date_is_provisional or after.date_is_provisional)


def _content(reading: Reading) -> tuple[object, ...]:
    return reading.verdict, reading.article, reading.taxonomy, reading.visible_from, reading.visible_until


def _with_valid_yaml(text: str, source: FileToMend) -> str:
    """The text without the faults of YAML that can be mended, from the first one on."""
    for _ in range(_MOST_FAULTS):
        fault = _fault(text, source)
        if fault is None:
            break
        edited = _edited(text, fault)
        following = None if edited is None else _fault(edited, source)
        if edited is None or (following is not None and following.line <= fault.line):
            break
        text = edited
    return text


def _fault(text: str, source: FileToMend) -> Finding | None:
    findings = source.read(text.encode("utf-8")).findings
    return next((one for one in findings if one.code is FindingCode.YAML_SYNTAX), None)


def _edited(text: str, fault: Finding) -> str | None:
    """The text after the repair of one fault; None if it is not one of those that can be mended."""
    lines = text.split("\n")
    first, edit = fault.line - 1, _edit_for(fault)
    if edit is None or first >= len(lines):
        return None
    last = first + 1
    # Lines with tabs that follow would continue a value once the first one is mended.
    while fault.message.endswith(TAB) and last < len(lines) and is_indented_by_tab(lines[last]):
        last += 1
    for index in range(first, last):
        line = lines[index].removesuffix("\r")
        edited = edit(line)
        if edited is None:
            return None
        lines[index] = edited + lines[index][len(line) :]
    return "\n".join(lines)


def _edit_for(fault: Finding) -> Callable[[str], str | None] | None:
    if fault.message.endswith(TAB):
        return without_tabs
    if fault.message.endswith(COLON_IN_VALUE) or "cannot begin with" in fault.message:
        return quoted_line
    return None
