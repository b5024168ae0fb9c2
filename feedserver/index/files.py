"""The rows of files: each path that a scan found, with its stamp and its verdict.

Does not know articles. Keeps the first half of promise 1: a file is read again if its stored stamp is not the
one on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
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

from feedserver.index import schema
from feedserver.index.file_values import FileChange, FileKey, FileState, Stamp
from feedserver.index.statements import POSTGRESQL, delete_by_key, rows_by_key, rows_for, upsert, write_rows

_KEY = ("root", "path")
_STAMP = ("mtime_ns", "ctime_ns", "size", "inode", "state")
_VALUES = (*_STAMP, "verdict", "findings")
_STAMP_COLUMNS = tuple(schema.file.c[name] for name in ("path", *_STAMP))
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


def _occupied_by(function: str) -> Select[Any]:
    """The folders of a list in JSON that have files below them; `function` makes rows of the list."""
    listed = getattr(func, function)(bindparam("folders", type_=JSON if function != "json_each" else None))
    folder = listed.table_valued(column("value", String), name="folders").c.value
    # Everything that begins with "folder/" sorts between it and "folder0".
    return select(folder).where(
        exists().where(
            schema.file.c.root == bindparam("of"),
            schema.file.c.path > folder.concat(literal_column("'/'")),
            schema.file.c.path < folder.concat(literal_column("'0'")),
        )
    )


_OCCUPIED = {"sqlite": _occupied_by("json_each"), POSTGRESQL: _occupied_by("json_array_elements_text")}
_DELETE = delete(schema.file)
_UPSERT = upsert(schema.file, _KEY, _VALUES)


def stored_stamps(
    connection: Connection, root: int, first: str, before: str, most: int
) -> list[tuple[str, Stamp]]:
    """Paths and stamps of the files of a root from one path to before another, in their order.

    At most `most` of them; ask for the next ones with the last path.
    """
    return list(map(_path_and_stamp, rows_for(connection, _STAMPS, root, first, before, most)))


def stamps_at(connection: Connection, root: int, paths: Iterable[str]) -> list[tuple[str, Stamp]]:
    """The stored files among the given paths of a root, with their stamps, in any order."""
    return list(map(_path_and_stamp, rows_by_key(connection, _stamps_of(root), schema.file.c.path, paths)))


def occupied(connection: Connection, root: int, folders: Sequence[str]) -> list[str]:
    """The given paths of a root that have files below them, in any order."""
    query = _OCCUPIED[connection.dialect.name]
    return [folder for (folder,) in rows_for(connection, query, msgspec.json.encode(folders).decode(), root)]


def _path_and_stamp(row: tuple[str, int, int, int, str, str | None]) -> tuple[str, Stamp]:
    path, mtime_ns, ctime_ns, size, inode, state = row
    return path, Stamp(
        mtime_ns=mtime_ns,
        ctime_ns=ctime_ns,
        size=size,
        inode=int(inode),
        state=FileState.SEEN if state is None else FileState(state),
    )


@lru_cache
def _stamps_of(root: int) -> Select[Any]:
    return select(*_STAMP_COLUMNS).where(schema.file.c.root == literal_column(str(root), Integer))


def store_files(connection: Connection, changes: Sequence[FileChange]) -> dict[FileKey, int]:
    """Store the rows of files that exist. Returns the ids of all given files that are or were known."""
    rows = [
        (
            change.key.root,
            change.key.path,
            change.stamp.mtime_ns,
            change.stamp.ctime_ns,
            change.stamp.size,
            str(change.stamp.inode),
            None if change.stamp.state is FileState.SEEN else change.stamp.state.value,
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
    """Delete the rows of files that are gone."""
    gone = [ids[change.key] for change in changes if change.content is None and change.key in ids]
    delete_by_key(connection, _DELETE, schema.file.c.id, gone)
