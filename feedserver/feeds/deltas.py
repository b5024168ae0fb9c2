"""Differences between two states of a feed document (RFC 3229 with the `feed` instance manipulation).

A snapshot has the ids of a document's entries and the digest of each. With `http.deltas`, and only then, the
shared cache keeps one of each subscription document that was rendered, so that later the new entries can be
told from it. The channel is not in it, because a delta carries the whole channel. Pure: knows no HTTP, no
cache and no index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from feedserver.index.values import SelectedEntry
from feedserver.model import Value

# Digests by id.
Snapshot = Mapping[str, str]


class Change(Value, frozen=True):
    """The ids that a client lacks, and those that it has and the document no longer holds."""

    added: frozenset[str]
    left: frozenset[str]


def take_snapshot(entries: Iterable[SelectedEntry]) -> Snapshot:
    """The snapshot of a document with these entries."""
    return {one.article.id: one.digest for one in entries}


def change_between(before: Snapshot, now: Snapshot) -> Change:
    """The entries that are new or changed, and those that left the document."""
    return Change(
        added=frozenset(key for key, digest in now.items() if before.get(key) != digest),
        left=frozenset(before) - frozenset(now),
    )


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """A snapshot as bytes for the cache."""
    return msgspec.json.encode(snapshot)


def decode_snapshot(stored: bytes | None) -> Snapshot | None:
    """A snapshot from the cache; None if there is none, or its format is another one."""
    if stored is None:
        return None
    try:
        return msgspec.json.decode(stored, type=dict[str, str])
    except msgspec.DecodeError:
        return None
