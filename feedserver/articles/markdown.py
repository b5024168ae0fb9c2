"""Renders Markdown to HTML, with the extensions that the rules of a root name.

pulldown-cmark does nearly everything. The extensions that it does not have rewrite the text before it is
parsed (`markdown_blocks`, `markdown_inline`, `mdx`), outside of code. Sanitises nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

import pyromark

from feedserver.articles.markdown_blocks import rewrite_blocks
from feedserver.articles.markdown_inline import rewrite_inline, without_heading_ids
from feedserver.articles.mdx import without_jsx

# Longer bodies are rendered without what needs a look at each part of the text, which takes a µs for each.
LONGEST_REWRITTEN = 131_072

# pulldown-cmark: 2 µs for a body of 0.9 kB, where markdown-it-py took 95 and cmark-gfm 16 (measured).
_OPTIONS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_FOOTNOTES
    | pyromark.Options.ENABLE_TASKLISTS
    | pyromark.Options.ENABLE_GFM  # alerts
)
_OPTIONS_OF = {
    "definition-lists": pyromark.Options.ENABLE_DEFINITION_LIST,
    "math": pyromark.Options.ENABLE_MATH,
    "smart-punctuation": pyromark.Options.ENABLE_SMART_PUNCTUATION,
}

_HEADING_ID = re.compile(r"\{:?[ \t]?#[^{}\n]*\}[ \t#]*$", re.MULTILINE)
_ALERT = re.compile('<blockquote class="markdown-alert-([a-z]+)">')
_CHECK_BOX = re.compile(r'<input disabled="" type="checkbox"( checked="")?/>\n?')
_ALIGNED = re.compile(r'<(t[dh]) style="text-align: (left|center|right)">')
# Kramdown, Goldmark and Python-Markdown name their notes so: a reference leads to the page that they make.
_NOTE = re.compile('<sup class="footnote-reference"><a href="#')
_MATH = re.compile(r'<span class="math math-(inline|display)">([^<]*)</span>')


def render_markdown(text: str, extensions: tuple[str, ...] = ()) -> str:
    """The HTML of a Markdown text, not sanitised.

    `extensions` are names of `rule_names.EXTENSIONS`; others mean nothing. Alerts (`> [!NOTE]`), task lists
    and ids of headings (`{#id}`) are understood in any case, because no ordinary text has their form.
    """
    parser = _parser(extensions)
    if len(text) <= LONGEST_REWRITTEN:
        if "{" in text and _HEADING_ID.search(text):
            text = without_heading_ids(text, parser)
        if extensions:
            text = _rewritten(text, frozenset(extensions), parser)
    return _settled(parser.html(text))


def _rewritten(text: str, extensions: frozenset[str], parser: pyromark.Markdown) -> str:
    if "mdx" in extensions:
        text = without_jsx(text, parser)
    return rewrite_inline(rewrite_blocks(text, extensions, parser), extensions, parser)


def _settled(markup: str) -> str:
    """The HTML with text in the place of elements and classes that sanitising removes."""
    if "markdown-alert-" in markup:
        markup = _ALERT.sub(
            lambda match: f"<blockquote>\n<p><strong>{match[1].capitalize()}</strong></p>", markup
        )
    if '<input disabled="" ' in markup:
        markup = _CHECK_BOX.sub(
            lambda match: "\N{BALLOT BOX WITH CHECK} " if match[1] else "\N{BALLOT BOX} ", markup
        )
    if ' style="text-align: ' in markup:
        markup = _ALIGNED.sub(r'<\1 align="\2">', markup)
    if 'class="footnote-reference"' in markup:
        markup = _NOTE.sub(r"\g<0>fn:", markup)
    if '<span class="math ' in markup:
        markup = _MATH.sub(
            lambda match: f"${match[2]}$" if match[1] == "inline" else f"$${match[2]}$$", markup
        )
    return markup


@lru_cache(maxsize=16)
def _parser(extensions: tuple[str, ...]) -> pyromark.Markdown:
    options = _OPTIONS
    for name in extensions:
        options |= _OPTIONS_OF.get(name, pyromark.Options(0))
    return pyromark.Markdown(options=options)
