"""Uploads the documents of an export to object storage, for one process.

Documents are collected, written down in the journal, and uploaded some at a time. So a kill costs the next
export one such batch of each process.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from typing import Final

import msgspec

from feedserver.export.object_form import ObjectForm, StoredObject
from feedserver.export.storage import journal
from feedserver.export.storage.client import StorageClient
from feedserver.export.storage.journal import JournalEntry
from feedserver.export.target import Made, Written
from feedserver.feeds.representation import digest

# A batch: so many documents, or so many bytes.
BATCH_DOCUMENTS: Final = 64
BATCH_BYTES: Final = 8_000_000


class BucketWriter:
    """Puts documents into object storage; a `target.Writer`.

    Args:
        address: as of `Bucket`.
        form: of the objects.
        session: the round of the journal.

    Attributes:
        written: how many documents it was given that differ from those in place.
    """

    def __init__(self, address: str, form: ObjectForm, session: str) -> None:
        self.written = 0
        self._store = StorageClient(address.rstrip("/"))
        self._form = form
        self._session = session
        self._numbers = itertools.count()
        self._waiting: list[tuple[str, Written, StoredObject]] = []
        self._done: tuple[tuple[str, Written], ...] = ()

    def close(self) -> None:
        """End its threads."""
        self._store.close()

    def put(self, unit: str, made: Made, before: Written | None) -> Written:
        """Upload a document with the next batch, if it differs; as `target.Writer`."""
        stored = self._form.stored(made)
        name = digest(msgspec.json.encode(sorted(stored.headers.items())) + stored.body)
        if before is not None and before.digest == name:
            return msgspec.structs.replace(before, source=made.source)
        written = Written(made.path, name, 0, (), made.source)
        self._waiting.append((unit, written, stored))
        self.written += 1
        waiting_bytes = sum(len(one.body) for _, _, one in self._waiting)
        if len(self._waiting) >= BATCH_DOCUMENTS or waiting_bytes >= BATCH_BYTES:
            self.settle()
        return written

    def settle(self) -> None:
        """Upload the batch."""
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        entry = JournalEntry(begun=tuple(one.path for _, one, _ in batch), done=self._done)
        name = journal.name_of(self._session, f"w{os.getpid()}-{next(self._numbers):08d}")
        self._store.write(name, journal.encoded(entry))
        self._store.write_all(stored for _, _, stored in batch)
        self._done = tuple((unit, one) for unit, one, _ in batch)

    def remove(self, files: Iterable[str]) -> None:
        """Nothing: `Bucket.record` sees that a unit has them no more, and removes them at the end."""
