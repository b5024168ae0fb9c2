"""What an indexer is to do, as values that can be sent to another process.

Knows no settings and does nothing. A `Plan` is made of the settings once, in the wiring, and is the
only thing that the indexer is told.
"""

from __future__ import annotations

from feedserver.articles.rules import ReadingRules
from feedserver.model import Selection, Value


class Root(Value, frozen=True):
    """One folder of articles and how to read it."""

    path: str
    reading: ReadingRules


class Claim(Value, frozen=True):
    """Whom a state folder belongs to: its roots, and the authority and year in its ids.

    `is_public` says that ids were given out under a public base URL and must never change again.
    """

    roots: tuple[str, ...]
    id_authority: str
    id_year: int
    is_public: bool = False


class Plan(Value, frozen=True):
    """All that an indexer needs to know, as a value that can be sent to another process.

    `fingerprint` stands for everything that decides what the index holds; a build made for another
    one is not used. Intervals in seconds, sizes in bytes.
    """

    state_dir: str
    roots: tuple[Root, ...]
    extensions: tuple[str, ...]
    skip: tuple[str, ...]
    max_file_size: int
    fingerprint: str
    claim: Claim
    selections: tuple[Selection, ...] = ()
    rescan_interval: float = 60.0
    watch: bool = True
    drop_missing_after: float = 86_400.0
