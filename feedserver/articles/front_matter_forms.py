"""Finds front matter in the forms of other programs, and its end.

Plain front matter, between `---` or `+++` lines at the very start, is found by `frontmatter`. The forms here
are front matter only if that is certain, because any Markdown file may begin with a ruler, or with `Note: …`:
one of the keys must be that of a title or date. Parses nothing. Takes time in proportion to the text
(promise 5).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from feedserver.articles.nodes import MAX_VALUES
from feedserver.errors import FrontMatterError
from feedserver.findings import FindingCode

# Blank lines and comments of HTML, each with the end of its line.
_PRELUDE = re.compile(r"(?:[ \t]*+(?:<!--(?:[^-]++|-(?!->))*+-->[ \t]*+)?\n)*+")
# The language after the dashes is that of the package gray-matter, `;;;` is Hexo's fence for JSON.
_FENCE = re.compile(
    r"(?:(?P<dashes>-{3,})[ \t]*+(?P<language>yaml|yml|toml|json)?|(?P<plus>\+\+\+)|(?P<pairs>;{3,}))"
    r"[ \t]*+\n",
    re.IGNORECASE,
)
_LANGUAGES = {"": "yaml", "yml": "yaml", "yaml": "yaml", "toml": "toml", "json": "json"}
# The first line of each language, after blank ones and comments of its own.
_BEGINS = {
    "yaml": re.compile(
        r"""(?:[ \t]*+(?:\#[^\n]*+)?\n)*+["']?[^\W\d][\w .-]{0,60}+["']?[ \t]*+:(?=[ \t\n]|\Z)"""
    ),
    "toml": re.compile(r"""(?:[ \t]*+(?:\#[^\n]*+)?\n)*+(?:\[|["']?[\w.-]{1,60}+["']?[ \t]*+=)"""),
    "json": re.compile(r"\s*+\{"),
    "pairs": re.compile(r"""\s*+"[^"\n]{1,60}+"[ \t]*+:"""),
}
_JSON_OBJECT = re.compile(r"""\{\s*+["}]""")
_JSON_PART = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}]', re.DOTALL)
_JSON_PARTS = 4 * MAX_VALUES  # two strings and two braces for each value
_PAIRS_END = re.compile(r"\n;{3,}[ \t]*+(?=\n|\Z)")
# Front matter without a fence before it: keys, items and indented lines, and no blank line up to the dashes.
_UNOPENED = re.compile(
    r"""((?:(?:["']?[^\W\d][\w-]{0,60}+["']?[ ]?:(?:[ \t][^\n]*+)?
    |[ \t]++\S[^\n]*+|-[ \t][^\n]*+|\#[^\n]*+)\n)++)
    -{3,}[ \t]*+(?:\n|\Z)""",
    re.VERBOSE,
)
_KEY = re.compile(r"""^["']?([^\W\d][\w-]{0,60}+)["']?[ ]?:""", re.MULTILINE)
_KEY_OF_ARTICLE = re.compile(
    r"""(?:^|[{,"'])["']?(?:title|name|\w{0,20}date\w{0,20}|published\w{0,20})["']?[ \t]?[:=]""",
    re.MULTILINE | re.IGNORECASE,
)
_BLANK_LINE = re.compile(r"\n[ \t]*+\n")

# The header of Python-Markdown's extension meta_data, which Pelican and MkDocs read.
_HEADER_LINE = re.compile(r"(?:\ {0,3}[A-Za-z0-9_-]++:[^\n]*+|(?:\ {4}|\t)[^\n]*+)(?:\n|\Z)")
_HEADER_END = re.compile(r"(?:---|\.\.\.|)[ \t]*+(?:\n|\Z)")

# The first bytes of a file that may have front matter of any form.
_MAY_BEGIN = re.compile(
    rb"""(?:\xef\xbb\xbf)?\s*+(?:<!--|---|\+\+\+|;;;|\{\s*+["}]|["'A-Za-z0-9_\x80-\xff][^\r\n:]{0,60}+:)"""
)


class FrontMatter(NamedTuple):
    """Front matter and the text after it.

    Attributes:
        language: yaml, toml, json, pairs (a JSON object without its braces) or header.
        front: the text of the front matter, without fences.
        body: the text after it.
        first_line: the line of the file at which `front` begins.
    """

    language: str
    front: str
    body: str
    first_line: int


def may_have_front_matter(raw: bytes) -> bool:
    """Whether a look at the first bytes of a file leaves it possible that it has front matter."""
    return _MAY_BEGIN.match(raw) is not None


def find_front_matter(text: str, *, header: bool = False) -> FrontMatter | None:
    """The front matter of a text; None if it has none. Lines end with LF.

    `header` says that lines of `Key: value` up to a blank line are front matter.

    Raises:
        FrontMatterError: it is not closed.
    """
    start = _end_of_prelude(text)
    fence = _FENCE.match(text, start)
    if fence:
        return _fenced(text, fence)
    if _JSON_OBJECT.match(text, start):
        end = _end_of_json(text, start)
        return _found("json", text, start, end, end) if _KEY_OF_ARTICLE.search(text, start, end) else None
    if start:
        return None
    if header:
        return _header(text)
    return _pairs(text) if text.startswith('"') else _unopened(text)


def front_of_broken(text: str) -> str:
    """The text up to the end of its front matter, which cannot be read; in doubt more of it."""
    start = _end_of_prelude(text)
    fence = _FENCE.match(text, start)
    if fence:
        closing = _closing(fence).search(text, fence.end() - 1)
        return text[: closing.start()] if closing else text
    if text.startswith("{", start):
        return text  # a string that is not closed may have any end
    closing = _PAIRS_END.search(text) if text.startswith('"') else _BLANK_LINE.search(text, start)
    return text[: closing.start()] if closing else text


def _end_of_prelude(text: str) -> int:
    match = _PRELUDE.match(text)
    return match.end() if match else 0


def _found(language: str, text: str, start: int, end: int, body: int) -> FrontMatter:
    """Front matter between two places; the body begins after the line of a third one."""
    rest = text[body:].lstrip(" \t")
    return FrontMatter(language, text[start:end], rest.removeprefix("\n"), text.count("\n", 0, start) + 1)


def _closing(fence: re.Match[str]) -> re.Pattern[str]:
    mark = fence["dashes"] or fence["plus"] or fence["pairs"]
    marks = r"(?:---|\.\.\.)" if mark == "---" else re.escape(mark)
    return re.compile(rf"\n{marks}[ \t]*+(?=\n|\Z)")


def _fenced(text: str, fence: re.Match[str]) -> FrontMatter | None:
    """Front matter after its fence, if it begins as its language does: a ruler has dashes too."""
    if fence["dashes"]:
        language = _LANGUAGES[(fence["language"] or "").lower()]
    else:
        language = "toml" if fence["plus"] else "pairs"
    closing = _closing(fence).search(text, fence.end() - 1)
    front = text[fence.end() : closing.start() + 1] if closing else _paragraph(text, fence.end())
    is_certain = fence["language"] or (_BEGINS[language].match(front) and _KEY_OF_ARTICLE.search(front))
    if not is_certain:
        return None
    if closing is None:
        raise FrontMatterError(
            FindingCode.FRONT_MATTER_UNCLOSED,
            "the front matter has no closing line like the one before it",
            text.count("\n", 0, fence.start()) + 1,
        )
    return _found(language, text, fence.end(), closing.start() + 1, closing.end())


def _paragraph(text: str, start: int) -> str:
    """The text up to the next blank line."""
    end = _BLANK_LINE.search(text, start)
    return text[start : end.start() if end else len(text)]


def _end_of_json(text: str, start: int) -> int:
    """The end of the object that begins at a place; that of the text if the object is not closed."""
    level = 0
    for number, part in enumerate(_JSON_PART.finditer(text, start)):
        level += {"{": 1, "}": -1}.get(part[0], 0)
        if level == 0:
            return part.end()
        if number > _JSON_PARTS:
            break  # the reader of JSON refuses it
    return len(text)


def _pairs(text: str) -> FrontMatter | None:
    closing = _PAIRS_END.search(text)
    if closing is None or not (
        _BEGINS["pairs"].match(text) and _KEY_OF_ARTICLE.search(text, 0, closing.start())
    ):
        return None
    return _found("pairs", text, 0, closing.start(), closing.end())


def _unopened(text: str) -> FrontMatter | None:
    """Front matter without its opening fence: at least two keys, one of them of a title or date.

    A heading of Markdown that is underlined by dashes is one line, and has no blank line before the dashes.
    """
    match = _UNOPENED.match(text) if _KEY.match(text) else None
    if match is None or not _KEY_OF_ARTICLE.search(match[1]) or len(_KEY.findall(match[1])) < 2:
        return None
    return FrontMatter("yaml", match[1], text[match.end() :], 1)


def is_header(text: str) -> bool:
    """Whether a text is lines of a header and nothing else."""
    end = 0
    while line := _HEADER_LINE.match(text, end):
        end = line.end()
        if end == len(text):
            return not text.startswith(("    ", "\t"))
    return False


def _header(text: str) -> FrontMatter | None:
    end = 0
    if text.startswith(("    ", "\t")):
        return None
    while line := _HEADER_LINE.match(text, end):
        end = line.end()
        if end == len(text):
            break
    if not end:
        return None
    last = _HEADER_END.match(text, end)
    return FrontMatter("header", text[:end], text[last.end() if last else end :], 1)
