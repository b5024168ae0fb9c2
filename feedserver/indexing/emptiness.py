"""Says why the index of a site shows no article, for the log and the status."""

from __future__ import annotations

from feedserver.index.reader import IndexReader
from feedserver.indexing.advice import why_nothing
from feedserver.indexing.plan import Plan
from feedserver.model import Kind, ListingKey

_NOT_NOW = (
    "No article is shown now: all of them are of the future, have expired or are not published yet; "
    "feedserver check --unshown lists them."
)


def advice_and_noted(reader: IndexReader, plan: Plan) -> tuple[str, str]:
    """Why no article is shown, or '' if there is one; and what the index has noted of that before.

    Raises:
        FeedserverError, SQLAlchemyError: the index cannot be read just now.
    """
    noted = reader.facts().advice or ""
    everything = reader.listing(ListingKey(kind=Kind.ARTICLES))
    if everything is not None and everything.count:
        return "", noted
    return why_nothing(reader.judged_files(), plan) or _NOT_NOW, noted
