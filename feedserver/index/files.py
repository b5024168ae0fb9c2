"""The rows of files: what a scan found, with its stamp and what it turned out to be.

Knows nothing of articles. Keeps the half of promise 1 that says what is read again: a file whose
stored stamp is not the one on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from feedserver.index import schema
from feedserver.index.builds import in_pieces, write_rows
from feedserver.model import FileChange, FileKey, Stamp


def stored_stamps(connection: Connection, root: int, under: str = "") -> dict[str, Stamp]:
    """The stamps of all files of a root, or of those at or below one path."""
    table = schema.file
    query = select(table.c.path, table.c.mtime_ns, table.c.ctime_ns, table.c.size, table.c.inode).where(
        table.c.root == root
    )
    if under:
        # Everything that begins with "under/" sorts between it and "under0".
        below = (table.c.path > f"{under}/") & (table.c.path < f"{under}0")
        query = query.where((table.c.path == under) | below)
    return {
        row.path: Stamp(mtime_ns=row.mtime_ns, ctime_ns=row.ctime_ns, size=row.size, inode=int(row.inode))
        for row in connection.execute(query)
    }


def store_files(connection: Connection, changes: Sequence[FileChange]) -> dict[FileKey, int]:
    """Upsert the rows of files that exist; the ids of all that are or were known."""
    statement = insert(schema.file)
    columns = ("mtime_ns", "ctime_ns", "size", "inode", "verdict", "findings")
    rows = [
        {
            "root": change.key.root,
            "path": change.key.path,
            "mtime_ns": change.stamp.mtime_ns,
            "ctime_ns": change.stamp.ctime_ns,
            "size": change.stamp.size,
            "inode": str(change.stamp.inode),
            "verdict": change.reading.verdict.value,
            "findings": msgspec.json.encode(change.reading.findings) if change.reading.findings else None,
        }
        for change in changes
        if change.stamp is not None and change.reading is not None
    ]
    if rows:
        write_rows(
            connection,
            statement.on_conflict_do_update(
                index_elements=["root", "path"],
                set_={name: statement.excluded[name] for name in columns},
            ),
            rows,
        )
    return file_ids(connection, (change.key for change in changes))


def file_ids(connection: Connection, keys: Iterable[FileKey]) -> dict[FileKey, int]:
    """The ids of the given files; unknown ones are absent."""
    table = schema.file
    by_root: dict[int, list[str]] = {}
    for key in keys:
        by_root.setdefault(key.root, []).append(key.path)
    ids = {}
    for root, paths in by_root.items():
        for piece in in_pieces(paths):
            query = select(table.c.id, table.c.path).where(table.c.root == root, table.c.path.in_(piece))
            for row in connection.execute(query):
                ids[FileKey(root=root, path=row.path)] = row.id
    return ids


def remove_files(connection: Connection, changes: Sequence[FileChange], ids: Mapping[FileKey, int]) -> None:
    """Forget the files that are gone."""
    gone = [ids[change.key] for change in changes if change.reading is None and change.key in ids]
    for piece in in_pieces(gone):
        connection.execute(delete(schema.file).where(schema.file.c.id.in_(piece)))
