"""Finds lines in raw front matter that would hide the article.

Serves promise 6 where a parser cannot: an editor often adds `draft: true` in the same save as a mistake, and
an article that is to be hidden must not stay published because of the mistake. So a file whose front matter
could not be read whole is hidden if any of its lines would hide it; there a key counts inside of any mapping.
In front matter that was read whole, only lines at the left margin count: such a line is inside of a text only
if a quote was left open. Knows no syntax, and hides in doubt.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from functools import lru_cache

from feedserver.articles.dates import parse_date
from feedserver.articles.front_matter_forms import front_of_broken
from feedserver.articles.truth import truth_of
from feedserver.articles.visibility_keys import HiddenIf, Role, Roles, plain_value, roles_of, visibility_key

# A key as in YAML, TOML and JSON, with its value. It begins at a word boundary and never backtracks, so that
# the time for a line of a megabyte is in proportion to its length. A mapping in braces is no value: the keys
# in it are searched.
_ASSIGNMENT = re.compile(
    r"""(?<![^\s"'{},:=\[\]])["']?([^\s"'{},:=\[\]]{2,60}+)["']?\s*+[:=]\s*+["']?"""
    r"""((?:(?![\[{])[^\s"',}\]#]++)?+)"""
)

# The breaks of `str.splitlines` beside the line feed.
_OTHER_BREAK = re.compile("[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

# The ends of a value in a line: a date may have commas in it.
_ENDS = (re.compile(r"""["'}\]#]"""), re.compile(r"""["'}\],#]"""))
_LONGEST_VALUE = 80

_ENCODINGS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def hides_broken_file(raw: bytes, *, is_data: bool, hidden_if: HiddenIf = ()) -> bool:
    """Whether any line of a file that could not be read whole would hide its article.

    Args:
        raw: the bytes of the file.
        is_data: whether all of it is front matter, as in `.yaml` and `.json` files.
        hidden_if: further keys and values that hide, of the rules.
    """
    # Not "utf-8-sig": Python imports that codec when it is used, and a reading process may be unable to.
    text = raw.removeprefix(codecs.BOM_UTF8).decode(_ENCODINGS.get(raw[:2], "utf-8"), "replace")
    front = text if is_data else front_of_broken(text.replace("\r\n", "\n").replace("\r", "\n"))
    roles = _roles_anywhere(hidden_if)
    # A million empty lines took 1.4 s when each was matched.
    lines = (line for line in front.splitlines() if ":" in line or "=" in line)
    return any(_decides(match, roles) for line in lines for match in _ASSIGNMENT.finditer(_no_comment(line)))


def hides_at_margin(front: str, hidden_if: HiddenIf = ()) -> bool:
    """Whether a line at the left margin of front matter would hide its article."""
    if not front:  # as of every article whose front matter is plain YAML
        return False
    roles = _roles_at_margin(hidden_if)
    return any(_decides(_ASSIGNMENT.match(line), roles) for line in _lines_that_matter(front, hidden_if))


def _lines_that_matter(front: str, hidden_if: HiddenIf) -> Iterable[str]:
    """The lines at the left margin that may hide the article; all lines of a text with other line breaks."""
    if _OTHER_BREAK.search(front):
        return front.splitlines()
    lines = f"\n{front}\n"
    pattern = _start_pattern(hidden_if, front.isascii())
    starts = (start.start() + 1 for start in pattern.finditer(lines))
    return (lines[start : lines.index("\n", start)] for start in starts)


@lru_cache(maxsize=64)
def _start_pattern(hidden_if: HiddenIf, is_ascii: bool) -> re.Pattern[str]:
    """The start of a line that can matter.

    This is one of the keys, or a key with a character that is not ASCII, which may be another spelling of
    one. Matching each line takes ten times as long. The keys are grouped by their first letter, because the
    interpreter tries one after the other otherwise: 3 µs for the front matter of an article instead of 10.
    """
    rests: dict[str, list[str]] = {}
    for key in _roles_at_margin(hidden_if):
        rests.setdefault(key[:1], []).append(re.escape(key[1:]))
    groups = [f"[{re.escape(first + first.upper())}](?i:{'|'.join(rest)})" for first, rest in rests.items()]
    first_letters = "".join(re.escape(first + first.upper()) for first in rests)
    # Not a part of the match: the line break may be the start of the next one.
    keys = rf"""(?=[{first_letters}])(?:{"|".join(groups)})(?=["'\s:=])"""
    other = r"""|[^\s"'{},:=\[\]\x7f-\U0010ffff]{0,60}+[^\x00-\x7f]"""
    return re.compile(rf"""\n["']?(?:{keys}{"" if is_ascii else other})""")


@lru_cache(maxsize=64)
def _roles_at_margin(hidden_if: HiddenIf) -> Roles:
    """The roles of the keys that hide; those in mappings as TOML writes them in one line (`build.list`)."""
    return dict(_named(roles_of(hidden_if, ())))


@lru_cache(maxsize=64)
def _roles_anywhere(hidden_if: HiddenIf) -> Roles:
    """The same roles, and those of keys in mappings by the name of the key alone."""
    roles = _roles_at_margin(hidden_if)
    return {key.rpartition(".")[2]: role for key, role in roles.items() if "." in key} | dict(roles)


def _named(roles: Mapping[str, Role], outer: str = "") -> Iterator[tuple[str, Role]]:
    for key, role in roles.items():
        if role.hides:
            yield outer + key, role
        yield from _named(role.inner, f"{outer}{key}.")


def _no_comment(line: str) -> str:
    return "" if line.lstrip().startswith("#") else line


def _decides(match: re.Match[str] | None, roles: Roles) -> bool:
    """Whether an assignment hides the article."""
    role = None if match is None else roles.get(visibility_key(match[1]))
    if match is None or role is None:
        return False
    if role.hiding is not None and any(role.is_hiding(plain_value(value)) for value in _values(match)):
        return True
    visible = role.visible_when
    if visible is None or truth_of(match[2]) is visible:
        return False
    # `published: 2024-05-01` says when.
    return not (visible and any(map(_is_date, _values(match))))


def _values(match: re.Match[str]) -> Iterator[str]:
    """The value of an assignment: its first word, or all of it as far as the line tells."""
    yield match[2]
    rest = match.string[match.start(2) : match.start(2) + _LONGEST_VALUE].lstrip("[")
    for end in _ENDS:
        yield end.split(rest.lstrip("\"'"), maxsplit=1)[0].strip(" \t,")


def _is_date(text: str) -> bool:
    try:
        return bool(parse_date(text, UTC))
    except ValueError:
        return False
