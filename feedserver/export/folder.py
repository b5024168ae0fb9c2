"""The export folder: its files, and what is known of them.

In `.feedserver-export` of the folder lie a small database, which holds for each unit its signature and the
files that were written for it, a lock, and the folder in which files are made before they are renamed into
place, so that a server never sees half a file. Only files that the export wrote are ever replaced or
removed; each is noted in a journal before it appears, so that this also holds after a process was killed.

A file's modification time is the document's Last-Modified, since static servers send it as that and most make
their ETag of it and of the size. So it is later than that of any file before it at the same path, and
stays as long as the bytes do (promise 3).
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import msgspec

from feedserver.errors import ExportError
from feedserver.representation import last_modified_after

OWN = ".feedserver-export"
_INCOMING = "incoming"
_LOCK = "lock"
_STATE = "state.sqlite"
_JOURNAL = "*.paths"

# How often a folder is made for a file before something other than an export must be what removes it.
_MOST_FOLDERS_LOST = 20

# Raised when the database has another form; a folder of another one is written anew.
_VERSION = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS unit (
    name TEXT PRIMARY KEY, signature TEXT NOT NULL, documents INTEGER NOT NULL, files BLOB NOT NULL
) WITHOUT ROWID;
"""


class Written(msgspec.Struct, frozen=True, array_like=True):
    """A document in the folder: its path, the digest of its bytes in all codings, its modification time.

    `suffixes` are those of the files beside it, one for each coding that it has. `source` as `site.Made`
    has it.
    """

    path: str
    digest: str
    mtime: int
    suffixes: tuple[str, ...] = ()
    source: str = ""

    @property
    def files(self) -> list[str]:
        """The paths of all its files."""
        return [self.path + suffix for suffix in ("", *self.suffixes)]


_WRITTEN = msgspec.msgpack.Decoder(tuple[Written, ...])


class UnitRecord(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a unit: the signature that its files were made for, and these."""

    name: str
    signature: str
    written: tuple[Written, ...]


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
        own = path / OWN
        if not own.is_dir() and path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ExportError(path, "holds something else than an export; name an empty or a new folder")
        (own / _INCOMING).mkdir(parents=True, exist_ok=True)
        self.strays: frozenset[str] = frozenset()
        with ExitStack() as opened:
            # Whatever fails from here on gives up the lock, which the next try of this process needs as well.
            self._lock = os.open(own / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            opened.callback(os.close, self._lock)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ExportError(path, "another export is writing to it") from None
            with named_errors(path):
                self._database = opened.enter_context(closing(sqlite3.connect(own / _STATE)))
                self._open_database()
                self._recover()
            self._opened = opened.pop_all()

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the lock."""
        self._opened.close()

    def is_in_place(self) -> bool:
        """Whether it is still what lies at its path: it may have been removed, or replaced by another one."""
        try:
            there = (self.path / OWN / _LOCK).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return os.path.samestat(os.fstat(self._lock), there)

    # --- what is known --------------------------------------------------------------------------

    def signatures(self) -> dict[str, str]:
        """The signatures of all units that have files."""
        return dict(self._database.execute("SELECT name, signature FROM unit"))

    def written(self, name: str) -> tuple[Written, ...]:
        """The files of a unit."""
        row = self._database.execute("SELECT files FROM unit WHERE name = ?", (name,)).fetchone()
        return () if row is None else _WRITTEN.decode(row[0])

    def documents(self) -> int:
        """How many documents are in the folder."""
        count: int = self._database.execute("SELECT total(documents) FROM unit").fetchone()[0]
        return int(count)

    def record(self, records: Iterable[UnitRecord]) -> None:
        """Note what was written."""
        rows = [
            (one.name, one.signature, len(one.written), msgspec.msgpack.encode(one.written))
            for one in records
        ]
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO unit VALUES (?, ?, ?, ?)", rows)

    def forget(self, name: str) -> int:
        """Remove the files of a unit that is gone; how many documents they were."""
        gone = self.written(name)
        self.record([UnitRecord(name, "", gone)])  # from here on it may have lost some
        _remove(self.path, [file for one in gone for file in one.files])
        with self._database:
            self._database.execute("DELETE FROM unit WHERE name = ?", (name,))
        return len(gone)

    def finish(self, *, is_complete: bool = True) -> None:
        """What was written is recorded: remove the journals; and what a killed export left.

        Unless the export was ended before it had made all units: then some of that may be theirs.
        """
        if self.strays and not is_complete:
            return
        if self.strays:
            owned = {file for name in self.signatures() for one in self.written(name) for file in one.files}
            _remove(self.path, self.strays - owned)
            self.strays = frozenset()
        self._empty_incoming()

    # --- after a process was killed -------------------------------------------------------------

    def _recover(self) -> None:
        """Trust no record of a file that the journals name: it may have been replaced since."""
        incoming = self.path / OWN / _INCOMING
        journals = [file.read_text(encoding="utf-8") for file in incoming.glob(_JOURNAL)]
        # A line that was cut off names a file that was not renamed into place yet.
        self.strays = frozenset(line for text in journals for line in text.splitlines())
        doubtful = [
            UnitRecord(name, "", tuple(self._doubted(one) for one in self.written(name)))
            for name in (self.signatures() if self.strays else ())
            if any(file in self.strays for one in self.written(name) for file in one.files)
        ]
        self.record(doubtful)

    def _doubted(self, one: Written) -> Written:
        if self.strays.isdisjoint(one.files):
            return one
        return msgspec.structs.replace(one, digest="", source="")

    def _empty_incoming(self) -> None:
        incoming = self.path / OWN / _INCOMING
        shutil.rmtree(incoming)
        incoming.mkdir()

    def _open_database(self) -> None:
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise ExportError(
                self.path, "was exported by another version of feedserver; name a new folder, or empty it"
            )
        # A crash of the machine may lose the last records, and those files are then written again.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_TABLES + f"PRAGMA user_version = {_VERSION};")


class Writer:
    """Writes the files of documents below an export folder, for one process.

    Attributes:
        written: how many documents it wrote.
    """

    def __init__(self, path: Path, strays: Collection[str]) -> None:
        self._path = path
        self._strays = strays
        self._incoming = path / OWN / _INCOMING
        self._numbers = itertools.count()
        self.written = 0
        self._journal = (self._incoming / f"{os.getpid()}.paths").open("a", encoding="utf-8")

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def remove(self, files: Sequence[str]) -> None:
        """Remove files of the export."""
        self._note(files)
        _remove(self._path, files)

    def write(
        self, path: str, variants: Mapping[str, bytes], last_modified: datetime | None, known: Written | None
    ) -> int:
        """Write the files of a document.

        Args:
            path: of the document.
            variants: its bytes in each coding, by suffix; the suffix of the plain ones is empty.
            last_modified: its own, or None if it has none.
            known: what was written there before, or None.

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
                raise _in_the_way(self._path / file)
        self._note([path + suffix for suffix in variants])
        for suffix, content in variants.items():
            self._place(path + suffix, content, mtime)
        self.written += 1
        return mtime

    def _note(self, files: Iterable[str]) -> None:
        self._journal.write("".join(f"{file}\n" for file in files))
        self._journal.flush()

    def _place(self, file: str, content: bytes, mtime: int) -> None:
        temporary = self._incoming / f"{os.getpid()}-{next(self._numbers)}"
        try:
            temporary.write_bytes(content)
            os.utime(temporary, (mtime, mtime))
            self._move(temporary, file)
        except (OSError, ExportError):
            temporary.unlink(missing_ok=True)  # a full disk shall not hold a file of each attempt
            raise

    def _move(self, temporary: Path, file: str) -> None:
        target = self._path / file
        for _ in range(_MOST_FOLDERS_LOST):
            try:
                temporary.replace(target)
            except FileNotFoundError:
                # Its folder is missing. Another process may remove it again while it is empty, or one above.
                with suppress(FileNotFoundError, FileExistsError):
                    target.parent.mkdir(parents=True, exist_ok=True)
            except NotADirectoryError:
                break
            else:
                return
        for folder in reversed(PurePosixPath(file).parents):
            if os.path.lexists(self._path / folder) and not (self._path / folder).is_dir():
                raise _in_the_way(self._path / folder)
        temporary.replace(target)

    def _is_foreign(self, file: str, *, is_ours: bool) -> bool:
        """Whether another's lies at the path of a file; where one of ours was, only a folder tells."""
        target = self._path / file
        return target.is_dir() if is_ours else os.path.lexists(target)


def _in_the_way(path: Path) -> ExportError:
    return ExportError(path, "is in the way: the export did not write it; move it")


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Make an error of the database of an export folder one of the family."""
    try:
        yield
    except sqlite3.Error as error:
        raise ExportError(path / OWN / _STATE, f"cannot be used: {error}") from error


def _remove(folder: Path, files: Iterable[str]) -> None:
    """Remove files of the export, and the folders that are empty then."""
    parents: set[PurePosixPath] = set()
    for file in files:
        # Another's file may lie where its folder was, or a folder where it was; then it is gone, too.
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            (folder / file).unlink()
        parents.update(PurePosixPath(file).parents)
    for parent in sorted(parents - {PurePosixPath()}, key=lambda one: len(one.parts), reverse=True):
        with suppress(OSError):  # it is not empty, or gone
            (folder / parent).rmdir()


def left_over(before: Iterable[Written], after: Iterable[Written]) -> list[str]:
    """The files of a unit that it has no more, be it that a document or one of its codings is gone."""
    kept = {file for one in after for file in one.files}
    return [file for one in before for file in one.files if file not in kept]


def _moment(last_modified: datetime | None, known: Written | None) -> int:
    previous = None if known is None else datetime.fromtimestamp(known.mtime, UTC)
    if last_modified is not None and (previous is None or last_modified > previous):
        return int(last_modified.timestamp())
    # A document without a memory; or one whose memory was lost, or could not be asked.
    return int(last_modified_after(datetime.now(UTC), previous).timestamp())
