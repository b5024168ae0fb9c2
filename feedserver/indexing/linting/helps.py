"""Says how to mend what a finding reports: with the line as it should be, where that can be told.

Otherwise it is the remedy of the kind of finding. Knows the messages of `articles.yaml_errors`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from feedserver.articles import yaml_errors
from feedserver.findings import FINDINGS, FindingCode
from feedserver.indexing.linting.suggestions import quoted_line, spaced_line, wholly_quoted_line
from feedserver.model import Finding

_MEANT = re.compile(r"is '([^']+)' meant\?")
_KEY_LINE = re.compile(r"""["']?[\w.-]+["']?\s*[:=]|\s+\S|- |#""")
_COMMA = re.compile(r",\s*\Z")
_DATES = (
    "Write 2025-03-04, 2025-03-04 07:30, 2025-03-04T07:30:00Z, March 4, 2025 or 4 Mar 2025; a time without a "
    "zone is in site.time_zone."
)
_NO_URL = (
    "Add link: https://…, or set articles[].base_url and articles[].url, such as /{section}/{slug}/, in the "
    "settings."
)
_RELATIVE_URL = (
    "The address is relative: set articles[].base_url in the settings, such as https://example.org."
)

# The remedies of YAML errors, by a part of the reason: a function that rewrites the line, or a sentence.
_OF_YAML: Final[Mapping[str, Callable[[str], str | None] | str]] = {
    yaml_errors.TAB: "Write blanks in place of the tab.",
    yaml_errors.COLON_IN_VALUE: quoted_line,
    "cannot begin with": quoted_line,
    "text follows the quote": wholly_quoted_line,
    "a value that begins with": wholly_quoted_line,
    "a text after": wholly_quoted_line,
    "a text that begins with -": wholly_quoted_line,
    "a backslash begins an escape": wholly_quoted_line,
    yaml_errors.MISSING_BLANK: spaced_line,
    yaml_errors.NO_BREAK_SPACE: spaced_line,
    yaml_errors.TOO_DEEP: "Begin it where the keys before it begin.",
    yaml_errors.CONFLICT: "Keep one of the versions, and remove the lines with the marks.",
    yaml_errors.NO_COLON: "Write key: value, or indent the line if it belongs to the value before it.",
    yaml_errors.ITEM: "Write the item below the key of its list, or remove it.",
    "never closed": "Close it in the same line, or remove it.",
}
_MENDED = (yaml_errors.TAB, yaml_errors.COLON_IN_VALUE, "cannot begin with")


def help_on(finding: Finding, lines: Sequence[str], number: int) -> str:
    """How to mend it, in a sentence or two.

    Args:
        finding: the finding.
        lines: those of the file.
        number: of the line of the finding, from 1; 0 if it is about the file as a whole.
    """
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    return _of_code(finding, lines, line, number) or FINDINGS[finding.code].remedy.replace("`", "")


def _of_code(finding: Finding, lines: Sequence[str], line: str, number: int) -> str:
    if finding.code is FindingCode.BAD_DATE:
        return _DATES
    if finding.code is FindingCode.NO_URL:
        return _RELATIVE_URL if line else _NO_URL
    if finding.code is FindingCode.UNKNOWN_KEY and (meant := _MEANT.search(finding.message)):
        return f"Write {meant[1]}; if the key is right as it is, use --ignore unknown-key."
    if finding.code is FindingCode.UNUSABLE_PART and "name" in finding.message:
        return "Write a name."
    if finding.code is FindingCode.FRONT_MATTER_UNCLOSED:
        return _where_to_close(lines)
    return _of_line(finding, lines, line, number)


def _of_line(finding: Finding, lines: Sequence[str], line: str, number: int) -> str:
    if finding.code is FindingCode.YAML_SYNTAX:
        return _of_yaml(finding.message, line)
    if finding.code is FindingCode.DROPPED_VALUE and "#" in finding.message:
        return _written(wholly_quoted_line(line))
    before = "\n".join(lines[max(0, number - 3) : number - 1])
    if finding.code is FindingCode.JSON_SYNTAX and _COMMA.search(before):
        return "Remove the comma before this place."
    return ""


def _where_to_close(lines: Sequence[str]) -> str:
    fence = lines[0].strip() if lines else "---"
    last = 1
    for number, line in enumerate(lines[1:], 2):
        if not _KEY_LINE.match(line):
            break
        last = number
    return f"Add a line {fence} after line {last}, where the keys seem to end."


def _of_yaml(message: str, line: str) -> str:
    for part, way in _OF_YAML.items():
        if part in message:
            text = way if isinstance(way, str) else _written(way(line))
            return text + (" (--fix does it)" if text and part in _MENDED else "")
    return ""


def _written(line: str | None) -> str:
    return f"Write: {line.strip()}" if line else ""
