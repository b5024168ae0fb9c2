"""The memory: what was published, as no file can tell.

Per article the digest of its visible fields and the `updated` it was published with; per address the
validators last sent; which listings ever existed; the last good version of a broken file; the
authority of the ids. Decides Last-Modified; does not know what an index is. Keeps
promises 3 and 4, and with the index promise 2: same files and same memory, same bytes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, func, inspect, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import StateError
from feedserver.index import builds, schema
from feedserver.index.builds import transaction
from feedserver.index.decisions import KnownArticle
from feedserver.index.statements import rows_by_key, rows_for, write_rows
from feedserver.model import Kind, ListingKey, Reading
from feedserver.representation import last_modified_after

_ADDRESS = select(schema.known_address).where(schema.known_address.c.address == bindparam("of"))
_INSERT_ADDRESS = insert(schema.known_address)
_UPSERT_ADDRESS = _INSERT_ADDRESS.on_conflict_do_update(
    index_elements=["address"],
    set_={name: _INSERT_ADDRESS.excluded[name] for name in ("etag", "last_modified", "sequence")},
)
_ARTICLES = select(schema.known_article)
_LAST_GOOD = select(schema.last_good)
_INSERT_ARTICLE = insert(schema.known_article)
_UPSERT_ARTICLE = _INSERT_ARTICLE.on_conflict_do_update(
    index_elements=["article_id"],
    set_={name: _INSERT_ARTICLE.excluded[name] for name in ("digest", "updated", "first_seen")},
)
_INSERT_LAST_GOOD = insert(schema.last_good)
_INSERT_LISTING = insert(schema.known_listing)
_UPSERT_LISTING = _INSERT_LISTING.on_conflict_do_update(
    index_elements=["kind", "slug"],
    set_={name: _INSERT_LISTING.excluded[name] for name in ("title", "since")},
)


class Memory:
    """A connection to the memory. One per thread; the indexer and every serving thread have one.

    `patience` is how long to wait for another writer, in seconds; `cache_kib` how much of the file is kept in
    memory.

    Attributes:
        path: its file.
        identity: what no other memory has; a new file has a new one.

    Raises:
        StateError: on construction, if the file cannot be opened or was written by a newer version.
    """

    def __init__(
        self,
        state_dir: Path,
        patience: float = builds.BUSY_TIMEOUT_SECONDS,
        cache_kib: int = builds.WRITER_CACHE_KIB,
    ) -> None:
        self.path = state_dir / builds.MEMORY
        self._engine = builds.open_engine(self.path, create=True, patience=patience, cache_kib=cache_kib)
        try:
            self.connection = self._engine.connect()
            self.identity = self._open()
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise StateError(
                self.path, f"the memory cannot be opened ({error.__cause__ or error})"
            ) from error
        except StateError:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back."""
        self.connection.close()
        self._engine.dispose()

    def verify(self) -> None:
        """Read all of it.

        Raises:
            StateError: if it is damaged.
        """
        try:
            with transaction(self.connection):
                problem = self.connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        except SQLAlchemyError as error:
            problem = error.__cause__ or error
        if problem != "ok":
            raise StateError(
                self.path,
                f"the memory is damaged ({problem}); put a copy of it back, or remove it and let the dates of"
                " all changes begin anew",
            )

    def _open(self) -> str:
        """Make the tables where there are none, without a lock where there are. Returns the identity."""
        with transaction(self.connection):
            is_new = not inspect(self.connection).has_table(schema.memory_meta.name)
        if is_new:
            first = {"schema": str(schema.MEMORY_SCHEMA_VERSION), "identity": secrets.token_hex(8)}
            with transaction(self.connection, write=True):
                schema.memory.create_all(self.connection)
                self.connection.execute(
                    insert(schema.memory_meta).on_conflict_do_nothing(),
                    [{"key": key, "value": json.dumps(value)} for key, value in first.items()],
                )
        # There is one version so far; an older one is migrated here.
        version = int(self.fact("schema"))
        if version > schema.MEMORY_SCHEMA_VERSION:
            raise StateError(self.path, f"was written by a newer version (schema {version})")
        return str(self.fact("identity"))

    # --- single facts ---------------------------------------------------------------------------

    def fact(self, key: str) -> Any:
        """A remembered JSON value (such as the roots or the authority), or None."""
        with transaction(self.connection):
            stored = self.connection.scalar(
                select(schema.memory_meta.c.value).where(schema.memory_meta.c.key == key)
            )
        return None if stored is None else json.loads(stored)

    def remember_fact(self, key: str, value: object) -> None:
        """Remember a JSON value under a key."""
        statement = insert(schema.memory_meta).values(key=key, value=json.dumps(value, sort_keys=True))
        with transaction(self.connection, write=True):
            self.connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["key"], set_={"value": statement.excluded.value}
                )
            )

    # --- articles -------------------------------------------------------------------------------

    def articles(self, ids: Iterable[str]) -> dict[str, KnownArticle]:
        """What is remembered of the given ids; unknown ones are absent."""
        table = schema.known_article
        known: dict[str, KnownArticle] = {}
        with transaction(self.connection):
            rows = rows_by_key(self.connection, _ARTICLES, table.c.article_id, ids)
            for key, digest, updated, first_seen in rows:
                known[key] = KnownArticle(digest=digest, updated=updated, first_seen=first_seen)
        return known

    def remember_articles(self, articles: Mapping[str, KnownArticle]) -> None:
        """Remember what is about to be published."""
        if not articles:
            return
        columns = ("article_id", "digest", "updated", "first_seen")
        rows = [(key, known.digest, known.updated, known.first_seen) for key, known in articles.items()]
        with transaction(self.connection, write=True):
            write_rows(self.connection, _UPSERT_ARTICLE, columns, rows)

    # --- last good versions ---------------------------------------------------------------------

    def last_good(self, order_paths: Iterable[str]) -> dict[str, tuple[Reading, int]]:
        """The last good reading of broken files and its mtime, by path."""
        table = schema.last_good
        found: dict[str, tuple[Reading, int]] = {}
        with transaction(self.connection):
            for row in rows_by_key(self.connection, _LAST_GOOD, table.c.order_path, order_paths):
                found[row.order_path] = (msgspec.json.decode(row.reading, type=Reading), row.mtime)
        return found

    def kept_paths(self) -> set[str]:
        """The paths of all broken files whose last good version is remembered."""
        with transaction(self.connection):
            return set(self.connection.scalars(select(schema.last_good.c.order_path)))

    def replace_last_good(self, keep: Mapping[str, tuple[Reading, int]], forget: Iterable[str]) -> None:
        """Remember the last good version of files that broke; forget it of files that are whole or gone."""
        table = schema.last_good
        gone = sorted({*forget, *keep})
        if not gone:
            return
        with transaction(self.connection, write=True):
            self.connection.execute(
                delete(table).where(table.c.order_path == bindparam("gone")),
                [{"gone": path} for path in gone],
            )
            if keep:
                write_rows(
                    self.connection,
                    _INSERT_LAST_GOOD,
                    ("order_path", "reading", "mtime"),
                    [(path, msgspec.json.encode(reading), mtime) for path, (reading, mtime) in keep.items()],
                )

    # --- listings -------------------------------------------------------------------------------

    def listings(self) -> dict[ListingKey, tuple[str, int]]:
        """Every listing that ever existed, with its last title and since when (seconds) it is quiet."""
        with transaction(self.connection):
            rows = self.connection.execute(select(schema.known_listing)).all()
        return {ListingKey(kind=Kind(row.kind), slug=row.slug): (row.title, row.since) for row in rows}

    def remember_listings(self, listings: Mapping[ListingKey, tuple[str, int]]) -> None:
        """Remember listings, with title and `since`."""
        if not listings:
            return
        rows = [(key.kind.value, key.slug, title, since) for key, (title, since) in listings.items()]
        with transaction(self.connection, write=True):
            write_rows(self.connection, _UPSERT_LISTING, ("kind", "slug", "title", "since"), rows)

    # --- validators -----------------------------------------------------------------------------

    def last_modified(self, address: str, etag: str, sequence: int, now: datetime) -> datetime | None:
        """The Last-Modified of an address whose current representation has this ETag.

        Args:
            address: of one document, such as `/topics/ai.rss`.
            etag: the digest of its bytes.
            sequence: of the index state that the bytes were made from.
            now: used only if the ETag is new.

        Returns:
            The time the ETag was first seen, rounded up and later than the one before; None if the
            memory already knows another representation of a later state: then a date would lie.
        """
        with transaction(self.connection):
            known = self._known_address(address)
        if known is not None and known.etag == etag and known.sequence >= sequence:
            return datetime.fromtimestamp(known.last_modified, UTC)
        with transaction(self.connection, write=True):
            # Read again under the write lock: another worker may have been first.
            known = self._known_address(address)
            previous = None if known is None else datetime.fromtimestamp(known.last_modified, UTC)
            is_same = known is not None and known.etag == etag
            if known is not None and known.sequence > sequence:
                return previous if is_same else None
            # Unchanged bytes of a later state are noted as well: a slow worker may yet come with other
            # bytes, of a state between the two, and a date for those would make this one wrong.
            moment = previous if previous is not None and is_same else last_modified_after(now, previous)
            columns = ("address", "etag", "last_modified", "sequence")
            row = (address, etag, int(moment.timestamp()), sequence)
            write_rows(self.connection, _UPSERT_ADDRESS, columns, [row])
        return moment

    def last_sequence(self) -> int:
        """The number of the latest index state that an address was served from, 0 before the first."""
        with transaction(self.connection):
            sequence: int | None = self.connection.scalar(select(func.max(schema.known_address.c.sequence)))
        return sequence or 0

    def _known_address(self, address: str) -> Any:
        return next(iter(rows_for(self.connection, _ADDRESS, address)), None)
