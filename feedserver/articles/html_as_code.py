"""Finds HTML that Markdown shows as code.

Editors and generators indent HTML, and CommonMark (section 4.4) makes a code block of every line that is
indented by four spaces after a blank one: subscribers then read tags. Only reports; the settings decide
whether a body is Markdown or HTML (`articles[].bodies`).
"""

from __future__ import annotations

import re

import pyromark

# The block elements of HTML that editors indent; an inline element may be part of an example of code.
_BLOCK = re.compile(
    r"\s*</?(?:article|aside|blockquote|div|dl|figcaption|figure|footer|h[1-6]|header|iframe|img|li|main|nav|ol|p"
    r"|section|table|tbody|td|tfoot|th|thead|tr|ul|video)\b[^<>]*>",
    re.IGNORECASE,
)
_INDENTED = re.compile(r"^(?: {4}|\t| {1,3}\t)[ \t]*</?[a-zA-Z]", re.MULTILINE)
_LONGEST = 131_072  # characters that are checked: each event takes a µs
_EVENTS = pyromark.Markdown()


def line_of_html_as_code(markdown: str) -> int | None:
    """The first line, counted from 1, of HTML that becomes an indented code block; None if there is none."""
    markdown = markdown[:_LONGEST]
    if "<" not in markdown or not ("   <" in markdown or "\t<" in markdown) or not _INDENTED.search(markdown):
        return None
    is_indented_code = False
    for event, span in _EVENTS.events_with_range(markdown):
        if isinstance(event, dict) and "Start" in event:
            is_indented_code = event["Start"] == {"CodeBlock": "Indented"}
        elif is_indented_code and isinstance(event, dict) and _BLOCK.match(str(event.get("Text", ""))):
            return markdown.encode()[: span["start"]].count(b"\n") + 1
    return None
