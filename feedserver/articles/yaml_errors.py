"""Explains why a text is not YAML: the fault that an editor made, at its place.

libyaml names the place at which it gives up, which is often some lines after the fault: a quote that is not
closed ends at the next quote. Each rule here knows one fault by the message of libyaml 0.2 and the text
around it; a message that none knows is passed on as it is. Called for broken files only. Quotes no values
(promise 6: a file may hold secrets).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import yaml

# Reasons that repairs know.
COLON_IN_VALUE = "the value contains a colon and a blank, so it needs quotes"
TAB = "a tab indents this line, and YAML allows blanks only"
NEEDS_QUOTES = "a text cannot begin with {} unless it is in quotes"
MISSING_BLANK = "a blank is missing after the colon"
NO_BREAK_SPACE = "a no-break space follows the colon; write a blank"
TOO_DEEP = "this line is indented deeper than the key before it"
CONFLICT = "the file holds conflict markers of a version control system"
NO_COLON = "this line has no colon, so it is no key, and it does not continue a value either"
ITEM = "an item of a list is here, where a key should be"

_NO_START = "found character that cannot start any token"

# Lines before the problem that are looked at. All 330,000 of a file of 1 MB took 0.7 s; it may take 1 s.
_MOST_LINES = 5_000

# A key, an item, or both, and the quote with which the value begins.
_OPENED = re.compile(r"""[ \t]*+(?:-[ ]++)?+(?:["']?[\w.-]++["']?[ ]*+:[ \t]++)?+(?:-[ ]++)?+(["'])""")
_BEFORE_VALUE = re.compile(r"""[ \t]*+(?:-[ ]*+)?+(?:["']?[\w.-]++["']?[ ]*+:[ \t]*+)?+""")
_REST = {'"': re.compile(r'(?:[^"\\]++|\\.)*+"'), "'": re.compile(r"(?:[^']++|'')*+'")}
_KEY = re.compile(r"""[ \t]*+(?:-[ ]++)?+["']?[\w.-]++["']?[ ]*+:(?=[ \t])[ \t]*+""")
_TIGHT_KEY = re.compile(r"[ \t]*+[\w-]++:(?=\S)")
_CONFLICT = re.compile(r"(?:<{7}|={7}|>{7}|\|{7})(?: |$)")
_NO_BREAK = re.compile(r"[ \t]*+[\w.-]++:(?=\u00a0)")


class YamlFault(NamedTuple):
    """The place of a fault, counted from 0, and the reason as a phrase."""

    line: int
    column: int
    reason: str


class _Seen(NamedTuple):
    """The message of libyaml and the lines of the text; places are counted from 0."""

    problem: str
    context: str
    line: int
    column: int
    begun_line: int
    begun_column: int
    lines: Sequence[str]

    @property
    def text(self) -> str:
        """The line of the problem."""
        return self.lines[self.line] if self.line < len(self.lines) else ""

    @property
    def begun_text(self) -> str:
        """The line at which the part begins that libyaml was reading."""
        return self.lines[self.begun_line] if self.begun_line < len(self.lines) else ""

    def lines_before(self) -> Iterator[tuple[int, str]]:
        """The lines up to that of the problem, each with its number; of many the last ones."""
        first = max(0, self.line + 1 - _MOST_LINES)
        return enumerate(self.lines[first : self.line + 1], first)

    def here(self, reason: str) -> YamlFault:
        """A fault at the place of the problem."""
        return YamlFault(self.line, self.column, reason)

    def at_begin(self, reason: str) -> YamlFault:
        """A fault at the place where the part begins."""
        return YamlFault(self.begun_line, self.begun_column, reason)


def explain(error: yaml.MarkedYAMLError, text: str) -> YamlFault:
    """The fault for which libyaml refused a text."""
    problem, context = error.problem or "", error.context or ""
    at = error.problem_mark or error.context_mark
    begun = error.context_mark or at
    if at is None or begun is None:
        return YamlFault(0, 0, problem or context)
    seen = _Seen(problem, context, at.line, at.column, begun.line, begun.column, text.split("\n"))
    for rule in _RULES:
        if (fault := rule(seen)) is not None:
            return fault
    return seen.here(problem or context)


def _conflict(seen: _Seen) -> YamlFault | None:
    for number, line in seen.lines_before():
        if _CONFLICT.match(line):
            return YamlFault(number, 0, CONFLICT)
    return None


def _unclosed_quote(seen: _Seen) -> YamlFault | None:
    reason = "the quote that opens here is never closed"
    if seen.context == "while scanning a quoted scalar":
        return seen.at_begin(reason)
    place, quote = None, ""
    for number, line in seen.lines_before():
        if place is not None:
            if quote not in line:
                continue
            if _is_begin_of_value(line.partition(quote)[0]):
                return YamlFault(*place, reason)
            place = None
            continue
        opened = _OPENED.match(line)
        if opened and not _REST[opened[1]].match(line, opened.end()):
            place, quote = (number, opened.end() - 1), opened[1]
    return None


def _is_begin_of_value(before: str) -> bool:
    """Whether the text before a quote is a key, so that the quote opens a value, rather than closes one."""
    return bool(before.strip() and _BEFORE_VALUE.fullmatch(before))


def _wrong_first_character(seen: _Seen) -> YamlFault | None:
    mark = seen.text[seen.column : seen.column + 1]
    if mark == "\t" and seen.problem in (_NO_START, "found a tab character that violates indentation"):
        return seen.here(TAB)
    if mark and seen.problem in (
        _NO_START,
        "did not find expected node content",
        "mapping keys are not allowed in this context",
    ):
        return seen.here(NEEDS_QUOTES.format(mark))
    if seen.context in ("while scanning an alias", "while scanning an anchor"):
        mark = seen.begun_text[seen.begun_column : seen.begun_column + 1]
        return seen.at_begin(NEEDS_QUOTES.format(mark))
    if seen.context == "while scanning a block scalar":
        mark = seen.begun_text[seen.begun_column : seen.begun_column + 1]
        return seen.at_begin(
            f"a text after {mark} begins on the next line; if {mark} belongs to it, it needs quotes"
        )
    return None


def _colon_in_value(seen: _Seen) -> YamlFault | None:
    if seen.problem != "mapping values are not allowed in this context":
        return None
    key = _KEY.match(seen.text)
    if key and key.end() <= seen.column:
        return seen.here(COLON_IN_VALUE)
    for number, line in seen.lines_before():
        if tight := _TIGHT_KEY.match(line) or _NO_BREAK.match(line):
            return YamlFault(number, tight.end(), _missing_blank(line, tight.end()))
    return YamlFault(seen.line, _indent(seen.text), TOO_DEEP)


def _missing_blank(line: str, column: int) -> str:
    if line[column : column + 1] == "\u00a0":
        return NO_BREAK_SPACE
    return MISSING_BLANK


def _no_colon(seen: _Seen) -> YamlFault | None:
    if seen.problem != "could not find expected ':'":
        return None
    line = seen.begun_text
    if tight := _TIGHT_KEY.match(line) or _NO_BREAK.match(line):
        return YamlFault(seen.begun_line, tight.end(), _missing_blank(line, tight.end()))
    return seen.at_begin(NO_COLON)


def _open_bracket(seen: _Seen) -> YamlFault | None:
    brackets = {"while parsing a flow sequence": ("[", "]"), "while parsing a flow mapping": ("{", "}")}
    if seen.context not in brackets:
        return None
    opening, closing = brackets[seen.context]
    if seen.line != seen.begun_line:
        return seen.at_begin(f"the {opening} that opens here is never closed")
    return seen.here(f"a comma or the closing {closing} is missing before this place")


def _after_value(seen: _Seen) -> YamlFault | None:
    if seen.problem != "did not find expected key":
        return None
    indent = _indent(seen.text)
    if seen.column > indent:
        begin = _BEFORE_VALUE.match(seen.text)
        mark = seen.text[begin.end() : begin.end() + 1] if begin else ""
        return seen.here(_TEXT_AFTER.get(mark, "a value ends before this place, and text follows it"))
    if seen.text[indent:].startswith("- "):
        return seen.here(ITEM)
    return seen.here("this line is indented differently from the keys before it")


def _other(seen: _Seen) -> YamlFault | None:
    for begin, reason in _REASONS.items():
        if seen.problem.startswith(begin):
            return seen.here(reason)
    return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


# By the character that begins the value.
_TEXT_AFTER = {
    "'": "text follows the quote that ends the value; inside '…', an apostrophe is written twice",
    '"': 'text follows the quote that ends the value; inside "…", write \\" for a quote',
    "[": "a value that begins with [ ends here; a text that begins with it needs quotes",
    "{": "a value that begins with { ends here; a text that begins with it needs quotes",
}
_REASONS = {
    "block sequence entries are not allowed": "a list begins on a line of its own, or is written [a, b]; "
    "a text that begins with - needs quotes",
    "found unknown escape character": 'inside "…" a backslash begins an escape, and this is none; '
    "use '…', or write the backslash twice",
    "did not find expected hexdecimal number": 'inside "…", \\x, \\u and \\U need hexadecimal digits; '
    "use '…', or write the backslash twice",
    "did not find expected <document start>": "this key is indented less than the first one",
    "did not find expected '-' indicator": "a key is here, where the list before it should go on",
}
_RULES: Sequence[Callable[[_Seen], YamlFault | None]] = (
    _conflict,
    _unclosed_quote,
    _wrong_first_character,
    _colon_in_value,
    _no_colon,
    _open_bracket,
    _after_value,
    _other,
)
