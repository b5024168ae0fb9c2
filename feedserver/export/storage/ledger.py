"""The records of units in object storage, beside the documents, so that any machine can go on with an export.

They are one object, which is written anew after some rounds, and the journal of the rounds since. While an
export is open, the records are also in a temporary database of its own. For one process, which has the lease.
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Mapping
from typing import Final

import msgspec

from feedserver.errors import ExportError
from feedserver.export.notes import Notes
from feedserver.export.storage import journal
from feedserver.export.storage.client import StorageClient
from feedserver.export.storage.journal import JournalEntry, Replay
from feedserver.export.target import OWN, UnitRecord

RECORDS: Final = f"{OWN}/records"
# Raised when the objects have another form.
_VERSION: Final = 1

# The records are written anew when the journal has this many rounds, or entries: each is a request when an
# export begins.
_MOST_ROUNDS: Final = 32
_MOST_ENTRIES: Final = 500

_GZIP_LEVEL: Final = 1


class _Records(msgspec.Struct, frozen=True):
    """The object of the records, as it was after a round."""

    version: int
    through: int
    units: tuple[UnitRecord, ...]
    strays: tuple[str, ...] = ()


class BucketLedger:
    """The records and the journal.

    Args:
        store: the place.
        notes: an empty database for the records.
        token: of the lease.

    Attributes:
        strays: as `Target` has them.
        session: the name of the round that is open.

    Raises:
        ExportError: on construction, if another version of feedserver wrote the records, or they cannot be
            read.
    """

    def __init__(self, store: StorageClient, notes: Notes, token: str) -> None:
        self._store = store
        self._notes = notes
        self._token = token
        names = store.names(journal.FOLDER)
        kept = self._read_records()
        notes.record(kept.units)
        known = {name: parts[0] for name in names if (parts := journal.split(name)) is not None}
        later = [name for name, number in known.items() if number > kept.through]
        replay = Replay(notes, self._read_entries(later))
        self.strays = replay.strays | frozenset(kept.strays)
        # Whether the records are to be written anew: a round without an end is not to be read again.
        self._is_due = not replay.is_clean
        self._known = set(names)
        self._rounds = len({name.rpartition("/")[0] for name in later})
        self._begin(max([kept.through, *known.values()]) + 1)

    def note(self, entry: JournalEntry) -> None:
        """Write the next entry of the round.

        If documents go, the names of their listings shall not stay: then the journal is removed in the end.
        """
        name = journal.name_of(self.session, f"m{next(self._numbers):08d}")
        self._store.write(name, journal.encoded(entry))
        self._is_begun = True
        self._is_due = self._is_due or bool(entry.doomed)

    def end(self, strays: frozenset[str]) -> None:
        """End the round, unless it was not begun.

        Args:
            strays: those that are left.

        Raises:
            ExportError: if another export wrote to the journal at the same time.
        """
        self.strays = strays
        if not self._is_begun and not self._is_due:
            return
        names = set(self._store.names(journal.FOLDER))
        own = {name for name in names if name.startswith(journal.name_of(self.session, ""))}
        if not names <= self._known | own:
            # Its lease was lost without its knowledge. The next export finds its entries and puts it right.
            msg = "another export wrote to it at the same time; export again"
            raise ExportError(self._store.address, msg)
        self._rounds += 1
        if self._is_due or self._rounds >= _MOST_ROUNDS or len(names) >= _MOST_ENTRIES:
            self._rewrite(sorted(names))
        else:
            name = journal.name_of(self.session, journal.END)
            self._store.write(name, journal.encoded(JournalEntry(strays=tuple(sorted(strays)))))
            self._known = names | {name}
        self._begin(self._number + 1)

    def _begin(self, number: int) -> None:
        self._number = number
        self.session = journal.session_of(number, self._token)
        self._numbers = itertools.count()
        self._is_begun = False

    def _rewrite(self, names: list[str]) -> None:
        """Write the records as they are now, and remove the journal."""
        units = tuple(
            UnitRecord(name, signature, self._notes.written(name))
            for name, signature in self._notes.signatures().items()
        )
        records = _Records(_VERSION, self._number, units, tuple(sorted(self.strays)))
        self._store.write(
            RECORDS, gzip.compress(msgspec.msgpack.encode(records), compresslevel=_GZIP_LEVEL, mtime=0)
        )
        self._store.remove(names)
        self._known, self._rounds, self._is_due = set(), 0, False

    def _read_records(self) -> _Records:
        found = self._store.read(RECORDS)
        if found is None:
            return _Records(_VERSION, 0, ())
        try:
            records = msgspec.msgpack.decode(gzip.decompress(found.body), type=_Records)
        except (msgspec.DecodeError, OSError, EOFError) as error:
            raise self._unusable(RECORDS) from error
        if records.version != _VERSION:
            msg = "was exported by another version of feedserver; name a new prefix, or empty it"
            raise ExportError(self._store.address, msg)
        return records

    def _read_entries(self, names: list[str]) -> Mapping[str, JournalEntry]:
        entries = {}
        for name, found in zip(names, self._store.read_all(names), strict=True):
            try:
                entries[name] = JournalEntry() if found is None else journal.decoded(found.body)
            except msgspec.DecodeError as error:
                raise self._unusable(name) from error
        return entries

    def _unusable(self, name: str) -> ExportError:
        return ExportError(f"{self._store.address}/{name}", "is damaged; name a new prefix, or empty it")
