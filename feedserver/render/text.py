"""Text and dates in the form that all formats need.

A feed is made legible once, as a whole, before it is rendered, so that no field can be forgotten: lxml
refuses a whole document for one control character, and a broken article must not cost more than itself
(promise 5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from feedserver.model import Feed

# The characters that XML 1.0 section 2.2 forbids: control characters, lone surrogates, U+FFFE and U+FFFF. XML
# cannot escape them.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# The same characters as msgspec writes them in JSON. There are two patterns, because a single one with an
# alternation has no literal prefix to search for: 0.2 ms instead of 1.4 ms for 250 kB.
_FORBIDDEN_IN_JSON = (re.compile(rb"\\[ubf]"), re.compile(rb"\xef\xbf[\xbe\xbf]"))


def legible(feed: Feed) -> Feed:
    """The feed without the characters that XML forbids; the same object if it has none."""
    if not _seems_to_hold_forbidden(feed):
        return feed
    plain = msgspec.to_builtins(feed, builtin_types=(datetime,))
    return msgspec.convert(_cleaned(plain), Feed, builtin_types=(datetime,))


def title_or_url(title: str, url: str) -> str:
    """The title of a feed, or its URL if it is blank: a feed must have one, and feedgen refuses a blank."""
    return title if title.strip() else url


def rfc3339(moment: datetime) -> str:
    """A moment in UTC and whole seconds as in RFC 3339: `2020-06-26T12:00:00Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def clean(text: str) -> str:
    """A text without the characters that XML forbids, otherwise unchanged."""
    return _FORBIDDEN.sub("", text)


def _seems_to_hold_forbidden(feed: Feed) -> bool:
    """Whether there may be such characters. A text with an escape sequence is a false alarm."""
    try:
        encoded = msgspec.json.encode(feed)
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        return True
    return any(pattern.search(encoded) for pattern in _FORBIDDEN_IN_JSON)


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {key: _cleaned(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(member) for member in value]
    return value
