"""Hides the characters of a long text for which the sanitiser's serializer is slow.

nh3 0.3.8 (html5ever's serializer) scans the rest of a text node or attribute for each `&` and each character
from U+0080 to U+00BF in it: 1 MB of them took 28 s. In a long text they are replaced by private characters
before it is sanitised, and restored afterwards. Meanwhile a character reference is not a reference, so a
filter of attributes has to call `original`.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

# Shorter texts take less than 0.1 s, whichever characters they have.
LONG = 65_536

# Private characters of the last plane, which have no meaning. They are removed from a long text.
_FIRST = 0x10FF00
_SLOW = ["&", *map(chr, range(0x80, 0xC0))]
_HIDDEN = [chr(_FIRST + number) for number in range(len(_SLOW))]
_HIDE = str.maketrans({**dict.fromkeys(_HIDDEN), **dict(zip(_SLOW, _HIDDEN, strict=True))})
_SHOW = str.maketrans(dict(zip(_HIDDEN[1:], _SLOW[1:], strict=True)))
_USUAL = ("amp;", "lt;", "gt;", "quot;")
_REFERENCE = re.compile(
    f"{_HIDDEN[0]}(?:(#[0-9]{{1,8}};|#[xX][0-9a-fA-F]{{1,8}};|[A-Za-z][A-Za-z0-9]{{1,31}};)|)"
)


def hide(markup: str) -> str:
    """Replace the slow characters."""
    return markup.translate(_HIDE)


def show(markup: str) -> str:
    """Restore the characters, as they are written in HTML."""
    for reference in _USUAL:
        markup = markup.replace(f"{_HIDDEN[0]}{reference}", f"&{reference}")
    return _REFERENCE.sub(_reference, markup).translate(_SHOW).replace("\xa0", "&nbsp;")


def original(value: str) -> str:
    """The original value of an attribute, whether its characters were replaced or not."""
    if value.isascii() or _HIDDEN[0] not in value:
        return value.translate(_SHOW) if not value.isascii() else value
    return html.unescape(value.replace(_HIDDEN[0], "&")).translate(_SHOW)


def _reference(match: re.Match[str]) -> str:
    return _escaped(match[1]) if match[1] else "&amp;"


@lru_cache(maxsize=256)
def _escaped(reference: str) -> str:
    return html.escape(html.unescape(f"&{reference}"))
