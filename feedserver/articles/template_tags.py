"""Replaces template code in bodies and fields: tags of Jekyll, Eleventy, Hexo and Zola, shortcodes of Hugo.

Nothing is executed and no file is read. A known tag becomes the HTML that its program makes of it
(`template_output`), a block of logic is removed with its content, and any other tag is removed and reported.
Each program decides where its tags count: Liquid, Nunjucks, Hugo and Zola work before Markdown, also inside
of code; Hexo leaves fenced code alone. Takes time in proportion to the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pyromark

from feedserver.articles.code_masking import FENCES, mask_code
from feedserver.articles.rule_names import LANGUAGES
from feedserver.articles.template_output import Site, output_of_tag, output_of_value

_DEEPEST = 20  # blocks inside each other; further ones lose their tags and keep their content
_LONGEST_TAG = 4_000
_MOST_TAGS = 20_000  # each takes some 10 µs; of a text with more, all of them are removed
_MOST_NAMES = 5  # of tags that a finding names

# The content of these is the business of the program that publishes: it depends on values or other files.
_REMOVED_BLOCKS = frozenset(
    {"block", "capture", "case", "comment", "for", "form", "if", "macro", "paginate", "tablerow", "unless"}
)
_RAW_BLOCKS = frozenset({"raw", "rawblock", "verbatim"})
_SILENT = frozenset({"assign", "comment", "else", "elif", "elsif", "set", "when"})  # show nothing
_MARGIN = 80  # characters of white space that may be before a tag that stands alone
_PARSER = pyromark.Markdown()


class Replaced(NamedTuple):
    """A text without template code; `unknown` names the tags that were removed without a replacement."""

    text: str
    unknown: tuple[str, ...]


class _Tag(NamedTuple):
    start: int
    end: int
    name: str  # '' for a value
    arguments: str
    is_end: bool = False


def replace_tags(text: str, language: str, site: Site, *, is_markup: bool = True) -> Replaced:
    """The text without template code of a language of `LANGUAGES`; as it is for any other.

    In a text that is no markup, tags count as unknown that become HTML, or the address of a file among words.
    """
    if language not in LANGUAGES or not ("{%" in text or "{{" in text or "{#" in text):
        return Replaced(text, ())
    if language != "hexo":
        return _Replacer(text, language, site, is_markup=is_markup).replaced()
    masked = mask_code(text, _PARSER, FENCES)
    result = _Replacer(masked.text, language, site, is_markup=is_markup).replaced()
    return Replaced(masked.shown(result.text), result.unknown)


class _Replacer:
    """Goes through the tags of one text; `_blocks` are the open ones with what they contain so far."""

    def __init__(self, text: str, language: str, site: Site, *, is_markup: bool) -> None:
        self._text = text
        self._is_markup = is_markup
        self._begin, self._end = len(text) - len(text.lstrip()), len(text.rstrip())
        self._language = language
        self._site = site
        self._tags = list(_TAGS_OF[language](text))
        self._closed = {tag.name for tag in self._tags if tag.is_end}
        self._blocks: list[tuple[_Tag, list[str]]] = []
        self._top: list[str] = []
        self._unknown: dict[str, None] = {}

    def replaced(self) -> Replaced:
        if len(self._tags) > _MOST_TAGS:
            return self._removed()
        position = 0
        for tag in self._tags:
            self._parts.append(self._text[position : tag.start])
            position = tag.end
            if tag.is_end:
                self._close(tag)
            elif tag.name in self._closed and tag.name not in _RAW_BLOCKS and len(self._blocks) < _DEEPEST:
                self._blocks.append((tag, []))
            else:
                self._put(tag, tag, "")
        self._parts.append(self._text[position:])
        while self._blocks:
            _, parts = self._blocks.pop()
            self._parts.extend(parts)
        return Replaced("".join(self._top), tuple(self._unknown)[:_MOST_NAMES])

    def _removed(self) -> Replaced:
        starts = (tag.start for tag in self._tags)
        ends = (tag.end for tag in self._tags)
        pieces = zip((0, *ends), (*starts, len(self._text)), strict=True)
        text = "".join(self._text[end:start] for end, start in pieces)
        return Replaced(text, (f"more than {_MOST_TAGS:,} tags",))

    @property
    def _parts(self) -> list[str]:
        return self._blocks[-1][1] if self._blocks else self._top

    def _close(self, end: _Tag) -> None:
        """Put the block of this name that was opened last, and those inside of it that are still open."""
        if all(tag.name != end.name for tag, _ in self._blocks):
            return
        while True:
            tag, parts = self._blocks.pop()
            self._put(tag, end, "".join(parts))
            if tag.name == end.name:
                return

    def _put(self, tag: _Tag, end: _Tag, content: str) -> None:
        if tag.name in _RAW_BLOCKS:
            self._parts.append(tag.arguments)
        elif tag.name in _REMOVED_BLOCKS or tag.name in _SILENT:
            if tag.name not in _SILENT:
                self._unknown[tag.name] = None
        else:
            output = self._output(tag, end.end, content)
            if output is None:
                self._unknown[tag.name or tag.arguments.partition("|")[0].strip()[:40]] = None
                output = content
            self._parts.append(output if self._is_alone(tag.start, end.end) else output.strip("\n"))

    def _output(self, tag: _Tag, end: int, content: str) -> str | None:
        if not tag.name:
            return output_of_value(tag.arguments, self._site)
        output = output_of_tag(self._language, tag.name, tag.arguments, content, self._site)
        is_shown = self._is_markup or output is None or ("<" not in output and self._is_whole(tag.start, end))
        return output if is_shown else None

    def _is_whole(self, start: int, end: int) -> bool:
        """Whether the text is nothing but a tag. A reference to a file is an address then, and no words."""
        return start <= self._begin and self._end <= end

    def _is_alone(self, start: int, end: int) -> bool:
        """Whether nothing else is in the lines of a tag, so that it may become a block."""
        before = self._text[max(0, start - _MARGIN) : start].rpartition("\n")
        after = self._text[end : end + _MARGIN].partition("\n")
        is_first = bool(before[1]) or start <= _MARGIN
        is_last = bool(after[1]) or end + _MARGIN >= len(self._text)
        return is_first and is_last and not before[2].strip() and not after[0].strip()


_LIQUID_OPENING = re.compile(r"\{[%{#]")
_CLOSINGS = {"{%": "%}", "{{": "}}", "{#": "#}"}
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_HUGO_OPENING = re.compile(r"\{\{[<%]")
_HUGO_CLOSINGS = {"{{<": ">}}", "{{%": "%}}"}
_CALL = re.compile(r"([A-Za-z_]\w*)[ \t\n]*\((.*)\)", re.DOTALL)


def _delimited(
    text: str, opening: re.Pattern[str], closings: dict[str, str]
) -> Iterator[tuple[int, int, str]]:
    """Start, end and opening of each piece of template code; one that is not closed is text."""
    position, unclosed = 0, set[str]()
    while match := opening.search(text, position):
        sign = match[0]
        end = -1 if sign in unclosed else text.find(closings[sign], match.end())
        if end < 0:
            unclosed.add(sign)
            position = match.end()
            continue
        position = end + len(closings[sign])
        yield match.start(), position, sign


def _liquid_tags(text: str, *, with_comments: bool = False) -> Iterator[_Tag]:
    raw_until = 0
    for start, end, sign in _delimited(text, _LIQUID_OPENING, _CLOSINGS):
        inner = text[start + 2 : end - 2]
        if start < raw_until or (sign == "{#" and not with_comments) or len(inner) > _LONGEST_TAG:
            continue
        inner = inner.removeprefix("-").removesuffix("-").strip()
        if sign == "{#":
            yield _Tag(start, end, "comment", "")
        elif sign == "{{":
            yield _Tag(start, end, "", inner)
        elif name := _NAME.match(inner):
            tag = _tag_of(start, end, name[0], inner[name.end() :])
            if tag.name in _RAW_BLOCKS and not tag.is_end:
                tag, raw_until = _raw(text, tag)
            yield tag


def _tag_of(start: int, end: int, name: str, arguments: str) -> _Tag:
    is_end = name.startswith("end") and len(name) > 3
    return _Tag(start, end, name[3:] if is_end else name, arguments.strip(), is_end)


def _raw(text: str, tag: _Tag) -> tuple[_Tag, int]:
    """A block of which the content is text, as one tag that has its content as arguments."""
    closing = re.compile(rf"\{{%-?[ \t\n]*end{tag.name}[ \t\n/]*-?%\}}").search(text, tag.end)
    content_end, end = closing.span() if closing else (len(text), len(text))
    return _Tag(tag.start, end, tag.name, text[tag.end : content_end]), end


def _nunjucks_tags(text: str) -> Iterator[_Tag]:
    return _liquid_tags(text, with_comments=True)


def _hugo_tags(text: str) -> Iterator[_Tag]:
    for start, end, _ in _delimited(text, _HUGO_OPENING, _HUGO_CLOSINGS):
        inner = text[start + 3 : end - 3].strip()
        if inner.startswith("/*"):
            # Written so that it is shown: {{</* figure */>}}.
            shown = (
                text[start : start + 3] + inner.removeprefix("/*").removesuffix("*/") + text[end - 3 : end]
            )
            yield _Tag(start, end, "raw", shown)
        elif len(inner) <= _LONGEST_TAG and (name := _NAME.match(inner.lstrip("/ "))):
            arguments = inner.lstrip("/ ")[name.end() :].removesuffix("/").strip()
            yield _Tag(start, end, name[0], arguments, inner.startswith("/"))


def _zola_tags(text: str) -> Iterator[_Tag]:
    opened: list[str] = []
    for start, end, sign in _delimited(text, _LIQUID_OPENING, _CLOSINGS):
        inner = text[start + 2 : end - 2].strip()
        call = _CALL.fullmatch(inner) if len(inner) <= _LONGEST_TAG else None
        if inner.startswith("/*"):
            shown = (
                text[start : start + 2] + inner.removeprefix("/*").removesuffix("*/") + text[end - 2 : end]
            )
            yield _Tag(start, end, "raw", shown)
        elif call and sign != "{#":
            if sign == "{%":
                opened.append(call[1])
            yield _Tag(start, end, call[1], call[2])
        elif inner == "end" and sign == "{%" and opened:
            yield _Tag(start, end, opened.pop(), "", is_end=True)


_TAGS_OF = {
    "hexo": _nunjucks_tags,
    "hugo": _hugo_tags,
    "liquid": _liquid_tags,
    "nunjucks": _nunjucks_tags,
    "zola": _zola_tags,
}
