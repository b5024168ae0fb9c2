"""The two filters by which Eleventy makes a part of an address of a name.

`slugify` is that of @sindresorhus/slugify 2.2.1, `slug` that of slugify 1.6.9; both tables were compared with
these packages, character by character. A name with a character that the tables do not know has no slug,
because a guess would be an address that no page has.
"""

from __future__ import annotations

import re
import unicodedata

_LATIN = re.compile("[\u00c0-\u00ff\u0100-\u024f\u1e00-\u1eff]")
_APOSTROPHE = re.compile(r"(?<=[a-z0-9])'(?=[ts](?:\s|\Z))")
_NOT_OF_SLUGIFY = re.compile("[^a-z0-9]+")
_NOT_OF_SLUG = re.compile(r"""[^a-z0-9\s$*_+~.()'"!:@-]""", re.ASCII)
_BLANKS = re.compile(r"\s+")
# Signs of which both packages are known to make a hyphen, other signs, or nothing.
_SIGNS = "\u00a0\u00a1\u00a7\u00ab\u00b0\u00bb\u00bf\u2013\u2014\u2018\u2019\u201c\u201d\u201e\u2022\u2026"


def _table(words: str) -> dict[str, str]:
    """A table of words: the first letter of each, and what it becomes."""
    return {word[0]: word[1:] for word in words.split()}


_OF_SLUGIFY = {
    **_table("äae öoe üue ßss æae øo þth ðd đd ħh łl \u0131i ^ ` \u00b4 \u00b7"),
    **dict.fromkeys(_SIGNS, " "),
    "&": " and ",
}
_OF_SLUG = {
    **_table("$dollar %percent &and <less >greater |or ßss æae øo þth ðd œoe đdj łl \u0131i"),
    **dict.fromkeys(_SIGNS, ""),
    **_table('\u2018\' \u2019\' \u201c" \u201d" \u201e" \u2022* \u2026...'),
    **dict.fromkeys("-\u00a0\u2013", " "),
}
# Letters with marks that this package does not know, and leaves out.
_NOT_IN_SLUG = re.compile("[ĉċĕĝġĥĭĵĺŏŗŝŭ\u01cd-\u01dc\u01de-\u024f\u1e00-\u1e7f\u1e86-\u1e9d]")


def slugify(name: str) -> str | None:
    """The name as the filter `slugify` writes it; None if that is not known."""
    plain = _replaced(_lower(name), _OF_SLUGIFY)
    return None if plain is None else _NOT_OF_SLUGIFY.sub("-", _APOSTROPHE.sub("", plain)).strip("-")


def slug(name: str) -> str | None:
    """The name as the filter `slug` writes it; None if that is not known."""
    name = _lower(name)
    plain = None if _NOT_IN_SLUG.search(name) else _replaced(name, _OF_SLUG)
    return None if plain is None else _BLANKS.sub("-", _NOT_OF_SLUG.sub("", plain).strip())


def _lower(name: str) -> str:
    # In lower case the dotted capital I of Turkish is an i with a mark of its own.
    return unicodedata.normalize("NFC", name).replace("\u0130", "I").lower()


def _replaced(name: str, table: dict[str, str]) -> str | None:
    """The name in ASCII, by a table, and by leaving out the marks of Latin letters; None if not known."""
    text = "".join(table.get(char, char) for char in name)
    if text.isascii():
        return text
    text = _LATIN.sub(_without_mark, text)
    return text if text.isascii() else None


def _without_mark(match: re.Match[str]) -> str:
    letter = unicodedata.normalize("NFD", match[0])
    return letter[0] if letter[0].isascii() and letter[0].isalpha() else match[0]
