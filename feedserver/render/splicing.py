"""Makes documents of entries that were written before and of new ones.

An article is in a dozen listings. When one changes, each of them shows 49 of 50 entries as before, and
feedgen and lxml take most of the time of a first request. So the bytes of an entry are kept under a digest of
everything that decides them, and only the other entries are written: by the same renderer, as a document of
fewer entries, which is cut at its tags. The result has the bytes of a document that is written as a whole
(promise 2). This module knows no format, only the tags at which entries begin and end. Thread-safe: kept
bytes never change, so a race of threads costs a miscount, or a second writing of the same entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from feedserver.model import Feed
from feedserver.render.text import legible

# Bytes of entries that a process keeps for one format: some 600 generated articles.
MOST_BYTES = 1_500_000


class Splicer:
    """The documents of one format, in XML.

    Args:
        write: writes the whole document of a legible feed, with the same bytes for the same feed. An entry is
            written as if it were the only one.
        spell: gives a document, or a part of it with whole entries, its final spelling. This is done after
            the document is cut, because CDATA may look like a tag.
        start: the tag at which every entry begins; there is none before the first entry.
        end: the tag at which every entry ends. Text cannot look like a tag, because it is escaped.
        close: the end of the document, after the entries.
    """

    def __init__(
        self,
        write: Callable[[Feed], bytes],
        spell: Callable[[bytes], bytes],
        start: bytes,
        end: bytes,
        close: bytes,
    ) -> None:
        self._write = write
        self._spell = spell
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
        head, *entries = map(self._spell, self._cut(self._write(legible(others))))
        for key, entry in zip(missing, entries, strict=True):
            written[key] = entry
            self._kept.keep(key, entry)
        return b"".join([head, *(written[key] or b"" for key in keys), self._close])

    def _cut(self, document: bytes) -> list[bytes]:
        """The beginning of the document, and each entry."""
        *entries, rest = document.removesuffix(self._close).split(self._end)
        if not entries:
            return [rest]
        begin = entries[0].index(self._start)
        head, entries[0] = entries[0][:begin], entries[0][begin:]
        return [head, *(entry + self._end for entry in entries)]


def _keys(feed: Feed) -> list[bytes]:
    """A digest of everything that decides the bytes of each entry, the feed's language included."""
    language = feed.channel.language
    return [hashlib.sha256(msgspec.json.encode((language, entry))).digest() for entry in feed.entries]


class Recent:
    """Bytes by key: those that were used last, at least half of `most_bytes`, and never more.

    They are in two generations, because an order of use would cost as much time as the digests.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes // 2
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._size = 0

    def find(self, key: bytes) -> bytes | None:
        """The bytes under a key."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.keep(key, found)
        return found

    def keep(self, key: bytes, value: bytes) -> None:
        """Keep bytes under a key that is not in the young generation."""
        if len(value) > self._most:
            return
        if self._size + len(value) > self._most:
            self._old, self._young, self._size = self._young, {}, 0
        self._young[key] = value
        self._size += len(value)
