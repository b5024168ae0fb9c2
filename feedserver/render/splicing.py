"""Documents made of entries that were written before, and of new ones.

An article is in a dozen listings, and when one changes, each of them shows 49 of 50 entries as before.
feedgen and lxml take most of the time of a first request. So what they wrote of an entry is kept, under a
digest of all that goes into it, and only the others are written: by the same renderer, as a document of
fewer entries, which is cut at its tags. The bytes are those of a document that is written as a whole
(promise 2). Knows no format, only how entries begin and end in it. Thread-safe: what is kept never changes,
so a race of threads costs a miscount, or that something is written twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from feedserver.model import Feed
from feedserver.render.text import legible

# Bytes of entries that a process keeps of one format; of generated articles some 600.
MOST_BYTES = 1_500_000


class Splicer:
    """The documents of one format, in XML.

    Args:
        write: a whole document of a legible feed, the same bytes for the same feed. An entry is written as if
            it were the only one.
        start: what every entry begins with, and nothing before the first one.
        end: what every entry ends with. Like `start` it is a tag, which no text looks like: that is escaped.
        close: what follows the entries.
    """

    def __init__(self, write: Callable[[Feed], bytes], start: bytes, end: bytes, close: bytes) -> None:
        self._write = write
        self._start = start
        self._end = end
        self._close = close
        self._kept = Recent(MOST_BYTES)

    def document(self, feed: Feed) -> bytes:
        """The document of a feed, without the characters that XML forbids."""
        try:
            keys = _keys(feed)
        except UnicodeEncodeError:  # a lone surrogate has no UTF-8
            feed = legible(feed)
            keys = _keys(feed)
        written = {key: self._kept.find(key) for key in keys}
        missing = {key: entry for key, entry in zip(keys, feed.entries, strict=True) if not written[key]}
        others = msgspec.structs.replace(feed, entries=tuple(missing.values()))
        head, *entries = self._cut(self._write(legible(others)))
        for key, entry in zip(missing, entries, strict=True):
            written[key] = entry
            self._kept.keep(key, entry)
        return b"".join([head, *(written[key] or b"" for key in keys), self._close])

    def _cut(self, document: bytes) -> list[bytes]:
        """What comes before the entries, and each of them."""
        *entries, rest = document.removesuffix(self._close).split(self._end)
        if not entries:
            return [rest]
        begin = entries[0].index(self._start)
        head, entries[0] = entries[0][:begin], entries[0][begin:]
        return [head, *(entry + self._end for entry in entries)]


def _keys(feed: Feed) -> list[bytes]:
    """What stands for all that goes into the bytes of each entry: the feed's language as well."""
    language = feed.channel.language
    return [hashlib.sha256(msgspec.json.encode((language, entry))).digest() for entry in feed.entries]


class Recent:
    """Bytes by key: what was asked for last, at least half of `most_bytes`, and never more.

    In two generations, because to keep an order of use would take as long again as the digests do.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes // 2
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._size = 0

    def find(self, key: bytes) -> bytes | None:
        """What is kept under a key."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.keep(key, found)
        return found

    def keep(self, key: bytes, value: bytes) -> None:
        """Keep bytes under a key that is not among the young."""
        if len(value) > self._most:
            return
        if self._size + len(value) > self._most:
            self._old, self._young, self._size = self._young, {}, 0
        self._young[key] = value
        self._size += len(value)
