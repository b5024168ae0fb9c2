"""Bounds on markup, checked before an HTML parser reads it (promise 5).

HTML's own rules let small markup become large: elements such as `<b>` that are open when their paragraph ends
are opened again in the next one, with all their attributes (the standard's list of active formatting
elements). 42 kB of `<b title=1>…` and `<p>` made 124 MB of body and took 1.6 GB. Other markup takes the
parser time that grows with a square. This module estimates from above how much a parser would make of a text,
from the tags alone. It does not know the tags that sanitising keeps.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator

MAX_TAGS = 100_000
MAX_ATTRIBUTES = 500  # of one tag: the parser compares each with all before it
MAX_REPEATED = 2_000_000  # characters of formatting tags that may be opened again

# Smaller markup cannot exceed a bound: no tag is opened again more often than there are tags.
_HARMLESS_LENGTH, _HARMLESS_PRODUCT = 16_384, 2_000_000

_FORMATTING = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
_SAME_TAGS = 3  # the standard opens no more than three equal ones again ("Noah's Ark clause")

# A tag that every parser reads alike: its slash and name, and up to a hundred attributes.
_PLAIN_TAG = re.compile(
    r"""<(/?)([A-Za-z][A-Za-z0-9]*+)"""
    r"""((?:[ \n]++[A-Za-z-]++(?:="[^"<>]*+"|='[^'<>]*+'|=[^ \n"'<>=]++)?+){0,100}+)\ ?/?>"""
)

# Tags as the standard's tokenizer delimits them: a quote counts only after `=`. Possessive, so that each
# character is looked at once. A tag that the text does not end is taken to its end.
_SPACE = r"[ \t\n\f\r/]"
_ATTRIBUTES = (
    rf"""((?:{_SPACE}*+[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+"""
    r"""(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|(?!["'>])[^ \t\n\f\r>]++))?+)*+)"""
    rf"{_SPACE}*+>?"
)


def _tag_pattern(raw_text: str) -> re.Pattern[str]:
    """A pattern that finds tags, except in comments and in the given elements of raw text."""
    return re.compile(
        r"<!--(?:-?>|.*?--!?>|.*)"
        rf"|<({raw_text})(?=[ \t\n\f\r/>]){_ATTRIBUTES}(?:.*?(?=</\1[ \t\n\f\r/>])|.*)"
        rf"|<(/?)([A-Za-z][^ \t\n\f\r/>]*+){_ATTRIBUTES}"
        r"|<(?:[!?]|/(?![A-Za-z]))[^>]*+",
        re.DOTALL | re.IGNORECASE,
    )


_HTML_TAG = _tag_pattern("script|style|xmp|iframe|noembed|noframes|noscript|textarea|title")
# Within these, elements of raw text are markup.
_FOREIGN = re.compile(r"<(?:svg|math)[ \t\n\f\r/>]", re.IGNORECASE)
_FOREIGN_TAG = _tag_pattern("(?!)")
_ATTRIBUTE = re.compile(rf"{_SPACE}[^ \t\n\f\r/>=]")

_Tag = tuple[str, str, str]  # a slash if it is an end tag, its name, its attributes


class MarkupError(ValueError):
    """Markup exceeds a bound; the message is the rest of a sentence that begins with "the body"."""


def refuse_costly_markup(markup: str) -> None:
    """Refuse markup for which a parser may take time or memory out of proportion.

    Raises:
        MarkupError: it may.
    """
    count = markup.count("<")
    if len(markup) <= _HARMLESS_LENGTH and count * len(markup) <= _HARMLESS_PRODUCT:
        return
    refuse_many_tags(markup)
    plain: list[_Tag] = _PLAIN_TAG.findall(markup)
    if len(plain) == count:
        _refuse_repetition(plain)
        return
    _refuse_repetition(_tags_in(markup, _HTML_TAG))
    if _FOREIGN.search(markup):
        _refuse_repetition(_tags_in(markup, _FOREIGN_TAG))


def text_of(markup: str) -> str:
    """The text of markup, without tags, comments, scripts and their like; character references decoded."""
    return html.unescape(_HTML_TAG.sub("", markup))


def refuse_many_tags(markup: str) -> None:
    """Refuse markup with too many tags.

    Raises:
        MarkupError: it has more than `MAX_TAGS`.
    """
    if markup.count("<") > MAX_TAGS:
        raise MarkupError(f"has more than {MAX_TAGS:,} tags")


def _tags_in(markup: str, pattern: re.Pattern[str]) -> Iterator[_Tag]:
    for match in pattern.finditer(markup):
        raw, raw_attributes, end, name, attributes = match.groups()
        if raw:
            yield "", raw, raw_attributes
        elif name:
            yield end, name, attributes


def _refuse_repetition(tags: Iterable[_Tag]) -> None:
    open_tags: dict[str, list[str]] = {}
    equal: Counter[str] = Counter()
    open_length = repeated = 0
    for end, written_name, attributes in tags:
        if len(attributes) > MAX_ATTRIBUTES:
            _refuse_attributes(attributes)
        if open_length:
            repeated += open_length
            if repeated > MAX_REPEATED:
                raise MarkupError("has formatting tags that are not closed where their paragraph ends")
        name = written_name.lower()
        if name not in _FORMATTING:
            continue
        stack = open_tags.setdefault(name, [])
        if not end and equal[tag := f"<{name}{attributes}></{name}>"] < _SAME_TAGS:
            equal[tag] += 1
            stack.append(tag)
            open_length += len(tag)
        elif end and stack:
            tag = stack.pop()
            equal[tag] -= 1
            open_length -= len(tag)


def _refuse_attributes(attributes: str) -> None:
    if len(_ATTRIBUTE.findall(attributes)) > MAX_ATTRIBUTES:
        raise MarkupError(f"has a tag with more than {MAX_ATTRIBUTES} attributes")
