"""What changed between two states of a feed document (RFC 3229 with the `feed` instance manipulation).

A snapshot is the ids of a document's entries with the digest of each; it is what must be remembered of a
document that was sent, to tell later what is new in it. The channel is not in it: a delta carries it whole.
Pure: knows no HTTP, no cache and no index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from feedserver.index.reader import SelectedEntry
from feedserver.model import Value

# Digests by id.
Snapshot = Mapping[str, str]


class Change(Value, frozen=True):
    """The ids that a client must get, and those that it has and the document no longer holds."""

    added: frozenset[str]
    left: frozenset[str]


def take_snapshot(entries: Iterable[SelectedEntry]) -> Snapshot:
    """The snapshot of a document with these entries."""
    return {one.article.id: one.digest for one in entries}


def change_between(before: Snapshot, now: Snapshot) -> Change:
    """What is new or changed, and what has left the document."""
    return Change(
        added=frozenset(key for key, digest in now.items() if before.get(key) != digest),
        left=frozenset(before) - frozenset(now),
    )


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """The form in which snapshots are kept."""
    return msgspec.json.encode(snapshot)


def decode_snapshot(stored: bytes | None) -> Snapshot | None:
    """A kept snapshot; None if there is none, or it is of another version."""
    if stored is None:
        return None
    try:
        return msgspec.json.decode(stored, type=dict[str, str])
    except msgspec.DecodeError:
        return None
