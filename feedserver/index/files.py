"""The rows of files: what a scan found, with its stamp and what it turned out to be.

Knows nothing of articles. Keeps the half of promise 1 that says what is read again: a file whose
stored stamp is not the one on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Integer,
    Select,
    String,
    bindparam,
    column,
    delete,
    exists,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.sqlite import insert

from feedserver.index import schema
from feedserver.index.statements import delete_by_key, rows_by_key, rows_for, write_rows
from feedserver.model import FileChange, FileKey, Stamp

_KEY = ("root", "path")
_VALUES = ("mtime_ns", "ctime_ns", "size", "inode", "verdict", "findings")
_STAMP_COLUMNS = tuple(schema.file.c[name] for name in ("path", "mtime_ns", "ctime_ns", "size", "inode"))
_STAMPS = (
    select(*_STAMP_COLUMNS)
    .where(
        schema.file.c.root == bindparam("of"),
        schema.file.c.path >= bindparam("first"),
        schema.file.c.path < bindparam("before"),
    )
    .order_by(schema.file.c.path)
    .limit(bindparam("most"))
    .offset(literal_column("0"))
)
_FOLDERS = func.json_each(bindparam("folders")).table_valued(column("value", String), name="folders")
# Everything that begins with "folder/" sorts between it and "folder0".
_OCCUPIED = select(_FOLDERS.c.value).where(
    exists().where(
        schema.file.c.root == bindparam("of"),
        schema.file.c.path > _FOLDERS.c.value.concat(literal_column("'/'")),
        schema.file.c.path < _FOLDERS.c.value.concat(literal_column("'0'")),
    )
)
_INSERT = insert(schema.file)
_DELETE = delete(schema.file)
_UPSERT = _INSERT.on_conflict_do_update(
    index_elements=_KEY, set_={name: _INSERT.excluded[name] for name in _VALUES}
)


def stored_stamps(
    connection: Connection, root: int, first: str, before: str, most: int
) -> list[tuple[str, Stamp]]:
    """Paths and stamps of the files of a root from one path to before another, in their order.

    `most` is how many there are at most; the next ones begin after the last of them.
    """
    return list(map(_path_and_stamp, rows_for(connection, _STAMPS, root, first, before, most)))


def stamps_at(connection: Connection, root: int, paths: Iterable[str]) -> list[tuple[str, Stamp]]:
    """Those of the given paths of a root that are files, with their stamps, in any order."""
    return list(map(_path_and_stamp, rows_by_key(connection, _stamps_of(root), schema.file.c.path, paths)))


def occupied(connection: Connection, root: int, folders: Sequence[str]) -> list[str]:
    """The given paths of a root below which there are files, in any order."""
    return [
        folder for (folder,) in rows_for(connection, _OCCUPIED, msgspec.json.encode(folders).decode(), root)
    ]


def _path_and_stamp(row: tuple[str, int, int, int, str]) -> tuple[str, Stamp]:
    path, mtime_ns, ctime_ns, size, inode = row
    return path, Stamp(mtime_ns=mtime_ns, ctime_ns=ctime_ns, size=size, inode=int(inode))


@lru_cache
def _stamps_of(root: int) -> Select[Any]:
    return select(*_STAMP_COLUMNS).where(schema.file.c.root == literal_column(str(root), Integer))


def store_files(connection: Connection, changes: Sequence[FileChange]) -> dict[FileKey, int]:
    """Upsert the rows of files that exist; the ids of all that are or were known."""
    rows = [
        (
            change.key.root,
            change.key.path,
            change.stamp.mtime_ns,
            change.stamp.ctime_ns,
            change.stamp.size,
            str(change.stamp.inode),
            change.content.verdict.value,
            msgspec.json.encode(change.content.findings) if change.content.findings else None,
        )
        for change in changes
        if change.stamp is not None and change.content is not None
    ]
    write_rows(connection, _UPSERT, (*_KEY, *_VALUES), rows)
    return file_ids(connection, (change.key for change in changes))


def file_ids(connection: Connection, keys: Iterable[FileKey]) -> dict[FileKey, int]:
    """The ids of the given files; unknown ones are absent."""
    by_root: dict[int, list[str]] = {}
    for key in keys:
        by_root.setdefault(key.root, []).append(key.path)
    return {
        FileKey(root=root, path=path): file_id
        for root, paths in by_root.items()
        for file_id, path in rows_by_key(connection, _ids_of(root), schema.file.c.path, paths)
    }


@lru_cache
def _ids_of(root: int) -> Select[Any]:
    table = schema.file
    return select(table.c.id, table.c.path).where(table.c.root == literal_column(str(root), Integer))


def remove_files(connection: Connection, changes: Sequence[FileChange], ids: Mapping[FileKey, int]) -> None:
    """Forget the files that are gone."""
    gone = [ids[change.key] for change in changes if change.content is None and change.key in ids]
    delete_by_key(connection, _DELETE, schema.file.c.id, gone)
