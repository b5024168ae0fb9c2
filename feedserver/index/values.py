"""The values that readers of the index return.

Without I/O, so that pure modules can take them as arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b

import msgspec

from feedserver.model import Article, Finding, ListingKey, ListingSummary, Taxonomy, Value, Verdict


class ListingState(Value, frozen=True):
    """A listing as the index has it.

    Equal states of one build mean that nothing changed. `version` (hex) is equal on every machine
    that has the same articles; `changed` numbers the commit that last touched the listing in this
    build, `retracted` the last one by which an article left it (0 if none did). `since` is when it was
    first known or last became empty, `updated` the latest change among its newest entries.
    """

    key: ListingKey
    id: int
    version: str
    changed: int
    retracted: int
    build: str
    count: int
    title: str
    since: datetime
    updated: datetime | None
    taxonomy: Taxonomy | None

    @property
    def revision(self) -> tuple[str, int]:
        """Changes whenever the listing may have changed."""
        return self.build, self.changed

    @property
    def retraction(self) -> tuple[str, int]:
        """The last revision by which an article left the listing."""
        return self.build, self.retracted

    @property
    def summary(self) -> ListingSummary:
        """The listing as a line of a directory."""
        return ListingSummary(
            key=self.key,
            title=self.title,
            description="" if self.taxonomy is None else self.taxonomy.description,
            count=self.count,
            updated=self.updated,
        )


def hold_each_once(parts: Iterable[ListingState], whole: ListingState) -> bool:
    """Whether some listings hold each entry of another one exactly once, and nothing else.

    A version is the sum of the digests of the entries, so it is the sum of the versions then.
    """
    bits = 4 * len(whole.version)
    return sum(int(part.version, 16) for part in parts) % (1 << bits) == int(whole.version, 16)


class SelectedEntry(Value, frozen=True):
    """An article of a listing and the `updated` it was published with; `digest` stands for both (hex)."""

    article: Article
    updated: datetime
    digest: str


class Selected(Value, frozen=True):
    """A listing in one snapshot: its state, some entries, and how many entries each month has.

    `months` numbers months as `archives` does, without the empty ones; those before `open_month` have
    ended.
    """

    state: ListingState
    entries: tuple[SelectedEntry, ...]
    months: dict[int, int]
    open_month: int


class FoundEntry(Value, frozen=True):
    """An article of a selection, with the ranks that its file states."""

    entry: SelectedEntry
    quality: int
    heat: int


class SelectionState(Value, frozen=True):
    """The articles of a selection as the index has them, without a query.

    Attributes:
        build: the build, and a digest of the titles that the selection shows.
        changed: the last commit that may have changed the selection.
        retracted: the last commit by which an article may have left it.
        since: when the listing that it selects from was first known or last became empty.
        titles: of the listings that it names.
    """

    build: str
    changed: int
    retracted: int
    since: datetime
    titles: dict[ListingKey, str]

    @property
    def revision(self) -> tuple[str, int]:
        """Changes whenever the selection may have changed."""
        return self.build, self.changed

    @property
    def retraction(self) -> tuple[str, int]:
        """The last revision by which an article left the selection."""
        return self.build, self.retracted


def selection_state(
    whole: ListingState,
    groups: Sequence[Sequence[ListingState]],
    named: Iterable[ListingState],
    ranked: int,
) -> SelectionState:
    """The state of a selection from a listing.

    Each article of the selection is in the listing, and in one listing of each group. So the selection has
    changed only if a listing of each group has, and its number grows if all of theirs do.

    Args:
        whole: the listing.
        groups: listings of each of which an article is in one.
        named: the listings whose titles the selection shows.
        ranked: the last commit by which an article got another rank; 0 if that makes no difference.
    """
    everything = [[whole], *groups]
    titles = {one.key: one.title or one.key.slug for one in named}
    seen = blake2b(msgspec.json.encode(sorted(titles.values())), digest_size=8).hexdigest()
    return SelectionState(
        build=f"{whole.build} {seen}",
        changed=max(ranked, min(max(one.changed for one in group) for group in everything)),
        retracted=min(max(one.retracted for one in group) for group in everything),
        since=whole.since,
        titles=titles,
    )


class JudgedFile(Value, frozen=True):
    """The verdict and the findings of a file that was read."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()


class StoreAddress(Value, frozen=True):
    """Where the index and the publication history of a site are, as a value that can be sent to a process.

    Attributes:
        state_dir: the state folder.
        url: of a PostgreSQL database; '' if both are files of the state folder.
        read_url: of a replica of the database for readers; '' if there is none.
        schema: of the site in the database.
        password_file: has the password for the database; '' if the URL or the environment has it.
    """

    state_dir: str
    url: str = ""
    read_url: str = ""
    schema: str = ""
    password_file: str = ""
