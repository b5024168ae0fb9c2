"""The target of an export: what `run` and `watch` need of the place that holds the exported site.

A *target* keeps the documents of the site and a record of each unit; it is open and locked in one process. A
*writer* puts documents into it, and each process of the pool has one. Knows no kind of target; `targets`
opens them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import msgspec

from feedserver.feeds.representation import Representation
from feedserver.site.caching import DocumentKind

# The notes of an export are below this name in its target, and no document is.
OWN = ".feedserver-export"


class Made(NamedTuple):
    """A document and its path in the target.

    `source` is empty, or stands for all that is in its bytes. `tags` are its cache tags.
    """

    path: str
    representation: Representation
    source: str = ""
    kind: DocumentKind = DocumentKind.PAGE
    tags: tuple[str, ...] = ()


class Written(msgspec.Struct, frozen=True, array_like=True):
    """A document in the target: its path, the digest of all that is stored of it, its modification time.

    `suffixes` are those of the files beside it, one for each encoding that it has. `source` as `Made` has it,
    `retraction` as its unit had it then.
    """

    path: str
    digest: str
    mtime: int
    suffixes: tuple[str, ...] = ()
    source: str = ""
    retraction: str = ""

    @property
    def files(self) -> list[str]:
        """The paths of all its files."""
        return [self.path + suffix for suffix in ("", *self.suffixes)]


class UnitRecord(msgspec.Struct, frozen=True, array_like=True):
    """The record of a unit: its documents, and the signature for which they were made."""

    name: str
    signature: str
    written: tuple[Written, ...]


class Target(Protocol):
    """A target, open and locked. A context manager; for one thread.

    Attributes:
        address: from which `targets` opens it, and by which errors name it.
        notes: where it keeps its records, for errors.
        strays: files that a killed export may have written and did not get to record.
        session: what its writers need to know of this export, for `targets`.
    """

    @property
    def address(self) -> str: ...

    @property
    def notes(self) -> Path | str: ...

    @property
    def strays(self) -> frozenset[str]: ...

    @property
    def session(self) -> str: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None:
        """Give up the lock."""

    def is_in_place(self) -> bool:
        """Whether the target is still the one that was opened, and locked by this process."""

    def signatures(self) -> dict[str, str]:
        """The signatures of all units that have documents."""

    def written(self, name: str) -> tuple[Written, ...]:
        """The documents of a unit."""

    def documents(self) -> int:
        """How many documents are in the target."""

    def record(self, records: Iterable[UnitRecord]) -> None:
        """Record the documents of units that were made."""

    def forget(self, name: str) -> int:
        """Remove the documents of a unit that is gone; how many they were."""

    def finish(self, *, is_complete: bool = True) -> None:
        """End an export; `is_complete` says that it has made all units."""


class Writer(Protocol):
    """Puts documents into a target, for one process.

    Attributes:
        written: how many documents it wrote.
    """

    @property
    def written(self) -> int: ...

    def put(self, unit: str, made: Made, before: Written | None) -> Written:
        """Write a document of a unit, if it differs from the one of `before`, which is at its path.

        It may be in place no sooner than after `settle`.

        Raises:
            ExportError: if something that the export did not write is in its place.
            StorageError: if the target cannot be written at all.
        """

    def settle(self) -> None:
        """Return when all documents are in place. Raises StorageError."""

    def remove(self, files: Iterable[str]) -> None:
        """Remove files of documents whose units have them no more, at once or when the export ends."""

    def close(self) -> None:
        """End its work."""


def left_over(before: Iterable[Written], after: Iterable[Written]) -> list[str]:
    """The files of a unit that it has no more, be it that a document or one of its encodings is gone."""
    kept = {file for one in after for file in one.files}
    return [file for one in before for file in one.files if file not in kept]
