"""Answers questions about ad hoc selections, beside those about listings.

A selection has a revision that is found without a query (`values.selection_state`). Its articles are found by
one (`selecting`), whose time is bounded.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from feedserver.articles.selections.matching import depends_on_ranks, listings_named
from feedserver.articles.selections.values import Criteria, InAny
from feedserver.bounded import Bounded
from feedserver.index.facts import RANKED, BuildFacts
from feedserver.index.noted import read_facts
from feedserver.index.reader import IndexReader, moment_of
from feedserver.index.selecting import Question, count_listings, find_articles
from feedserver.index.store import Store
from feedserver.index.values import FoundEntry, SelectedEntry, SelectionState, selection_state
from feedserver.model import Article, Kind, ListingKey

# How many states of selections a reader keeps until the next commit: finding one takes 30 µs.
REMEMBERED_SELECTIONS = 512

_ARTICLE = msgspec.json.Decoder(Article)


class SelectionReader(IndexReader):
    """Answers about listings and selections, for one thread, as `IndexReader`."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._ranked: tuple[int, int] | None = None
        self._states: Bounded[str, tuple[int, SelectionState]] = Bounded(REMEMBERED_SELECTIONS)

    def selection_state(
        self, base: ListingKey, criteria: Criteria, address: str = ""
    ) -> SelectionState | None:
        """The state of the articles that criteria select from a listing now.

        Args:
            base: the listing.
            criteria: of the selection.
            address: of a document of it, under which the state is remembered until the next commit.

        Returns:
            None if the listing never existed, or if none of the listings did of which one is asked for.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        # Before the listings are read, so that a commit in between is noticed by the next question.
        generation = self._serving.follow()
        kept = self._states.get(address)
        if kept is not None and kept[0] == generation:
            return kept[1]
        whole = self.listing(base)
        groups = [
            [one for key in part.listings if (one := self.listing(key)) is not None]
            for part in criteria.condition.parts
            if isinstance(part, InAny)
        ]
        if whole is None or not all(groups):
            return None
        named = (self.listing(key) for key in listings_named(criteria.condition))
        ranked = self._ranked_by() if depends_on_ranks(criteria) else 0
        state = selection_state(whole, groups, [one for one in named if one is not None], ranked)
        if address:
            self._states.remember(address, (generation, state))
        return state

    def find(
        self, base: ListingKey, criteria: Criteria, *, published: int | None, limit: int, most_seconds: float
    ) -> tuple[FoundEntry, ...]:
        """The articles that criteria select from a listing, in their order.

        Args:
            base: a listing that exists.
            criteria: of the selection.
            published: the first second of their publication, since the epoch; None for any.
            limit: how many at most.
            most_seconds: that the query may take.

        Raises:
            IndexNotReadyError: before the first index is complete.
            SelectionError: if the query takes longer.
        """
        with self._serving.snapshot() as connection:
            question = self._question(connection, base, criteria, published, limit)
            found = find_articles(connection, question, most_seconds)
        return tuple(
            FoundEntry(
                entry=SelectedEntry(
                    article=_ARTICLE.decode(one.payload),
                    updated=moment_of(one.updated),
                    digest=one.digest.hex(),
                ),
                quality=one.quality,
                heat=one.heat,
            )
            for one in found
        )

    def count_listings(
        self, base: ListingKey, criteria: Criteria, *, published: int | None, limit: int, most_seconds: float
    ) -> dict[ListingKey, int] | None:
        """How many articles of a selection are in each listing; None if it has more than `limit` articles.

        The other arguments and the errors are those of `find`.
        """
        with self._serving.snapshot() as connection:
            question = self._question(connection, base, criteria, published, limit)
            counts = count_listings(connection, question, most_seconds)
        if counts is None:
            return None
        return {ListingKey(kind=Kind(kind), slug=slug): count for (kind, slug), count in counts.items()}

    def _question(
        self,
        connection: Connection,
        base: ListingKey,
        criteria: Criteria,
        published: int | None,
        limit: int,
    ) -> Question:
        named = {base, *listings_named(criteria.condition)}
        states = {key: self._listing(connection, key)[0] for key in named}
        known = {key: (state.id, state.count) for key, state in states.items() if state is not None}
        base_id, base_entries = known[base]
        return Question(
            base=base_id,
            base_entries=base_entries,
            is_everything=base.kind is Kind.ARTICLES,
            condition=criteria.condition,
            published=published,
            sort=criteria.sort,
            limit=limit,
            listings=known,
        )

    def _ranked_by(self) -> int:
        """The last commit by which an article got another rank; 0 for none."""
        generation = self._serving.follow()
        if self._ranked is None or self._ranked[0] != generation:
            with self._serving.snapshot() as connection:
                self._ranked = generation, read_facts(connection, BuildFacts, RANKED).ranked or 0
        return self._ranked[1]
