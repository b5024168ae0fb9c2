"""The lines of a file as an editor shows them, and the place and extent of a finding in them.

Some findings are about a text rather than a key, and reading notes no line for them: a link in the body, a
tag of a template. Here their line is looked for, because an editor wants to go there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from feedserver.articles.fields import Fields
from feedserver.articles.hiding_lines import hides_at_margin
from feedserver.articles.html_as_code import line_of_html_as_code
from feedserver.articles.nodes import FindingNotes
from feedserver.articles.rules import ReadingRules
from feedserver.articles.split_file import SplitFile
from feedserver.findings import FindingCode
from feedserver.model import Finding

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_NAMED = re.compile(r"'([^']+)'")
_TAGS = re.compile(r": (.+?)(?:, |\Z)")

# Findings about one character, about a key alone, and about a line whose place reading knows.
_OF_A_PLACE = frozenset(
    {
        FindingCode.YAML_SYNTAX,
        FindingCode.TOML_SYNTAX,
        FindingCode.JSON_SYNTAX,
        FindingCode.CONTROL_CHARACTER,
        FindingCode.YAML_ALIAS,
    }
)
_OF_A_KEY = frozenset({FindingCode.UNKNOWN_KEY, FindingCode.DUPLICATE_KEY})
_IN_FIRST_LINE = frozenset({FindingCode.FRONT_MATTER_UNCLOSED, FindingCode.NOT_A_MAPPING})
_KEY = re.compile(r"""["']?[^\s:="',\[\]{}]++["']?""")


class Extent(NamedTuple):
    """The place of a finding: line and columns are counted from 1, and `end` is exclusive.

    `is_known` is false for a finding about a file as a whole.
    """

    line: int
    begin: int
    end: int
    is_known: bool


def lines_of(raw: bytes) -> Sequence[str]:
    """The lines of a file; bytes that are not UTF-8 are replaced."""
    return _LINE_BREAK.split(raw.decode("utf-8", "replace").removeprefix("\ufeff"))


def extent_of(
    finding: Finding, lines: Sequence[str], document: SplitFile | None, rules: ReadingRules
) -> Extent:
    """The place of a finding in a file; `document` is None if the file has no front matter."""
    number = finding.line
    if (number, finding.column) == (1, 1) and finding.code not in (_OF_A_PLACE | _OF_A_KEY | _IN_FIRST_LINE):
        number = _line_of_text(finding, lines, document, rules)
    if not 1 <= number <= len(lines):
        return Extent(finding.line, finding.column, finding.column + 1, is_known=False)
    return Extent(number, *_columns(finding, lines[number - 1]), is_known=True)


def _columns(finding: Finding, line: str) -> tuple[int, int]:
    begin = finding.column
    if begin == 1:  # columns in JSON and TOML are not known
        begin += len(line) - len(line.lstrip())
    text = line.rstrip()
    if finding.code in _OF_A_PLACE or begin > len(text):
        return finding.column, finding.column + 1
    if finding.code in _OF_A_KEY and (key := _KEY.match(line, begin - 1)):
        return begin, key.end() + 1
    return begin, len(text) + 1


def _line_of_text(
    finding: Finding, lines: Sequence[str], document: SplitFile | None, rules: ReadingRules
) -> int:
    """The line that a finding without a place is about; 0 if it is about the file as a whole."""
    if finding.code is FindingCode.BROKEN_LINK and (link := _NAMED.search(finding.message)):
        return _line_with(link[1], lines)
    if finding.code is FindingCode.TEMPLATE_TAG and (tag := _TAGS.search(finding.message)):
        return _line_with(tag[1], lines)
    if finding.code is FindingCode.HTML_AS_CODE and document is not None:
        found = line_of_html_as_code(document.body)
        return len(lines) - (document.body.count("\n") + 1) + found if found else 0
    if finding.code is FindingCode.NO_URL and document is not None:
        fields = Fields(document.fields, rules, FindingNotes())
        return next((entry.line for entry in fields.candidates("url")), 0)
    if finding.code is FindingCode.HIDDEN_BY_LINE:
        return next((n for n, line in enumerate(lines, 1) if hides_at_margin(line, rules.hidden_if)), 0)
    return 1 if _names_key(finding, lines) else 0


def _names_key(finding: Finding, lines: Sequence[str]) -> bool:
    """Whether a finding in the first line is about a key there, as in a data file."""
    word = finding.message.split(maxsplit=1)[0]
    return bool(lines) and lines[0].lstrip("{ \t\"'").startswith(word)


def _line_with(text: str, lines: Sequence[str]) -> int:
    return next((number for number, line in enumerate(lines, 1) if text in line), 0)


def one_line(text: str) -> str:
    """Text in one line, without control characters that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
