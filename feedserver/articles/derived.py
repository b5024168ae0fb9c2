"""Title and excerpt of an article whose file states none, taken from its body.

Reads sanitised HTML, in which every tag is written alike, so that code, comments and extensions of Markdown
are settled already. Only the mark that ends an excerpt (`<!--more-->`) is looked for in the source. Takes
time in proportion to the length of the body. Which of these a folder uses is a matter of its rules.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pyromark

from feedserver.articles.code_masking import CODE, mask_code
from feedserver.articles.text import composed, one_line, without_controls

_TAG = re.compile(r'<(/?)([a-z][a-z0-9]*+)(?: [^">]*+(?:"[^"]*+"[^">]*+)*+)?>')
_HEADING = re.compile(r"h[1-6]")
# Elements that no excerpt has, with their content, and those whose end is the end of a line.
_NO_EXCERPT = frozenset({"figcaption", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table"})
_LINE_ENDS = frozenset({"br", "dd", "div", "dt", "li", "p", "section", "summary"})
# A paragraph in one of these is not the beginning of the article.
_CONTAINERS = frozenset({"blockquote", "details", "dl", "figure", "ol", "table", "ul"})

# WordPress, Hugo and Hexo; Docusaurus, in Markdown and in MDX.
_MARK = re.compile(r"<!--[ \t]*+(?:more|truncate)[ \t]*+-->|\{/\*[ \t]*+truncate[ \t]*+\*/\}", re.IGNORECASE)
_MARK_WITHIN = 16_384  # characters of source; a mark after them ends no excerpt
_PARSER = pyromark.Markdown()

_LONGEST_TITLE = 500
_LONGEST_EXCERPT = 1_000
_BLANK_LINES = re.compile(r"\n{3,}")


def take_heading(body_html: str) -> tuple[str, str]:
    """The text of the first heading, and the body without it; ('', the body) if that is none of level 1.

    A reader shows the title above the body, so the heading would be there twice.
    """
    start = next((tag for tag in _TAG.finditer(body_html) if _HEADING.fullmatch(tag[2])), None)
    end = body_html.find("</h1>", start.end()) if start is not None and start[2] == "h1" else -1
    if start is None or end < 0:
        return "", body_html
    title = " ".join(_text_of(body_html[start.end() : end]).split())
    if not 0 < len(title) <= _LONGEST_TITLE:
        return "", body_html
    return title, (body_html[: start.start()].rstrip() + body_html[end + len("</h1>") :]).strip()


def title_of_file_name(slug: str) -> str:
    """The title that the name of a file makes, as Jekyll makes it of a slug: `from-file-name`.

    A name with blanks is a title already.
    """
    if " " in slug:
        return one_line(slug)
    return one_line(" ".join(word.capitalize() for word in re.split("[-_]+", slug) if word))


def source_before_mark(source: str, *, is_html: bool) -> str:
    """The part of a body before the mark that ends its excerpt; '' if there is none outside of code."""
    head = source[:_MARK_WITHIN]
    if "<!--" not in head and "{/*" not in head:
        return ""
    if is_html:
        marks = _MARK.finditer(head)
        return next((head[: mark.start()] for mark in marks if not _is_in_code(head, mark.start())), "")
    if _MARK.search(head) is None:
        return ""
    masked = mask_code(without_controls(head), _PARSER, CODE)
    mark = _MARK.search(masked.text)
    return "" if mark is None else masked.shown(masked.text[: mark.start()])


def _is_in_code(markup: str, position: int) -> bool:
    before = markup[:position].lower()
    return any(before.rfind(f"<{tag}") > before.rfind(f"</{tag}") for tag in ("pre", "code"))


def excerpt_of(body_html: str) -> str:
    """The text of a body as an excerpt: without code, tables and headings, cut at a bound."""
    return _bounded("".join(_texts(body_html)))


def first_paragraph(body_html: str) -> str:
    """The text of the first paragraph that has one and is in no list, quote or table, as an excerpt."""
    depth = 0
    start = -1
    for tag in _TAG.finditer(body_html):
        if tag[2] in _CONTAINERS:
            depth += -1 if tag[1] else 1
        elif tag[2] == "p" and depth <= 0:
            if not tag[1]:
                start = tag.end()
            elif start >= 0 and (excerpt := excerpt_of(body_html[start : tag.start()])):
                return excerpt
    return ""


def _texts(body_html: str) -> Iterator[str]:
    """The text of markup in pieces, with the breaks of its lines."""
    left_out, position = "", 0
    for tag in _TAG.finditer(body_html):
        if not left_out:
            yield html.unescape(body_html[position : tag.start()].replace("\n", " "))
            if tag[2] in _NO_EXCERPT and not tag[1]:
                left_out = tag[2]
            elif tag[2] in _LINE_ENDS and (tag[1] or tag[2] == "br"):
                yield "\n\n" if tag[2] == "p" else "\n"
        elif tag[1] and tag[2] == left_out:
            left_out = ""
        position = tag.end()
    if not left_out:
        yield html.unescape(body_html[position:].replace("\n", " "))


def _text_of(body_html: str) -> str:
    return composed(without_controls(html.unescape(_TAG.sub("", body_html))))


def _bounded(text: str) -> str:
    lines = (" ".join(line.split()) for line in composed(without_controls(text)).split("\n"))
    plain = _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
    if len(plain) <= _LONGEST_EXCERPT:
        return plain
    cut = plain[: _LONGEST_EXCERPT - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:.-") + "…"
