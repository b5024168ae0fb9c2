"""Rewrites the blocks that Markdown programs have beyond CommonMark to quotes with a title.

Admonitions (`!!! note`, Python-Markdown and MkDocs), containers (`:::tip`, Docusaurus and VitePress),
callouts with a title (`> [!note] Title`, Obsidian), HTML that holds Markdown (`markdown="1"`), and the marks
for a table of contents. A feed has no colours, so a block becomes a quote that begins with its title in bold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyromark

from feedserver.articles.code_masking import CODE, code_lines, mask_code

_SIGNS = {
    "admonitions": ("!!!", "???", "==="),
    "callouts": ("[!",),
    "containers": (":::",),
    "toc": ("[TOC]", "[[TOC]]", "[[toc]]", "[[_TOC_]]"),
}
# Lines are matched without the white space at their end.
_ADMONITION = re.compile(
    r"""([ \t]*)(?:(?:!!!|\?\?\?\+?)[ \t]+([A-Za-z][\w-]*+)[^"\n]*+|===[!+]*[ \t]+(?="))(?:"([^"\n]*+)")?$"""
)
_CONTAINER = re.compile(r"[ \t]*:{3,}[ \t]*([A-Za-z][\w-]*+)(.*)")
_CONTAINER_END = re.compile(r"[ \t]*:{3,}")
_QUOTED_KINDS = frozenset(
    {
        *(
            "note",
            "tip",
            "info",
            "important",
            "warning",
            "caution",
            "danger",
            "details",
            "success",
            "question",
        ),
        *("failure", "bug", "example", "quote", "abstract", "summary", "secondary", "hint", "error", "todo"),
    }
)
_CALLOUT = re.compile(r"([ \t]*(?:>[ \t]?)+)\[!([A-Za-z][\w-]*)(?:\|[^\]\n]*)?\][-+]?(.*)")
_TITLE_ATTRIBUTE = re.compile('\\btitle="([^"]*)"')
_CONTENTS = re.compile(r"[ \t]*(?:\[TOC\]|\[\[(?:TOC|toc|_TOC_)\]\])")
_HTML_TAG = re.compile(
    r"<([A-Za-z][A-Za-z0-9]*)([^<>]{0,500}?)[ \t\n]markdown(?:=(?:\"\w*\"|'\w*'|\w+))?(?=[ \t\n/>])([^<>]*)>"
)
_HTML_BLOCKS = (
    "article",
    "aside",
    "blockquote",
    "center",
    "details",
    "div",
    "figcaption",
    "figure",
    "section",
)
_MAX_DEPTH = 5  # of admonitions inside each other; each level is parsed once more
_MAX_CONTAINERS = 10  # inside each other; those further inside become no quotes


def rewrite_blocks(text: str, extensions: frozenset[str], parser: pyromark.Markdown) -> str:
    """The text with the named extensions rewritten."""
    if "html-blocks" in extensions and " markdown" in text:
        text = _with_parsed_html(text, parser)
    wanted = {
        name for name, signs in _SIGNS.items() if name in extensions and any(sign in text for sign in signs)
    }
    return "\n".join(_rewritten(text, wanted, parser, _MAX_DEPTH)) if wanted else text


def _rewritten(text: str, wanted: set[str], parser: pyromark.Markdown, depth: int) -> Iterator[str]:
    lines = text.split("\n")
    code = code_lines(text, parser)
    if "containers" in wanted:
        _quote_containers(lines, code)
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if number - 1 in code:
            yield line
            continue
        mark = line.rstrip()
        if "admonitions" in wanted and depth and (match := _ADMONITION.match(mark)):
            end = _end_of_indented(lines, number, len(match[1].expandtabs(4)) + 4)
            if end > number:
                yield from _admonition(match, lines[number:end], wanted, parser, depth)
                number = end
                continue
        if "callouts" in wanted and (match := _CALLOUT.match(mark)):
            yield f"{match[1]}{_title(match[3].strip() or _named(match[2]))}"
            yield match[1]
        elif "toc" not in wanted or not _CONTENTS.fullmatch(mark):
            yield line


def _admonition(
    match: re.Match[str], content: list[str], wanted: set[str], parser: pyromark.Markdown, depth: int
) -> Iterator[str]:
    """A quote of the indented lines after the first; an empty title means that there is none."""
    indent = match[1]
    title = _named(match[2] or "") if match[3] is None else match[3]
    width = len(indent.expandtabs(4)) + 4
    inner = "\n".join(
        line.expandtabs(4)[width:] if "\t" in line[:width] else line[width:] for line in content
    )
    yield indent.rstrip("\n")
    if title:
        yield f"{indent}> {_title(title)}"
        yield f"{indent}>"
    for line in _rewritten(inner.strip("\n"), wanted, parser, depth - 1):
        yield f"{indent}> {line}".rstrip() if not line.strip() else f"{indent}> {line}"
    yield ""


def _end_of_indented(lines: list[str], start: int, width: int) -> int:
    """The number of the line after the last that is indented by `width` columns."""
    end = number = start
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip():
            continue
        if not line[:width].expandtabs(4)[:width].isspace():
            break
        end = number
    return end


def _quote_containers(lines: list[str], code: frozenset[int]) -> None:
    """Replace the lines of containers: those that are notes become quotes, of others only the marks go."""
    depth_of = _container_depths(lines, code)
    depth = 0
    for number, line in enumerate(lines):
        change = depth_of.get(number)
        if change is None:
            lines[number] = "> " * depth + line if depth else line
            continue
        match = _CONTAINER.match(line.rstrip())
        depth += change
        if match is None or not change:
            lines[number] = ">" * depth
            continue
        lines[number] = "> " * depth + _title(_title_of_container(match)) + "\n" + ">" * depth
        if depth == 1:
            lines[number] = "\n" + lines[number]


def _title_of_container(match: re.Match[str]) -> str:
    """The title, as in `:::tip[Title]`, `:::tip Title` and `:::tip {title="Title"}`; else the kind."""
    rest = match[2].strip()
    if rest.startswith("["):
        return rest[1:].partition("]")[0].strip() or _named(match[1])
    attribute = _TITLE_ATTRIBUTE.search(rest)
    return (attribute[1] if attribute else rest.partition("{")[0].strip()) or _named(match[1])


def _container_depths(lines: list[str], code: frozenset[int]) -> dict[int, int]:
    """The change of depth at each line of a container's begin or end; 0 if it is no quote or not closed."""
    changes: dict[int, int] = {}
    opened: list[tuple[int, int]] = []  # line, change
    for number, line in enumerate(lines):
        if ":::" not in line or number in code:
            continue
        mark = line.rstrip()
        if match := _CONTAINER.match(mark):
            is_quoted = match[1].lower() in _QUOTED_KINDS and len(opened) < _MAX_CONTAINERS
            opened.append((number, int(is_quoted)))
            changes[number] = 0
        elif _CONTAINER_END.fullmatch(mark) and opened:
            start, change = opened.pop()
            changes[start], changes[number] = change, -change
    return changes


def _with_parsed_html(text: str, parser: pyromark.Markdown) -> str:
    """The text with blank lines around the tags of elements that hold Markdown, after which it is parsed."""
    masked = mask_code(text, parser, CODE)
    changed = _HTML_TAG.sub(_parsed_tag, masked.text)
    for name in _HTML_BLOCKS:
        if f"\n\n<{name}" in changed:
            changed = changed.replace(f"</{name}>", f"\n\n</{name}>\n\n")
    return masked.shown(changed)


def _parsed_tag(match: re.Match[str]) -> str:
    tag = f"<{match[1]}{match[2]}{match[3]}>"
    return f"\n\n{tag}\n\n" if match[1] in _HTML_BLOCKS else tag


def _named(kind: str) -> str:
    return kind.replace("-", " ").capitalize()


def _title(text: str) -> str:
    return f"<strong>{text}</strong>"
