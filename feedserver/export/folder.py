"""The export folder: its files, and the records of them.

Its subfolder `.feedserver-export` has a lock, a small database with the signature of each unit and the files
that were written for it, and a folder in which files are made before they are renamed into place, so that a
server never sees a partial file. Only files that the export wrote are ever replaced or removed. Each is noted
in a journal before it appears, so that this also holds after a process was killed.

A file's modification time is the document's Last-Modified, because static servers send it as such, and most
make their ETag of it and of the size. So it is later than that of any earlier file at the same path, and
stays the same as long as the bytes do (promise 3).
"""

from __future__ import annotations

import fcntl
import fnmatch
import itertools
import os
import shutil
import sqlite3
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from feedserver.errors import ExportError
from feedserver.export.notes import Notes, named_errors
from feedserver.export.target import OWN, Made, UnitRecord, Written
from feedserver.export.tree import Tree, in_the_way, is_inside
from feedserver.feeds.representation import ENCODINGS, digest, last_modified_after

# The encodings of a document are files beside it, as static servers look for them.
SUFFIXES: Mapping[str, str] = {"br": ".br", "gzip": ".gz"}

_INCOMING = f"{OWN}/incoming"
_LOCK = "lock"
_STATE = "state.sqlite"
_JOURNAL = "*.paths"


class Folder:
    """An export folder and its database, open and locked. A context manager.

    Attributes:
        path: where it is.
        strays: files that a killed export may have written and did not get to record.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the folder.

        Raises:
            ExportError: if it holds something that is no export, or another export is writing to it.
            OSError: if it cannot be made or written.
        """
        self.path = path
        if not _has_notes(path) and path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ExportError(path, "holds something else than an export; name an empty or a new folder")
        path.mkdir(parents=True, exist_ok=True)
        self.strays: frozenset[str] = frozenset()
        with ExitStack() as opened:
            # Any failure from here on releases the lock, which the next attempt of this process needs.
            self._tree = opened.enter_context(closing(Tree(path)))
            self._make_notes()
            self._lock = self._tree.open_file(f"{OWN}/{_LOCK}", os.O_RDWR | os.O_CREAT)
            opened.callback(os.close, self._lock)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ExportError(path, "another export is writing to it") from None
            with named_errors(self.notes):
                self._records = opened.enter_context(closing(Notes(sqlite3.connect(path / OWN / _STATE))))
                self._open_records()
                self._recover()
            self._opened = opened.pop_all()

    @property
    def address(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def session(self) -> str:
        """Nothing, as writers name their journals by their processes."""
        return ""

    @property
    def notes(self) -> Path:
        """The database of its records."""
        return self.path / OWN / _STATE

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the lock."""
        self._opened.close()

    def is_in_place(self) -> bool:
        """Whether the folder is still at its path: it may have been removed, or replaced by another one."""
        try:
            there = (self.path / OWN / _LOCK).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return os.path.samestat(os.fstat(self._lock), there)

    # --- the records ----------------------------------------------------------------------------

    def signatures(self) -> dict[str, str]:
        """The signatures of all units that have files."""
        return self._records.signatures()

    def written(self, name: str) -> tuple[Written, ...]:
        """The files of a unit."""
        return self._records.written(name)

    def documents(self) -> int:
        """How many documents are in the folder."""
        return self._records.documents()

    def record(self, records: Iterable[UnitRecord]) -> None:
        """Record written files."""
        self._records.record(records)

    def forget(self, name: str) -> int:
        """Remove the files of a unit that is gone; how many documents they were."""
        gone = self.written(name)
        self.record([UnitRecord(name, "", gone)])  # from here on it may have lost some
        self._tree.remove(file for one in gone for file in one.files)
        self._records.forget(name)
        return len(gone)

    def finish(self, *, is_complete: bool = True) -> None:
        """Remove the journals, as all files are recorded, and the remains of a killed export.

        Unless the export was ended before it had made all units: then some of that may be theirs.
        """
        if self.strays and not is_complete:
            return
        if self.strays:
            self._tree.remove(self.strays - self._records.files())
            self.strays = frozenset()
        self._empty_incoming()

    # --- after a process was killed -------------------------------------------------------------

    def _recover(self) -> None:
        """Trust no record of a file that the journals name: it may have been replaced since."""
        # A line that was cut off names a file that was not renamed into place yet. One that names no file of
        # an export was written by another program.
        self.strays = frozenset(line for line in self._journal_lines() if _may_be_ours(line))
        self._records.doubt(self.strays)

    def _journal_lines(self) -> Iterator[str]:
        with self._tree.folder(_INCOMING) as incoming:
            names = fnmatch.filter(os.listdir(incoming), _JOURNAL)  # noqa: PTH208  of a descriptor
        for name in names:
            descriptor = self._tree.open_file(f"{_INCOMING}/{name}", os.O_RDONLY)
            with os.fdopen(descriptor, encoding="utf-8", errors="replace") as journal:
                yield from journal.read().splitlines()

    def _make_notes(self) -> None:
        """Create missing parts of the export's own folder; refuse links in it, which SQLite would follow."""
        with self._tree.folder(_INCOMING, make=True):
            pass
        for suffix in ("", "-journal", "-wal", "-shm"):
            file = f"{OWN}/{_STATE}{suffix}"
            mode = self._tree.mode(file)
            if mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise in_the_way(self.path / file)

    def _empty_incoming(self) -> None:
        with self._tree.folder(OWN) as own:
            shutil.rmtree(_INCOMING.removeprefix(f"{OWN}/"), dir_fd=own)
        with self._tree.folder(_INCOMING, make=True):
            pass

    def _open_records(self) -> None:
        if not self._records.prepare():
            raise ExportError(
                self.path, "was exported by another version of feedserver; name a new folder, or empty it"
            )


class FolderWriter:
    """Writes the files of documents below an export folder, for one process.

    Attributes:
        written: how many documents it wrote.
    """

    def __init__(self, path: Path, strays: Collection[str]) -> None:
        self._path = path
        self._strays = strays
        self._numbers = itertools.count()
        self.written = 0
        with ExitStack() as opened:
            self._tree = opened.enter_context(closing(Tree(path)))
            self._incoming = opened.enter_context(self._tree.folder(_INCOMING))
            descriptor = self._tree.open_file(
                f"{_INCOMING}/{os.getpid()}.paths", os.O_WRONLY | os.O_APPEND | os.O_CREAT
            )
            self._journal = opened.enter_context(os.fdopen(descriptor, "a", encoding="utf-8"))
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the journal."""
        self._opened.close()

    def put(self, unit: str, made: Made, before: Written | None) -> Written:
        """Write a document with its encodings, if it differs from the existing one; as `target.Writer`."""
        variants = {"": made.representation.body}
        for encoding in ENCODINGS:
            coded = made.representation.encoded(encoding)
            if coded is not None:
                variants[SUFFIXES[encoding]] = coded
        name = digest(b"".join(variants.values()))
        if before is not None and before.digest == name:
            return msgspec.structs.replace(before, source=made.source)
        mtime = self.write(made.path, variants, made.representation.last_modified, before)
        return Written(made.path, name, mtime, tuple(filter(None, variants)), made.source)

    def settle(self) -> None:
        """Nothing: each file is in place when it is written."""

    def remove(self, files: Iterable[str]) -> None:
        """Remove files of the export."""
        files = list(files)
        self._note(files)
        self._tree.remove(files)

    def write(
        self, path: str, variants: Mapping[str, bytes], last_modified: datetime | None, known: Written | None
    ) -> int:
        """Write the files of a document.

        Args:
            path: of the document.
            variants: its bytes in each encoding, by suffix; the suffix of the plain ones is empty.
            last_modified: its own, or None if it has none.
            known: the record of the file that was written there before, or None.

        Returns:
            The modification time of the files, in seconds since the epoch.

        Raises:
            ExportError: if there is a file that the export did not write.
        """
        mtime = _moment(last_modified, known)
        ours = set() if known is None else set(known.files)
        for file in (path + suffix for suffix in variants):
            # Before the first is placed: of a document whose files are known all are replaced, or none.
            if self._is_foreign(file, is_ours=file in ours or file in self._strays):
                raise in_the_way(self._path / file)
        self._note([path + suffix for suffix in variants])
        for suffix, content in variants.items():
            self._place(path + suffix, content, mtime)
        self.written += 1
        return mtime

    def _note(self, files: Iterable[str]) -> None:
        self._journal.write("".join(f"{file}\n" for file in files))
        self._journal.flush()

    def _place(self, file: str, content: bytes, mtime: int) -> None:
        temporary = f"{os.getpid()}-{next(self._numbers)}"
        try:
            self._write_aside(temporary, content, mtime)
            self._tree.place(self._incoming, temporary, file)
        except (OSError, ExportError):
            self._discard(temporary)  # a full disk shall not hold a file of each attempt
            raise

    def _write_aside(self, temporary: str, content: bytes, mtime: int) -> None:
        self._discard(temporary)  # of a process with the same id that was killed
        descriptor = self._tree.open_file(f"{_INCOMING}/{temporary}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.utime(descriptor, (mtime, mtime))

    def _discard(self, temporary: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=self._incoming)

    def _is_foreign(self, file: str, *, is_ours: bool) -> bool:
        """Whether another's lies at the path of a file; where one of ours was, only a folder tells."""
        mode = self._tree.mode(file)
        return mode is not None and (stat.S_ISDIR(mode) or not is_ours)


def _has_notes(path: Path) -> bool:
    try:
        return stat.S_ISDIR((path / OWN).lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _may_be_ours(file: str) -> bool:
    """Whether a line of a journal can name a file of an export; of its own notes, only those for others."""
    is_own = file.partition("/")[0] == OWN
    return is_inside(file) and (not is_own or file.endswith(".map"))


def _moment(last_modified: datetime | None, known: Written | None) -> int:
    previous = None if known is None else datetime.fromtimestamp(known.mtime, UTC)
    if last_modified is not None and (previous is None or last_modified > previous):
        return int(last_modified.timestamp())
    # A document without a publication history; or one whose history was lost, or could not be asked.
    return int(last_modified_after(datetime.now(UTC), previous).timestamp())
