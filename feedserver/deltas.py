"""What changed between two states of a feed document (RFC 3229 with the `feed` instance manipulation).

A snapshot is the ids of a document's entries with the digest of each; it is what must be remembered of a
document that was sent, to tell later what is new in it. Pure: knows no HTTP, no cache and no index.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from feedserver.index.reader import SelectedEntry
from feedserver.model import Value


class Snapshot(Value, frozen=True):
    """The entries of a document: digests by id; `channel` stands for all that is not an entry."""

    channel: str
    entries: dict[str, str]


class Change(Value, frozen=True):
    """The ids that a client must get, and those that it has and the document no longer holds."""

    added: frozenset[str]
    left: frozenset[str]


def take_snapshot(channel: str, entries: Iterable[SelectedEntry]) -> Snapshot:
    """The snapshot of a document with these entries."""
    return Snapshot(channel=channel, entries={one.article.id: one.digest for one in entries})


def change_between(before: Snapshot, now: Snapshot) -> Change | None:
    """What is new or changed; None if entries do not tell it: the channel changed, or nothing did."""
    added = frozenset(key for key, digest in now.entries.items() if before.entries.get(key) != digest)
    if before.channel != now.channel or not added:
        return None
    return Change(added=added, left=frozenset(before.entries) - frozenset(now.entries))


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """The form in which snapshots are kept."""
    return msgspec.json.encode(snapshot)


def decode_snapshot(stored: bytes | None) -> Snapshot | None:
    """A kept snapshot; None if there is none, or it is of another version."""
    if stored is None:
        return None
    try:
        return msgspec.json.decode(stored, type=Snapshot)
    except msgspec.DecodeError:
        return None
