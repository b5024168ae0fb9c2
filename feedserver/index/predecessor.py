"""What the serving build says of files, for a new build that cannot read them itself.

A root may be away (unmounted, say), or a file be broken, just when the index must be built anew, after an
upgrade or for other settings. What was published then goes over from the build that serves into the one that
is made. Reads only; fails where the tables of that build are of another version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select

from feedserver.index import builds, schema
from feedserver.index.builds import PIECE, transaction
from feedserver.index.candidates import stored_contents
from feedserver.index.contents import content_of, reading_of
from feedserver.index.files import file_ids
from feedserver.index.taxonomies import stored_taxonomies
from feedserver.model import FileContent, FileKey, Finding, Reading, Selection, Stamp, Taxonomy, Verdict

_FINDINGS = msgspec.json.Decoder(tuple[Finding, ...])


def inherited_files(
    build: Path, root: int, selections: Sequence[Selection]
) -> Iterator[list[tuple[str, Stamp, FileContent]]]:
    """The files of a root as a build has them, in the order of their paths, some at a time.

    Args:
        build: the one that serves.
        root: the position that the root had in its settings.
        selections: the feeds of the present settings.

    Raises:
        DBAPIError: if the build cannot be read.
    """
    table = schema.file
    engine = builds.open_engine(build)
    last = ""
    try:
        with engine.connect() as connection:
            while True:
                query = select(table).where(table.c.root == root, table.c.path > last)
                with transaction(connection):
                    rows = connection.execute(query.order_by(table.c.path).limit(PIECE)).all()
                    stated = stored_contents(connection, [row.id for row in rows])
                    described = stored_taxonomies(connection, [row.id for row in rows])
                if not rows:
                    return
                last = rows[-1].path
                found = []
                for row in rows:
                    stamp = Stamp(
                        mtime_ns=row.mtime_ns, ctime_ns=row.ctime_ns, size=row.size, inode=int(row.inode)
                    )
                    found.append((row.path, stamp, _content(row, stated, described, selections)))
                yield found
    finally:
        engine.dispose()


def published_readings(build: Path, root: int, paths: Sequence[str]) -> dict[str, tuple[Reading, int]]:
    """The readings that a build has of files of a root, each with its mtime; of others it publishes nothing.

    Args:
        build: the one that serves.
        root: the position that the root had in its settings.
        paths: of the files.

    Raises:
        DBAPIError: if the build cannot be read.
    """
    keys = [FileKey(root=root, path=path) for path in paths]
    engine = builds.open_engine(build)
    try:
        with engine.connect() as connection, transaction(connection):
            ids = {file_id: key.path for key, file_id in file_ids(connection, keys).items()}
            stated = stored_contents(connection, ids)
            described = stored_taxonomies(connection, ids)
    finally:
        engine.dispose()
    articles = {ids[file_id]: (reading_of(content), mtime) for file_id, (content, mtime) in stated.items()}
    return articles | {
        ids[file_id]: (Reading(verdict=Verdict.TAXONOMY, taxonomy=taxonomy), 0)
        for file_id, taxonomy in described.items()
    }


def _content(
    row: Any,
    stated: Mapping[int, tuple[FileContent, int]],
    described: Mapping[int, Taxonomy],
    selections: Sequence[Selection],
) -> FileContent:
    verdict = Verdict(row.verdict)
    findings = _FINDINGS.decode(row.findings) if row.findings else ()
    if verdict is Verdict.ARTICLE and row.id in stated:
        reading = msgspec.structs.replace(reading_of(stated[row.id][0]), findings=findings)
        return content_of(reading, selections)
    return FileContent(verdict=verdict, findings=findings, taxonomy=described.get(row.id))
