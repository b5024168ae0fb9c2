"""The journal of an export in object storage: the objects that it will write, and those it has written.

An entry is an object below `.feedserver-export/journal/`, in the folder of its *round*. A round is one export
that changed something. An export that was killed leaves a round without an end; the next one learns from its
entries which objects may be there without a record, and which records not to trust. Pure: it reads and writes
nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from feedserver.export.notes import Notes
from feedserver.export.target import OWN, UnitRecord, Written

FOLDER: Final = f"{OWN}/journal"
END: Final = "end"

_NAME = re.compile(rf"{re.escape(FOLDER)}/((\d+)-[0-9a-f]+)/([a-z0-9-]+)")


class JournalEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry.

    `begun` are paths of documents that are about to be written, `done` such that were, each with its unit.
    `records` are of units that were made, `forgotten` are units that are gone, and `doomed` are paths that
    will be removed when the round ends. The entry at the end has the paths that were not removed, `strays`.
    """

    begun: tuple[str, ...] = ()
    done: tuple[tuple[str, Written], ...] = ()
    records: tuple[UnitRecord, ...] = ()
    forgotten: tuple[str, ...] = ()
    doomed: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()


_ENTRY = msgspec.msgpack.Decoder(JournalEntry)


def encoded(entry: JournalEntry) -> bytes:
    """The object of an entry."""
    return msgspec.msgpack.encode(entry)


def decoded(body: bytes) -> JournalEntry:
    """The entry of an object. Raises msgspec.DecodeError."""
    return _ENTRY.decode(body)


def name_of(session: str, entry: str) -> str:
    """The name of an entry of a round."""
    return f"{FOLDER}/{session}/{entry}"


def session_of(number: int, token: str) -> str:
    """The name of a round."""
    return f"{number:010d}-{token}"


def split(name: str) -> tuple[int, str, str] | None:
    """The number of a round, its name and the entry, from the name of an object; None for another one."""
    found = _NAME.fullmatch(name)
    return None if found is None else (int(found[2]), found[1], found[3])


class Replay:
    """Brings records up to date by the entries that were written since.

    Args:
        notes: the records.
        entries: by the names of their objects.

    Attributes:
        strays: paths of documents that may be there without a record.
        is_clean: whether every round has its end.
    """

    def __init__(self, notes: Notes, entries: Mapping[str, JournalEntry]) -> None:
        self._notes = notes
        self._strays: set[str] = set()
        self._doubtful: set[str] = set()
        rounds: dict[tuple[int, str], dict[str, JournalEntry]] = defaultdict(dict)
        for name, entry in entries.items():
            parts = split(name)
            if parts is not None:
                rounds[parts[:2]][parts[2]] = entry
        ordered = [rounds[key] for key in sorted(rounds)]
        for entries_of_round in ordered:
            self._take(entries_of_round, is_last=entries_of_round is ordered[-1])
        notes.doubt(frozenset(self._doubtful))
        self.is_clean = all(END in one for one in ordered)
        self.strays = frozenset(self._strays)

    def _take(self, entries: Mapping[str, JournalEntry], *, is_last: bool) -> None:
        ordered = [entries[name] for name in sorted(entries)]
        recorded = {record.name for entry in ordered for record in entry.records}
        for entry in ordered:
            for name in entry.forgotten:
                self._notes.forget(name)
            self._notes.record(entry.records)
        if END in entries:
            self._strays.update(entries[END].strays)
            return
        begun = {path for entry in ordered for path in entry.begun}
        self._strays |= begun | {path for entry in ordered for path in entry.doomed}
        done = [one for entry in ordered for one in entry.done]
        if is_last:
            self._record_done((unit, one) for unit, one in done if unit not in recorded)
            begun -= {one.path for _, one in done}
            begun -= {one.path for entry in ordered for record in entry.records for one in record.written}
        self._doubtful |= begun

    def _record_done(self, done: Iterable[tuple[str, Written]]) -> None:
        """Record documents of units that were not made to the end."""
        for unit, one in done:
            others = (other for other in self._notes.written(unit) if other.path != one.path)
            self._notes.record([UnitRecord(unit, "", (*others, one))])
