"""Removes JavaScript and components from MDX, and keeps the Markdown inside of them.

Follows the syntax of MDX 2 (https://mdxjs.com/docs/what-is-mdx/): `import` and `export` at the start of a
paragraph, tags with a capital letter, and expressions in braces. Nothing is executed.
"""

from __future__ import annotations

import re

import pyromark

from feedserver.articles.code_masking import FENCES_AND_SPANS, code_lines, mask_code

_SIGN = re.compile(r"[{<]|^(?:import|export)\b", re.MULTILINE)
_MODULE = re.compile(
    r"""^(?:import[ \t]+[\w$*{}, \t\n]{0,2000}+['"][^\n]*"""
    r"""|export[ \t]+(?:default|const|let|var|function|async|class|\{|\*)[^\n]*)""",
    re.MULTILINE,
)
_TAG_START = re.compile(r"</?(?:[A-Z][\w.]*(?=[\s/>])|>)")
_QUOTED = r""""[^"]*+"|'[^']*+'"""
_BRACES = r"\{(?:[^{}]++|\{(?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\})*+\})*+\})*+\}"
_TAG_REST = re.compile(rf"(?:[^<>\"'{{}}]++|{_QUOTED}|{_BRACES})*+>")
_INDENTED = frozenset({"Indented"})
_EXPRESSION = re.compile(rf"(?<!\\){_BRACES}")
_MOST_PARAGRAPHS = 10  # of an `export` with blank lines
_MOST_BROKEN = 20  # tags that do not end: each is searched for its end in the rest of the text


def without_jsx(text: str, parser: pyromark.Markdown) -> str:
    """The text without modules, components and expressions; code is as it was."""
    if not _SIGN.search(text):
        return text
    masked = mask_code(text, parser, FENCES_AND_SPANS)
    text = masked.shown(_EXPRESSION.sub("", _without_components(_without_modules(masked.text))))
    return _without_indented_code(text, parser)


def _without_indented_code(text: str, parser: pyromark.Markdown) -> str:
    """The text without the indentation that is code in Markdown, and the inside of a component in MDX."""
    indented = code_lines(text, parser, _INDENTED)
    lines = text.split("\n")
    for number in indented:
        lines[number] = lines[number].lstrip()
    return "\n".join(lines)


def _without_modules(text: str) -> str:
    """The text without `import` and `export`: whole paragraphs, and more if a brace is open at their end."""
    kept: list[str] = []
    position = 0
    for match in _MODULE.finditer(text):
        if match.start() < position:
            continue
        kept.append(text[position : match.start()])
        position = _end_of_module(text, match)
    return "".join((*kept, text[position:]))


def _end_of_module(text: str, match: re.Match[str]) -> int:
    """The end of the paragraph, or of a later one in which its braces are closed."""
    begin = match.start()
    first = end = _end_of_paragraph(text, match.end())
    for _ in range(_MOST_PARAGRAPHS):
        if text.count("{", begin, end) <= text.count("}", begin, end):
            return end
        if end == len(text):
            break
        end = _end_of_paragraph(text, end + 2)
    return first


def _end_of_paragraph(text: str, start: int) -> int:
    end = text.find("\n\n", start)
    return len(text) if end < 0 else end


def _without_components(text: str) -> str:
    kept: list[str] = []
    position = broken = 0
    for match in _TAG_START.finditer(text):
        if match.start() < position or broken > _MOST_BROKEN:
            continue
        rest = match if match[0].endswith(">") else _TAG_REST.match(text, match.end())
        if rest is None:
            broken += 1
            continue
        kept.append(text[position : match.start()])
        position = rest.end()
    return "".join((*kept, text[position:]))
