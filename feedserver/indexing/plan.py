"""The plan of an indexer: its folders and rules, as values that can be sent to another process.

Contains no logic and does not know the settings. The wiring makes a `Plan` from the settings once; the
indexer gets nothing else.
"""

from __future__ import annotations

from feedserver.articles.rules import ReadingRules
from feedserver.articles.selections.values import ListingRules
from feedserver.index.values import StoreAddress
from feedserver.model import Value


class Root(Value, frozen=True):
    """A folder of articles, and the rules for reading it.

    Attributes:
        only: globs of names of folders; files are articles below such a folder alone. Empty: everywhere.
        skip: globs of names to skip, beside those of the plan.
    """

    path: str
    reading: ReadingRules
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


class Ownership(Value, frozen=True):
    """The site that a state folder belongs to: its roots, and the authority and year in its ids.

    `is_public`: the ids are published under a public base URL, so they must never change again.
    """

    roots: tuple[str, ...]
    id_authority: str
    id_year: int
    is_public: bool = False


class Plan(Value, frozen=True):
    """Everything that an indexer needs to know, as a value that can be sent to another process.

    `fingerprint` is a digest of everything that determines the content of the index; a build with another
    fingerprint is not used. Intervals are in seconds, sizes in bytes.
    """

    store: StoreAddress
    roots: tuple[Root, ...]
    extensions: tuple[str, ...]
    skip: tuple[str, ...]
    max_file_size: int
    fingerprint: str
    ownership: Ownership
    listing_rules: ListingRules = ListingRules()
    rescan_interval: float = 60.0
    watch: bool = True
    drop_missing_after: float = 86_400.0
    history_copies: int = 7

    @property
    def state_dir(self) -> str:
        """The state folder: with the locks of its processes, and all else without a database."""
        return self.store.state_dir
