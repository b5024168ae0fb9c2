"""Takes over stored files from the build that serves into a new build.

After an upgrade, or for other settings, the index is built anew. A root may be unavailable at that moment
(unmounted, for example), or a file broken. Their published articles are then copied from the serving build.
Reads only. Also reads builds of index version 4; fails if the tables are of another version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Table, inspect, select

from feedserver.articles.selections.values import ListingRules
from feedserver.index import schema
from feedserver.index.candidates import stored_contents
from feedserver.index.contents import content_of, reading_of
from feedserver.index.file_values import FileContent, FileKey, FileState, Stamp
from feedserver.index.files import file_ids
from feedserver.index.taxonomies import stored_taxonomies
from feedserver.index.transactions import PIECE, transaction
from feedserver.model import Finding, Reading, Taxonomy, Verdict

_FINDINGS = msgspec.json.Decoder(tuple[Finding, ...])


def inherited_files(
    connection: Connection, root: int, rules: ListingRules
) -> Iterator[list[tuple[str, Stamp, FileContent]]]:
    """The files of a root in a build, in the order of their paths, some at a time.

    Args:
        connection: to the build that serves.
        root: the position that the root had in its settings.
        rules: of the present settings.

    Raises:
        DBAPIError: if the build cannot be read.
    """
    table = schema.file
    of_root = select(*_columns_of(connection, table)).where(table.c.root == root)
    last = ""
    while True:
        query = of_root.where(table.c.path > last)
        with transaction(connection):
            rows = connection.execute(query.order_by(table.c.path).limit(PIECE)).all()
            stated = stored_contents(connection, [row.id for row in rows])
            described = stored_taxonomies(connection, [row.id for row in rows])
            files = [(row.path, _stamp(row), _content(row, stated, described, rules)) for row in rows]
        if not files:
            return
        last = files[-1][0]
        yield files


def _columns_of(connection: Connection, table: Table) -> list[Column[Any]]:
    """The columns of a table that a build has: one of index version 4 has no states of files."""
    with transaction(connection):
        present = {column["name"] for column in inspect(connection).get_columns(table.name)}
    return [column for column in table.c if column.name in present]


def _stamp(row: Any) -> Stamp:
    return Stamp(
        mtime_ns=row.mtime_ns,
        ctime_ns=row.ctime_ns,
        size=row.size,
        inode=int(row.inode),
        state=FileState(getattr(row, "state", None) or FileState.SEEN),
    )


def published_readings(
    connection: Connection, root: int, paths: Sequence[str]
) -> dict[str, tuple[Reading, int]]:
    """The published readings of files of a root in a build, and their mtimes; other files are absent.

    Args:
        connection: to the build that serves.
        root: the position that the root had in its settings.
        paths: of the files.

    Raises:
        DBAPIError: if the build cannot be read.
    """
    keys = [FileKey(root=root, path=path) for path in paths]
    with transaction(connection):
        ids = {file_id: key.path for key, file_id in file_ids(connection, keys).items()}
        stated = stored_contents(connection, ids)
        described = stored_taxonomies(connection, ids)
        return {
            ids[file_id]: (reading_of(content), mtime) for file_id, (content, mtime) in stated.items()
        } | {
            ids[file_id]: (Reading(verdict=Verdict.TAXONOMY, taxonomy=taxonomy), 0)
            for file_id, taxonomy in described.items()
        }


def _content(
    row: Any,
    stated: Mapping[int, tuple[FileContent, int]],
    described: Mapping[int, Taxonomy],
    rules: ListingRules,
) -> FileContent:
    verdict = Verdict(row.verdict)
    findings = _FINDINGS.decode(row.findings) if row.findings else ()
    if verdict is Verdict.ARTICLE and row.id in stated:
        reading = msgspec.structs.replace(reading_of(stated[row.id][0]), findings=findings)
        return content_of(reading, rules)
    return FileContent(verdict=verdict, findings=findings, taxonomy=described.get(row.id))
