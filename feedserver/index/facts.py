"""The facts that a build of the index notes of itself, and those that the publication history keeps.

A fact is a field of one of two structs, and a row of the `meta` table of its database: the key is the name of
the field, the value its JSON. Each field may be None: the fact was not noted. So a new field needs no
migration, and a row that no field is named after is left alone. Values without I/O; `noted` reads and writes
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Self

import msgspec

from feedserver.model import HistoryOrigin, Value

# The facts that queries of requests ask for by their keys.
OPEN_MONTH: Final = "open_month"
RANKED: Final = "ranked"


class Facts(Value, frozen=True):
    """Base of both structs."""

    @classmethod
    def keys(cls, *names: str) -> list[str]:
        """The keys of the rows of some fields."""
        keys = dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
        return [keys[name] for name in names]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str]]) -> Self:
        """The facts that are in some rows, each a key and JSON.

        Raises:
            msgspec.DecodeError: if a row is damaged.
        """
        fields = cls.__struct_encode_fields__
        known = {key: msgspec.Raw(value.encode()) for key, value in rows if key in fields}
        # Not strict: an older release wrote whole numbers as text.
        return msgspec.json.decode(msgspec.json.encode(known), type=cls, strict=False)

    def rows(self) -> list[tuple[str, str]]:
        """The facts that are noted here, as rows."""
        values = (getattr(self, field) for field in self.__struct_fields__)
        return [
            (key, msgspec.json.encode(value).decode())
            for key, value in zip(self.__struct_encode_fields__, values, strict=True)
            if value is not None
        ]


# --- The publication history ---------------------------------------------------------------------


class Beginning(Value, frozen=True):
    """How a publication history came to be, and since when it is kept, in seconds since the epoch."""

    origin: HistoryOrigin
    since: int


class PublishedIds(Value, frozen=True):
    """The authority and the year of the ids that were published."""

    authority: str
    year: int


class SeenRoot(Value, frozen=True):
    """A root as it was seen last: its folder (device and inode), and since when it is unavailable."""

    folder: str | None = None
    unavailable_since: int | None = msgspec.field(default=None, name="away_since")


class HistoryFacts(Facts, frozen=True):
    """The facts of a publication history.

    Attributes:
        schema: the version of its tables.
        identity: a random name; no other publication history has it.
        dates_since: since when all dates that were sent are in it, in seconds since the epoch.
        sequence: the number of the last commit to the index.
        beginning: how it came to be; not noted in a file that no indexer has seen yet.
        roots: the folders of articles that the state folder belongs to.
        ids: the ids that were published; not noted before a site is public.
        seen_roots: the roots as they were seen last.
    """

    schema: int | None = None
    identity: str | None = None
    dates_since: int | None = None
    sequence: int | None = None
    beginning: Beginning | None = msgspec.field(default=None, name="history")
    roots: tuple[str, ...] | None = None
    ids: PublishedIds | None = None
    seen_roots: dict[str, SeenRoot] | None = None


# --- A build of the index ------------------------------------------------------------------------


class FinishedScan(Value, frozen=True):
    """The last scan: when it started and finished, and how many files it found."""

    started: datetime
    finished: datetime
    files: int


class PublishedChange(Value, frozen=True):
    """The last change of files: when it was published, and how many seconds after the file was changed."""

    published: datetime
    lag: float


class ClockJump(Value, frozen=True):
    """The last time that the clock was set: when that was noticed, and by how many seconds."""

    noticed: datetime
    seconds: float


class BuildFacts(Facts, frozen=True):
    """The facts of a build of the index.

    Attributes:
        plan: the fingerprint of the plan that it was made by.
        history_identity: the publication history that it was made with.
        sequence: the number of its last commit.
        published_by: the latest time by which something was published, in seconds since the epoch.
        open_month: the first month that has not ended, as `archives` numbers months.
        ranked: the number of the last commit by which an article got another quality or heat.
        pending: how many files were found and are not read yet, or not still enough to be published.
        scan: the last one.
        advice: why there is no article, and what to do; empty if there is one.
        change: the last one.
        clock_jump: the last one.
        beginning: that of the publication history.
        copied: when the publication history was copied last.
        mirrored: facts of the publication history, for a new one if it is lost.
    """

    plan: str | None = None
    history_identity: str | None = None
    sequence: int | None = None
    published_by: int | None = None
    open_month: int | None = None
    ranked: int | None = None
    pending: int | None = None
    scan: FinishedScan | None = None
    advice: str | None = None
    change: PublishedChange | None = None
    clock_jump: ClockJump | None = None
    beginning: Beginning | None = msgspec.field(default=None, name="history")
    copied: datetime | None = None
    mirrored: HistoryFacts | None = msgspec.field(default=None, name="history_facts")
