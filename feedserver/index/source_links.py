"""The links from files to the files of other articles, and which of them lead to another address by now.

A file is read with the addresses that its links have at that time. When one of the other articles appears,
moves or disappears, the files that link to it are marked, so that they are read again. Reads no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

import msgspec
from sqlalchemy import Connection, Integer, Select, and_, bindparam, delete, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert

from feedserver.articles.source_file import named_file, names_of
from feedserver.index import schema
from feedserver.index.file_values import FileChange, FileKey, FileState
from feedserver.index.statements import delete_by_key, rows_by_key, rows_for, write_rows

_COLUMNS = ("file_id", "root", "target", "address")
_INSERT = insert(schema.link)
_DELETE = delete(schema.link)
_MARK = (
    update(schema.file).where(schema.file.c.id == bindparam("marked")).values(state=FileState.UNSETTLED.value)
)
_KEYS = select(schema.file.c.id, schema.file.c.root, schema.file.c.path)
_ANY = select(schema.link.c.file_id).limit(literal_column("1")).offset(literal_column("0"))
# A file with the article in it, of which the entry says that it is shown.
_SHOWN = (
    select(schema.file.c.root, schema.file.c.path, schema.entry.c.article_id, schema.candidate.c.payload)
    .outerjoin(schema.entry, schema.entry.c.file_id == schema.file.c.id)
    .outerjoin(schema.candidate, schema.candidate.c.file_id == schema.file.c.id)
)
# Each link to a path with the article there.
_LINKED = (
    select(
        schema.link.c.file_id, schema.link.c.address, schema.entry.c.article_id, schema.candidate.c.payload
    )
    .select_from(schema.file)
    .join(
        schema.link,
        and_(schema.link.c.root == schema.file.c.root, schema.link.c.target == schema.file.c.path),
    )
    .outerjoin(schema.entry, schema.entry.c.file_id == schema.file.c.id)
    .outerjoin(schema.candidate, schema.candidate.c.file_id == schema.file.c.id)
)


class _Page(msgspec.Struct):
    """The part of an article that a link needs."""

    url: str


_PAGES = msgspec.json.Decoder(_Page)


def store_links(connection: Connection, changes: Sequence[FileChange], ids: Mapping[FileKey, int]) -> None:
    """Replace the links of files by those of their new content."""
    if _has_none(connection) and not any(change.content and change.content.links for change in changes):
        return
    delete_by_key(connection, _DELETE, schema.link.c.file_id, ids.values())
    rows = [
        (ids[change.key], change.key.root, target, address)
        for change in changes
        if change.content is not None
        for target, address in change.content.links
    ]
    write_rows(connection, _INSERT, _COLUMNS, rows)


def mark_outdated(connection: Connection, changed: Iterable[int], gone: Iterable[FileKey]) -> set[FileKey]:
    """Mark the files whose links have other addresses now, and return them.

    Args:
        connection: in a write transaction.
        changed: ids of files whose article appeared, changed or disappeared.
        gone: files that were removed.
    """
    if _has_none(connection):
        return set()
    addresses: dict[int, dict[str, str]] = {}
    for root, path, entry, payload in rows_by_key(connection, _SHOWN, schema.file.c.id, changed):
        addresses.setdefault(root, {}).update(dict.fromkeys(_targets(path), _address(entry, payload)))
    for key in gone:
        addresses.setdefault(key.root, {}).update(dict.fromkeys(_targets(key.path), ""))
    outdated: set[int] = set()
    for root, by_target in addresses.items():
        linking = rows_by_key(connection, _linking(root), schema.link.c.target, by_target)
        outdated |= {file_id for file_id, target, address in linking if address != by_target[target]}
    return _marked(connection, outdated)


def _targets(path: str) -> list[str]:
    """The targets of the links that may lead to a file."""
    file = PurePosixPath(path)
    return [path, *(str(named_file(name)) for name in names_of(file))]


def mark_all_outdated(connection: Connection) -> set[FileKey]:
    """Mark all files whose links have other addresses now, and return them."""
    if _has_none(connection):
        return set()
    rows = rows_for(connection, _LINKED)
    return _marked(
        connection,
        {file_id for file_id, address, entry, payload in rows if address != _address(entry, payload)},
    )


def _marked(connection: Connection, file_ids: set[int]) -> set[FileKey]:
    if not file_ids:
        return set()
    connection.execute(_MARK, [{"marked": file_id} for file_id in sorted(file_ids)])
    return {
        FileKey(root=root, path=path)
        for _, root, path in rows_by_key(connection, _KEYS, schema.file.c.id, file_ids)
    }


def _has_none(connection: Connection) -> bool:
    """Whether no file has a link, as in most folders."""
    return not rows_for(connection, _ANY)


def _address(entry: str | None, payload: bytes | None) -> str:
    return "" if entry is None or payload is None else _PAGES.decode(payload).url


@lru_cache
def _linking(root: int) -> Select[Any]:
    table = schema.link
    return select(table.c.file_id, table.c.target, table.c.address).where(
        table.c.root == literal_column(str(root), Integer)
    )
