"""Rewrites the extensions of Markdown inside of lines to what CommonMark and HTML have for them.

Works on a text whose code, HTML and addresses are hidden (`code_masking`). Each pattern takes time in
proportion to the text. Does not know which extensions a folder uses.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import PurePosixPath
from typing import Final

import pyromark

from feedserver.articles.code_masking import LINK, LINK_END, mask_code

# The mark of each extension, in the order of rewriting. A text without it needs no parsing.
_SIGNS = {
    "attribute-lists": "{",
    "autolinks": "",
    "abbreviations": "*[",
    "emoji": ":",
    "mark": "==",
    "subscript": "~",
    "superscript": "^",
    "wikilinks": "[[",
}
_IN_LINK = f"{LINK}[^{LINK_END}]*+{LINK_END}?+"

_VALUE = r"""(?:"[^"\n]{0,500}"|'[^'\n]{0,500}'|[^\s"'{}]{1,500})"""
_ATTRIBUTE = rf"(?:[.#][\w:-]{{1,100}}|[A-Za-z][\w:-]{{0,100}}={_VALUE})"
_TABLE_OF_CONTENTS = re.compile(
    r"^[ \t]*(?:[-*+]|[0-9]{1,9}[.)])[ \t][^\n]*\n[ \t]*\{:[ \t]?toc\b[^{}\n]*\}[ \t]*$", re.MULTILINE
)
# Kramdown's (`{: .left}`), and those of other programs (`{.left}`) where an element or a line has just ended.
_ATTRIBUTE_LIST = re.compile(
    r"\{::?[^{}\n]*+\}"
    rf"|(?:(?<=[\x00\x02)\]*_`:])|(?<![^\n>]))\{{[ \t]?{_ATTRIBUTE}(?:[ \t]{_ATTRIBUTE}){{0,20}}[ \t]?\}}"
)
_LINE_OF_ATTRIBUTES_IN_LIST = re.compile(
    r"^[ \t]*\{:[^{}\n]*\}[ \t]*\n(?=[ \t]*(?:[-*+]|[0-9]{1,9}[.)])[ \t])", re.MULTILINE
)
_HEADING_ID = re.compile(r"(?<![ \t])[ \t]*+\{:?[ \t]?#[\w.:-]++[^{}\n]*+\}[ \t#]*$", re.MULTILINE)
_UNDERLINE = re.compile(r"\n {0,3}(?:=+|-+)[ \t]*(?:\n|\Z)")

_MARK = re.compile(r"(?<![=\\])==(?![\s=])((?:[^=\n]|=(?!=)|\n(?![ \t]*\n))+?)(?<!\s)==(?!=)")
_SUBSCRIPT = re.compile(r"(?<![~\\])~(?![\s~])([^\s~\[\]\x00-\x02]{1,100})~(?!~)")
_SUPERSCRIPT = re.compile(r"(?<![\^\\])\^(?![\s^])([^\s^\[\]\x00-\x02]{1,100})\^(?!\^)")
_EMOJI = re.compile(r"(?<![\w:\\]):([a-z0-9_+-]{1,60}):(?!\w)", re.ASCII)
_ADDRESS = re.compile(
    rf"{_IN_LINK}|(?<![\w\"'=/<.@])(?:https?://[^\s<>\x00-\x02]{{1,2000}}+"
    r"|[\w.+-]{1,64}+@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)++(?!@))",
    re.ASCII,
)
_WIKI_LINK = re.compile(
    r"(!?)\[\[([^\[\]<>|\n\x00-\x02\\]{1,300}+)(?:\\?\|([^\[\]\n\x00-\x02]{0,300}+))?\]\]"
)
_PICTURE = re.compile(r"\.(?:avif|bmp|gif|jpe?g|png|svg|webp)", re.IGNORECASE)
_NOT_AT_END = "?!.,:*_~'\";"
_ABBREVIATION = re.compile(
    r"^[ ]{0,3}\*\[([A-Za-z][^\]\s]{0,50})\]:[ \t]*([^\n\x00-\x02]{0,200})(?:\n|\Z)", re.MULTILINE
)
_WORD = re.compile(rf"{_IN_LINK}|(?<![\w&])[A-Za-z][\w.&+/-]*+")


def rewrite_inline(text: str, extensions: frozenset[str], parser: pyromark.Markdown) -> str:
    """The text with the named extensions rewritten."""
    wanted = [name for name, sign in _SIGNS.items() if name in extensions and sign in text]
    if not wanted:
        return text
    masked = mask_code(text, parser)
    text = masked.text
    for name in wanted:
        text = _REWRITES[name](text)
    return masked.shown(text)


def without_heading_ids(text: str, parser: pyromark.Markdown) -> str:
    """The text without `{#id}` at the end of headings."""
    masked = mask_code(text, parser)
    return masked.shown(_HEADING_ID.sub(_of_heading, masked.text))


def _of_heading(match: re.Match[str]) -> str:
    text = match.string
    line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    is_heading = line.lstrip(" >").startswith("#") or _UNDERLINE.match(text, match.end())
    return "" if is_heading else match[0]


def _without_attribute_lists(text: str) -> str:
    text = _TABLE_OF_CONTENTS.sub("", text)
    return _ATTRIBUTE_LIST.sub("", _LINE_OF_ATTRIBUTES_IN_LIST.sub("", text))


def _linked(match: re.Match[str]) -> str:
    """A bare address as an autolink, without the punctuation after it (as GitHub does)."""
    address = match[0]
    if address.startswith(LINK):
        return address
    end = len(address)
    while end:
        last = address[end - 1]
        if last in _NOT_AT_END or (last == ")" and address.count(")", 0, end) > address.count("(", 0, end)):
            end -= 1
        else:
            break
    return f"<{address[:end]}>{address[end:]}"


def _wiki_link(match: re.Match[str]) -> str:
    """A wiki link as one to the file of that name; an embedded picture as a picture."""
    is_embedded, target, shown = match.groups()
    name, sign, anchor = target.strip().partition("#")
    if is_embedded and _PICTURE.fullmatch(PurePosixPath(name).suffix):
        alt = "" if shown is None or shown[:1].isdigit() else shown
        return f"![{alt}](<{name}>)"
    if not name:
        return f"[{shown or anchor}](<#{anchor}>)"
    file = name if name.endswith(".md") else f"{name}.md"
    return f"[{shown or target.strip()}](<@wiki/{file}{sign}{anchor}>)"


def _with_abbreviations(text: str) -> str:
    meanings: dict[str, str] = {}

    def define(match: re.Match[str]) -> str:
        meanings.setdefault(match[1], match[2].strip())
        return ""

    def explain(match: re.Match[str]) -> str:
        meaning = meanings.get(match[0])
        return f'<abbr title="{html.escape(meaning)}">{match[0]}</abbr>' if meaning else match[0]

    text = _ABBREVIATION.sub(define, text)
    return _WORD.sub(explain, text) if meanings else text


@lru_cache(maxsize=1_024)
def _emoji(name: str) -> str:
    """The emoji of a short code, '' if it has none."""
    # Its table takes 90 ms and some MB, which only folders with short codes need.
    import emoji  # noqa: PLC0415

    code = f":{name}:"
    character = emoji.emojize(code, language="alias")
    return "" if character == code else character


_REWRITES: Final[Mapping[str, Callable[[str], str]]] = {
    "attribute-lists": _without_attribute_lists,
    "autolinks": partial(_ADDRESS.sub, _linked),
    "abbreviations": _with_abbreviations,
    "mark": partial(_MARK.sub, r"<mark>\1</mark>"),
    "subscript": partial(_SUBSCRIPT.sub, r"<sub>\1</sub>"),
    "superscript": partial(_SUPERSCRIPT.sub, r"<sup>\1</sup>"),
    "wikilinks": partial(_WIKI_LINK.sub, _wiki_link),
    "emoji": partial(_EMOJI.sub, lambda match: _emoji(match[1]) or match[0]),
}
