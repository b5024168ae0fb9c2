"""A place in object storage as the target of an export.

Documents are written while the export runs, and the objects that the site has no more are removed when all
others are written, so that no page links to nothing. Both are in the journal before they happen, so an export
that was killed is finished by the next one, from any machine (promise 6).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path

from feedserver.errors import ExportError
from feedserver.export.notes import Notes
from feedserver.export.object_form import key_of
from feedserver.export.storage.addresses import checked
from feedserver.export.storage.client import StorageClient
from feedserver.export.storage.journal import JournalEntry
from feedserver.export.storage.lease import Lease, LeaseTimes
from feedserver.export.storage.ledger import RECORDS, BucketLedger
from feedserver.export.target import OWN, UnitRecord, Written, left_over


class Bucket:
    """A place in object storage, open and leased; a `target.Target`. A context manager.

    Args:
        address: `s3://bucket/prefix` for instance.
        state_dir: the state folder of the site.
        times: of the lease.

    Raises:
        ExportError: on construction, if it holds something that is no export, or another export has it.
        StorageError: on construction, if object storage cannot be used.
    """

    def __init__(self, address: str, state_dir: Path, times: LeaseTimes | None = None) -> None:
        self.address = checked(address)
        self._doomed: set[str] = set()
        with ExitStack() as opened:
            self._store = opened.enter_context(closing(StorageClient(self.address, is_anew=True)))
            if not self._store.names(OWN) and not self._store.is_empty():
                msg = "holds something else than an export; name an empty bucket or another prefix"
                raise ExportError(self.address, msg)
            self._lease = Lease(self._store, state_dir, times)
            opened.callback(self._lease.release)
            # An empty name: a database in a file of its own that is gone when it is closed.
            self._records = opened.enter_context(closing(Notes(sqlite3.connect(""))))
            self._records.prepare()
            self._ledger = BucketLedger(self._store, self._records, self._lease.token)
            self._opened = opened.pop_all()

    @property
    def notes(self) -> str:
        """The object of its records."""
        return f"{self.address}/{RECORDS}"

    @property
    def strays(self) -> frozenset[str]:
        """As `target.Target` has them."""
        return self._ledger.strays

    @property
    def session(self) -> str:
        """The round of the journal."""
        return self._ledger.session

    def __enter__(self) -> Bucket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the lease."""
        self._opened.close()

    def is_in_place(self) -> bool:
        """Whether the lease is still held."""
        return self._lease.is_ours()

    def signatures(self) -> dict[str, str]:
        """The signatures of all units that have documents."""
        return self._records.signatures()

    def written(self, name: str) -> tuple[Written, ...]:
        """The documents of a unit."""
        return self._records.written(name)

    def documents(self) -> int:
        """How many documents are in the bucket."""
        return self._records.documents()

    def record(self, records: Iterable[UnitRecord]) -> None:
        """Record documents; those that a unit has no more are removed when the export ends.

        Raises:
            StorageError: if the lease was lost.
        """
        records = tuple(records)
        gone = [path for one in records for path in left_over(self.written(one.name), one.written)]
        self._note(JournalEntry(records=records, doomed=tuple(gone)))
        self._records.record(records)
        self._doomed -= {one.path for record in records for one in record.written}

    def forget(self, name: str) -> int:
        """Remove the documents of a unit when the export ends; how many they are."""
        gone = self.written(name)
        self._note(JournalEntry(forgotten=(name,), doomed=tuple(one.path for one in gone)))
        self._records.forget(name)
        return len(gone)

    def finish(self, *, is_complete: bool = True) -> None:
        """Remove what the site has no more, and the remains of a killed export.

        The latter only if all units were made: some of it may be theirs.
        """
        self._remove(self._doomed)
        self._doomed = set()
        strays = self.strays
        if strays and is_complete:
            self._remove(strays - self._records.files())
            strays = frozenset()
        self._lease.check()
        self._ledger.end(strays)

    def _note(self, entry: JournalEntry) -> None:
        self._lease.check()
        self._ledger.note(entry)
        self._doomed.update(entry.doomed)

    def _remove(self, paths: Iterable[str]) -> None:
        keys = sorted(key_of(path) for path in paths)
        if keys:
            self._lease.check()
            self._store.remove(keys)
