"""A PostgreSQL database as a store: for several machines, of which one indexes at a time."""

from __future__ import annotations

from typing import Final

from feedserver.errors import StoreUnreachableError
from feedserver.index.history import PublicationHistory
from feedserver.index.postgresql.announcements import Announcements
from feedserver.index.postgresql.builds import SchemaBuilds
from feedserver.index.postgresql.connections import ANSWER_SECONDS, Database, connector
from feedserver.index.postgresql.history import history_in
from feedserver.index.postgresql.serving import Pools, ServingSchema

# How long a command waits for another writer of the publication history, and a serving thread.
_PATIENT_MS: Final = 5_000
_IMPATIENT_MS: Final = 500


class DatabaseStore:
    """The store of one site in a database. Make one per process, or before its fork."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._announcements = Announcements(
            database, connector(database, "announcements", answer_seconds=ANSWER_SECONDS)
        )
        self._pools = Pools(database)

    def serving(self) -> ServingSchema:
        """As `Store.serving`."""
        return ServingSchema(self._database, self._announcements, self._pools)

    def history(self) -> PublicationHistory:
        """As `Store.history`."""
        return history_in(self._database, _PATIENT_MS)

    def impatient_history(self) -> PublicationHistory:
        """As `Store.impatient_history`."""
        return history_in(self._database, _IMPATIENT_MS)

    def is_indexed(self) -> bool:
        """As `Store.is_indexed`.

        Raises:
            StoreUnreachableError: if that cannot be told.
        """
        self._announcements.hold()
        try:
            now = self._announcements.now()
        finally:
            self._announcements.release()
        if now.build is None and now.failure:
            raise StoreUnreachableError(self._database.name, f"cannot be used now: {now.failure}")
        return now.build is not None

    def builds(self) -> SchemaBuilds:
        """As `Store.builds`."""
        return SchemaBuilds(self._database)
