"""The interface of a store: the place of the index and the publication history of one site.

`index.sqlite` keeps them in files of the state folder, `index.postgresql` in a database. A store opens
connections, tells readers of commits and new builds, and manages the builds for the one process that writes.
The other modules of `index` know tables and statements, and the packages above know neither: both get a store
from `index.stores`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from feedserver.errors import HistoryLostError, StateError
from feedserver.index.history import PublicationHistory


class Serving(Protocol):
    """The serving build, for one thread that reads. It is followed from build to build.

    Attributes:
        name: of the build that answered last; empty before that.
        switched: when that build began to serve, in seconds since the epoch; 0 before that.
    """

    @property
    def name(self) -> str: ...

    @property
    def switched(self) -> float: ...

    def follow(self) -> int:
        """Look for commits and new builds. Returns another number when earlier answers may be outdated.

        Raises:
            IndexNotReadyError: before the first index is complete.
            IndexUnreadableError, SQLAlchemyError: if the build cannot be opened.
        """

    def snapshot(self) -> AbstractContextManager[Connection]:
        """A connection in a read transaction. Raises as `follow`, and what the reading raises."""

    def close(self) -> None:
        """Release what is open; the next question opens it again."""


class HasServing(Protocol):
    """The part of a store that a reader needs."""

    def serving(self) -> Serving:
        """The serving build, for one thread. Ask for it after a fork."""


class Builds(Protocol):
    """The builds of a store and its publication history, for the one process that writes them.

    A build has a name, which it keeps. One of them serves at a time.

    Attributes:
        place: of the store, for messages.
    """

    @property
    def place(self) -> Path | str: ...

    def open_history(self) -> PublicationHistory:
        """Open the publication history; mend a damaged one, or begin a new one in its place.

        Raises:
            StateError: if it cannot be opened for another reason.
        """

    def set_aside(self, damage: HistoryLostError) -> None:
        """Put a damaged publication history aside, and log it."""

    def had_history(self) -> bool:
        """Whether the store ever had a publication history, as far as can be told without it."""

    def note_history(self) -> None:
        """Note that there is a publication history: from now on, a missing one was lost."""

    def copied(self) -> datetime | None:
        """When the publication history was copied last."""

    def serving(self) -> str | None:
        """The build that serves; None before the first one is complete, or if none is named."""

    def unnamed(self) -> Iterable[str]:
        """The builds that do not serve, also unfinished ones, the newest first."""

    def title(self, build: str) -> str:
        """A build as the log names it."""

    def read(self, build: str) -> AbstractContextManager[Connection]:
        """A connection to a build, to read from it or to note facts."""

    def begin(self) -> str:
        """A name that no build had before, for `write`."""

    def write(self, build: str) -> Connection:
        """The connection to write a build by, in place of that to the build before; it is made if needed."""

    def discard(self, build: str) -> None:
        """Remove a build that could not be begun."""

    def begin_loading(self) -> None:
        """Prepare the connection for the first filling of a build that no process reads yet."""

    def finish_loading(self) -> None:
        """Make the filled build durable, and ready for readers."""

    def publish(self, build: str) -> None:
        """Make a complete build the serving one, atomically, and notify readers."""

    def mend(self, build: str) -> None:
        """See to it that the serving build is still named as such."""

    def keep_only(self, *builds: str | None) -> None:
        """Remove all other builds, as soon as no reader needs them."""

    def loss(self, build: str, *, is_complete: bool) -> str:
        """How the written build was lost or damaged, as the rest of a sentence; empty if it was not."""

    def would_another_help(self, error: DBAPIError) -> bool:
        """Whether an error of the written build may be gone in a new one."""

    def failure(self, error: DBAPIError) -> StateError:
        """An error of the database that another build does not mend, as the error of the store."""

    def close(self) -> None:
        """Close the connections."""


class Store(Protocol):
    """The index and the publication history of one site."""

    def serving(self) -> Serving:
        """The serving build, for one thread. Ask for it after a fork."""

    def history(self) -> PublicationHistory:
        """The publication history, for a command that may wait for another writer.

        Raises:
            StateError: if it cannot be opened, or was written by a newer release.
        """

    def impatient_history(self) -> PublicationHistory:
        """The same for one thread of a server, which must not wait. Ask for it after a fork."""

    def is_indexed(self) -> bool:
        """Whether a build serves."""

    def builds(self) -> Builds:
        """Become the one writer. The process holds the indexer's lock of its state folder.

        Raises:
            StateError: if the store cannot be used.
        """
