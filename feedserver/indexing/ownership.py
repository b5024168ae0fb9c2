"""Records which site a state folder belongs to, and refuses others.

The history of one site must not be mixed with that of another, and published ids must not change (promise 4).
Both are compared before anything starts; the indexer records them. Does not use the index.
"""

from __future__ import annotations

from feedserver.errors import ForeignStateError
from feedserver.index.facts import HistoryFacts, PublishedIds
from feedserver.index.history import PublicationHistory
from feedserver.indexing.plan import Ownership


def check(history: PublicationHistory, ownership: Ownership) -> None:
    """Compare the site with the owner that the publication history records.

    Raises:
        ForeignStateError: if the state folder belongs to other folders of articles, or its ids were published
            with another authority or year.
    """
    recorded = history.facts("roots", "ids")
    if recorded.roots and set(recorded.roots).isdisjoint(ownership.roots):
        raise ForeignStateError(
            history.place,
            f"belongs to the articles in {', '.join(recorded.roots)},"
            f" not to those in {', '.join(ownership.roots)};"
            " name another state folder with --state-dir, delete this one if its site is gone for good,"
            " or go on with --adopt-state",
        )
    ids, wanted = recorded.ids, _ids_of(ownership)
    if ids is not None and ids != wanted:
        raise ForeignStateError(
            history.place,
            f"has published ids of {ids.authority},{ids.year} and would now give all articles ids of"
            f" {wanted.authority},{wanted.year}, so that readers show them again as new; set"
            " site.id_authority and site.id_year to the former ones, or go on with --adopt-state",
        )


def record(history: PublicationHistory, ownership: Ownership) -> None:
    """Record the site as the owner."""
    recorded = history.facts("roots", "ids")
    ids = _ids_of(ownership) if ownership.is_public else recorded.ids
    if (recorded.roots, recorded.ids) != (ownership.roots, ids):
        history.note(HistoryFacts(roots=ownership.roots, ids=ids))


def _ids_of(ownership: Ownership) -> PublishedIds:
    return PublishedIds(authority=ownership.id_authority, year=ownership.id_year)
