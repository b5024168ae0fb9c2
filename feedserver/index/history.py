"""The publication history: facts about past publications, which no file can tell.

It holds for each article the digest of its visible fields and its published `updated`, for each address the
last validators, all listings that ever existed, the last good version of each broken file, and the authority
of the ids. Does not know the index; `last_modified` decides dates. Keeps promises 3 and 4, and with the index
promise 2: same files and same publication history, same bytes.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, inspect, select
from sqlalchemy.exc import DatabaseError

from feedserver.errors import HistoryLostError, StateError
from feedserver.index import schema
from feedserver.index.decisions import KnownArticle
from feedserver.index.facts import Beginning, HistoryFacts
from feedserver.index.last_modified import MOST_AHEAD_SECONDS, AddressDates, date_of
from feedserver.index.noted import read_facts, write_facts
from feedserver.index.statements import insert_missing, rows_by_key, rows_for, schema_of, upsert, write_rows
from feedserver.index.transactions import damaged_value, transaction
from feedserver.model import HistoryOrigin, Kind, ListingKey, Reading

log = logging.getLogger(__name__)

_ADDRESS = select(*(schema.known_address.c[name] for name in AddressDates._fields)).where(
    schema.known_address.c.address == bindparam("of")
)
_UPSERT_ADDRESS = upsert(schema.known_address, ("address",), AddressDates._fields)
_ARTICLES = select(schema.known_article)
_LAST_GOOD = select(schema.last_good)
_UPSERT_ARTICLE = upsert(schema.known_article, ("article_id",), ("digest", "updated", "first_seen"))
_INSERT_LAST_GOOD = insert(schema.last_good)
_DELETE_LAST_GOOD = delete(schema.last_good).where(schema.last_good.c.order_path == bindparam("gone"))
_UPSERT_LISTING = upsert(schema.known_listing, ("kind", "slug"), ("title", "since"))


class HistoryDatabase(Protocol):
    """An open connection to the database of the publication history.

    Attributes:
        connection: its tables are there, or can be made.
        name: for messages about the history alone.
        place: of the store, for other messages.
    """

    @property
    def connection(self) -> Connection: ...

    @property
    def name(self) -> Path | str: ...

    @property
    def place(self) -> Path | str: ...

    def is_in_place(self) -> bool:
        """Whether the database is still the one that was opened, and was not cut short."""

    def verify(self) -> None:
        """Read all of it.

        Raises:
            HistoryLostError: if it is damaged.
        """

    def is_damage(self, error: BaseException) -> bool:
        """Whether an error of the database says that it is damaged, or holds a damaged value."""

    def hold_address(self, address: str) -> None:
        """In a write transaction: until its end no other process dates this address."""

    def hold_tables(self) -> None:
        """In a write transaction: until its end no other process makes the tables or changes them."""

    def close(self) -> None:
        """Close the connection."""


class PublicationHistory:
    """A connection to the publication history, for one thread. The indexer and each serving thread have one.

    Args:
        database: is closed with it.

    Attributes:
        name: of its database, for messages.
        place: of its store, for messages.
        connection: to it.
        identity: a random name; a new history has another one.

    Raises:
        StateError: on construction, if it was written by a newer version; a HistoryLostError, if it does not
            say which version it is.
        SQLAlchemyError: on construction, if it cannot be read.
    """

    def __init__(self, database: HistoryDatabase) -> None:
        self._database = database
        self._collected: list[Callable[[], None]] | None = None
        self.name, self.place = database.name, database.place
        self.connection = database.connection
        self.identity = self._open()

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def is_in_place(self) -> bool:
        """Whether the database is still the one that was opened, and was not cut short."""
        return self._database.is_in_place()

    def verify(self) -> None:
        """Read all of it.

        Raises:
            HistoryLostError: if it is damaged.
        """
        self._database.verify()

    # --- changes --------------------------------------------------------------------------------

    @contextmanager
    def one_commit(self) -> Iterator[None]:
        """Collect the changes of a block, and write them in one commit at its end; none if the block raises.

        The block does not read the changes that it makes. Other processes can write meanwhile.
        """
        self._collected = []
        try:
            yield
            if self._collected:
                with transaction(self.connection, write=True):
                    for change in self._collected:
                        change()
        finally:
            self._collected = None

    def _write(self, change: Callable[[], None]) -> None:
        """Make a change, in a commit of its own or in that of the block."""
        if self._collected is not None:
            self._collected.append(change)
            return
        with transaction(self.connection, write=True):
            change()

    # --- opening --------------------------------------------------------------------------------

    def _open(self) -> str:
        """Make the tables if there are none; take no lock if there are. Returns the identity."""
        if self._is_without_tables():
            first = HistoryFacts(
                schema=schema.HISTORY_SCHEMA_VERSION,
                identity=secrets.token_hex(8),
                dates_since=math.ceil(time.time()),
            )
            with transaction(self.connection, write=True):
                self._database.hold_tables()
                schema.history.create_all(self.connection)
                self.connection.execute(
                    insert_missing(schema.history_meta),
                    [{"key": key, "value": value} for key, value in first.rows()],
                )
        # Before any other fact, because a newer release may write the others in another form.
        version = self.facts("schema").schema or 0
        if version > schema.HISTORY_SCHEMA_VERSION:
            raise StateError(self.name, f"was written by a newer version (schema {version})")
        identity = self.facts("identity").identity
        if not version or identity is None:
            raise HistoryLostError(
                self.name, "the publication history is damaged (it does not say which version it is)"
            )
        if version < schema.HISTORY_SCHEMA_VERSION:
            self._migrate()
        return identity

    def _is_without_tables(self) -> bool:
        with transaction(self.connection):
            there = inspect(self.connection).has_table(schema.history_meta.name, schema_of(self.connection))
        return not there

    def _migrate(self) -> None:
        """Bring the tables of an older version to the present one."""
        with transaction(self.connection, write=True):
            self._database.hold_tables()
            # Asked again under the lock: another process may have been first.
            columns = inspect(self.connection).get_columns("address", schema_of(self.connection))
            if any(one["name"] == "sent" for one in columns):
                return
            # Only files in a state folder are of an older version.
            for column in ("sent BIGINT", "ahead VARCHAR NOT NULL DEFAULT ''"):
                self.connection.exec_driver_sql(f"ALTER TABLE address ADD COLUMN {column}")
            write_facts(self.connection, HistoryFacts(schema=schema.HISTORY_SCHEMA_VERSION))

    # --- facts ----------------------------------------------------------------------------------

    def facts(self, *names: str) -> HistoryFacts:
        """The facts with some names, or all.

        Raises:
            HistoryLostError: if one of them is damaged.
        """
        try:
            with transaction(self.connection):
                return read_facts(self.connection, HistoryFacts, *names)
        except DatabaseError as error:
            if not self._database.is_damage(error):
                raise
            raise HistoryLostError(self.name, f"the publication history is damaged ({error.orig})") from error

    def note(self, facts: HistoryFacts) -> None:
        """Note some facts, and leave the others as they are."""
        self._write(lambda: write_facts(self.connection, facts))

    def forget_damaged_facts(self) -> None:
        """Forget each fact that cannot be read, and log it: one of them does not cost the whole history.

        Only for the process that holds the lock.

        Raises:
            HistoryLostError: if the database itself is damaged.
        """
        for name in HistoryFacts.__struct_fields__:
            try:
                self.facts(name)
            except HistoryLostError as error:
                if error.__cause__ is None or damaged_value(error.__cause__) is None:
                    raise
                log.error("%s: the fact %s is forgotten", error, name)  # noqa: TRY400  one clear sentence
                self._forget_fact(name)

    def _forget_fact(self, name: str) -> None:
        table = schema.history_meta
        with transaction(self.connection, write=True):
            self.connection.execute(delete(table).where(table.c.key.in_(HistoryFacts.keys(name))))
            if name == "dates_since":
                write_facts(self.connection, HistoryFacts(dates_since=math.ceil(time.time())))

    @property
    def is_new(self) -> bool:
        """Whether no indexer has published anything by this publication history."""
        facts = self.facts("beginning", "sequence")
        return facts.beginning is None and facts.sequence is None

    def begin(self, origin: HistoryOrigin, now: int) -> None:
        """Note how this publication history came to be. It knows no date that was sent before now."""
        self.note(HistoryFacts(beginning=Beginning(origin=origin, since=now)))
        self.begin_dates(now)

    def begin_dates(self, now: int) -> None:
        """Date no document before now: this history may not know all dates that were sent."""
        with transaction(self.connection, write=True):
            self.connection.execute(delete(schema.known_address))
            write_facts(self.connection, HistoryFacts(dates_since=now))

    # --- articles -------------------------------------------------------------------------------

    def articles(self, ids: Iterable[str]) -> dict[str, KnownArticle]:
        """The known articles among the given ids."""
        table = schema.known_article
        known: dict[str, KnownArticle] = {}
        with transaction(self.connection):
            rows = rows_by_key(self.connection, _ARTICLES, table.c.article_id, ids)
            for key, digest, updated, first_seen in rows:
                known[key] = KnownArticle(digest=digest, updated=updated, first_seen=first_seen)
        return known

    def remember_articles(self, articles: Mapping[str, KnownArticle]) -> None:
        """Remember articles that are about to be published."""
        if not articles:
            return
        columns = ("article_id", "digest", "updated", "first_seen")
        rows = [(key, known.digest, known.updated, known.first_seen) for key, known in articles.items()]
        self._write(lambda: write_rows(self.connection, _UPSERT_ARTICLE, columns, rows))

    # --- last good versions ---------------------------------------------------------------------

    def last_good(self, order_paths: Iterable[str]) -> dict[str, tuple[Reading, int]]:
        """The last good readings of broken files and their mtimes, by path."""
        table = schema.last_good
        found: dict[str, tuple[Reading, int]] = {}
        with transaction(self.connection):
            for row in rows_by_key(self.connection, _LAST_GOOD, table.c.order_path, order_paths):
                try:
                    found[row.order_path] = (msgspec.json.decode(row.reading, type=Reading), row.mtime)
                except msgspec.DecodeError as error:
                    log.warning("the last good version of %s is lost: %s", row.order_path, error)
        return found

    def kept_paths(self) -> set[str]:
        """The paths of all broken files that have a last good version."""
        with transaction(self.connection):
            return set(self.connection.scalars(select(schema.last_good.c.order_path)))

    def replace_last_good(self, keep: Mapping[str, tuple[Reading, int]], forget: Iterable[str]) -> None:
        """Keep the last good versions of broken files, and forget those of files that are whole or gone."""
        gone = sorted({*forget, *keep})
        rows = [(path, msgspec.json.encode(reading), mtime) for path, (reading, mtime) in keep.items()]

        def replace() -> None:
            self.connection.execute(_DELETE_LAST_GOOD, [{"gone": path} for path in gone])
            write_rows(self.connection, _INSERT_LAST_GOOD, ("order_path", "reading", "mtime"), rows)

        if gone:
            self._write(replace)

    # --- listings -------------------------------------------------------------------------------

    def listings(self) -> dict[ListingKey, tuple[str, int]]:
        """Every listing that ever existed, with its last title and its `since`, in seconds since the
        epoch."""
        with transaction(self.connection):
            rows = self.connection.execute(select(schema.known_listing)).all()
        return {ListingKey(kind=Kind(row.kind), slug=row.slug): (row.title, row.since) for row in rows}

    def remember_listings(self, listings: Mapping[ListingKey, tuple[str, int]]) -> None:
        """Remember listings, with title and `since`."""
        if not listings:
            return
        columns = ("kind", "slug", "title", "since")
        rows = [(key.kind.value, key.slug, title, since) for key, (title, since) in listings.items()]
        self._write(lambda: write_rows(self.connection, _UPSERT_LISTING, columns, rows))

    # --- validators -----------------------------------------------------------------------------

    def last_modified(  # noqa: PLR0913  the facts that a date depends on
        self, address: str, etag: str, *, sequence: int, earliest: int, now: float, lead: float = 0.0
    ) -> AddressDates | None:
        """The dating of an address whose current representation has this ETag.

        Args:
            address: of one document, such as `/topics/ai.rss`.
            etag: the digest of its bytes.
            sequence: of the index state that the bytes were made from.
            earliest: the date to give to an ETag that is new, if no later one was given out.
            now: in seconds since the epoch.
            lead: how far ahead of the clock a date may be given out, in seconds.

        Returns:
            None if a representation of a later state is known already: a date would be wrong then.
        """
        with transaction(self.connection):
            known = self._dating(address)
        if known is not None and _is_settled(known, etag, sequence, now, lead):
            return known
        with transaction(self.connection, write=True):
            self._database.hold_address(address)
            # Read again under the write lock: another worker may have been first.
            known = self._dating(address)
            if known is not None and known.sequence > sequence:
                if known.etag != etag:
                    return None
                sequence = known.sequence
            # Unchanged bytes of a later state are noted as well. Otherwise a slow worker could get a date for
            # other bytes, of a state between the two, and this date would be wrong.
            earliest = self._not_before(earliest, now)
            dating = date_of(known, etag, sequence=sequence, earliest=earliest, now=now, lead=lead)
            row = (address, *dating[:-1], ",".join(map(str, dating.ahead)))
            write_rows(self.connection, _UPSERT_ADDRESS, ("address", *AddressDates._fields), [row])
        return dating

    def _not_before(self, earliest: int, now: float) -> int:
        """The earliest date that is not before any date that an earlier history may have given out."""
        since = read_facts(self.connection, HistoryFacts, "dates_since").dates_since or 0
        return max(earliest, since) if since <= now + MOST_AHEAD_SECONDS else earliest

    def forget_selections(self, keep: int) -> None:
        """Forget the validators of addresses of ad hoc selections but those of the latest index states.

        An address that is asked for again gets the date of the last change of the index at least, so no date
        that was given out before comes to mean other content.
        """
        table = schema.known_address
        of_selection = table.c.address.contains("?")
        last = select(table.c.address).where(of_selection)
        last = last.order_by(table.c.sequence.desc(), table.c.address).limit(keep)

        def forget() -> None:
            self.connection.execute(delete(table).where(of_selection, table.c.address.not_in(last)))

        self._write(forget)

    def last_sequence(self) -> int:
        """The number of the latest index state that an address was served from, 0 before the first."""
        with transaction(self.connection):
            sequence: int | None = self.connection.scalar(select(func.max(schema.known_address.c.sequence)))
        return sequence or 0

    def _dating(self, address: str) -> AddressDates | None:
        row = next(iter(rows_for(self.connection, _ADDRESS, address)), None)
        if row is None:
            return None
        return AddressDates._make(row)._replace(ahead=tuple(map(int, filter(None, row.ahead.split(",")))))


def _is_settled(known: AddressDates, etag: str, sequence: int, now: float, lead: float) -> bool:
    """Whether the remembered dating stays as it is."""
    return (
        known.etag == etag
        and known.sequence >= sequence
        and known.holds(now)
        and (known.is_given or known.last_modified > now + lead)
    )
