"""How site generators write names into the addresses of their pages.

Each style is that of the generators named beside it, as their documentation or source has it. Knows nothing
of listings: their slugs are in `slugs`, and never change.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

from text_unidecode import unidecode

from feedserver.articles.identity import percent_encoded

_BLANKS = re.compile(r"\s+")
_HYPHENS = re.compile(r"-{2,}")
# Jekyll's `Utils.slugify` in its mode "pretty", which addresses use.
_NOT_PRETTY = re.compile(r"[^\w.~!$&'()+,;=@]+")
# Hugo keeps letters, marks, digits and these (`MakePath`).
_NOT_OF_HUGO = re.compile(r"[^\w.\-+~/]+")
_NOT_OF_PELICAN = re.compile(r"[^\w\s-]+")
_NOT_ASCII_WORD = re.compile("[^a-z0-9]+")


def _pretty(name: str) -> str:
    return _NOT_PRETTY.sub("-", name).strip("-")


def _lower(name: str) -> str:
    hyphenated = _BLANKS.sub("-", unicodedata.normalize("NFC", name).strip()).lower()
    return _HYPHENS.sub("-", _NOT_OF_HUGO.sub("", hyphenated))


def _words(name: str) -> str:
    plain = unidecode(name).strip()
    return re.sub(r"[-\s]+", "-", _NOT_OF_PELICAN.sub("", plain).strip()).lower()


def _github(name: str) -> str:
    """As the library github-slugger: letters, marks, digits, `_` and `-` in lower case, blanks as hyphens."""
    return "".join(char for char in name.lower() if char in "- " or _is_of_word(char)).replace(" ", "-")


def _is_of_word(char: str) -> bool:
    category = unicodedata.category(char)
    return category == "Pc" or (category[0] in "LMN" and category != "No")


def _ascii(name: str) -> str:
    return _NOT_ASCII_WORD.sub("-", unidecode(name).lower()).strip("-")


STYLES: Final[dict[str, Callable[[str], str]]] = {
    "keep": str,  # as the file is named
    "hexo": str,
    "pretty": _pretty,  # Jekyll
    "lower": _lower,  # Hugo
    "words": _words,  # Pelican
    "ascii": _ascii,
    "zola": _ascii,
    "github": _github,  # Astro
}


def name_in_url(name: str, style: str) -> str:
    """A name as a part of an address, percent-encoded; as it is if its style would leave nothing."""
    return percent_encoded(STYLES[style](name) or name)


def folder_in_url(name: str, style: str) -> str:
    """The name of a folder as a part of an address: Zola leaves it as it is."""
    return percent_encoded(name) if style == "zola" else name_in_url(name, style)


def category_in_url(name: str, style: str) -> str:
    """The name of a category as a part of an address, for which Jekyll and Hexo have a style of its own."""
    if style == "pretty":
        return percent_encoded(name.lower())
    return name_in_url(name, "pretty" if style == "hexo" else style)
