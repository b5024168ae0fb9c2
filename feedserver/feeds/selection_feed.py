"""The feed of an ad hoc selection: its title and description, its channel, and its entries.

Pure, as `channels` is: everything follows from the criteria, the titles of the listings that they name, the
articles, and the facts of the site (promise 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from feedserver.articles.selections.parameters import SelectionRequest
from feedserver.articles.selections.values import (
    AllOf,
    AtLeast,
    Condition,
    Criteria,
    InAny,
    NoneOf,
    Says,
    Sort,
)
from feedserver.articles.selections.words import words_text
from feedserver.feeds.channels import SiteFacts, make_channel, make_entry
from feedserver.index.values import SelectedEntry, SelectionState
from feedserver.model import Feed, Kind, ListingKey

_UNITS = {"h": "hours", "d": "days"}


def selection_address(request: SelectionRequest) -> str:
    """The canonical address of the page of a selection, below the base URL."""
    return f"{request.base.address}?{request.query}" if request.query else request.base.address


def saved_view(key: ListingKey, site: SiteFacts) -> SelectionRequest | None:
    """A saved feed whose settings ask for an order, an age or the like; None for other listings.

    Its articles are those of the listing: the index knows which meet the condition.
    """
    saved = site.selection(key)
    if saved is None or not saved.criteria.has_view:
        return None
    return SelectionRequest(key, replace(saved.criteria, condition=AllOf()), is_saved=True)


def with_saved_view(request: SelectionRequest, site: SiteFacts) -> Criteria:
    """The criteria of a request; what it does not state about the view is as the saved feed has it."""
    saved = saved_view(request.base, site)
    if saved is None or request.is_saved:
        return request.criteria
    own, kept = request.criteria, saved.criteria
    return replace(
        own,
        since=own.since or kept.since,
        sort=kept.sort if own.sort is Sort.PUBLISHED else own.sort,
        limit=own.limit or kept.limit,
        fold=own.fold or kept.fold,
    )


def selection_title(request: SelectionRequest, titles: Mapping[ListingKey, str], site: SiteFacts) -> str:
    """The conditions of a selection in a few words: `AI or Robotics · from Wired · “open source”`."""
    saved = site.selection(request.base)
    if saved is not None and request.is_saved:
        return saved.title
    parts = [saved.title] if saved is not None else []
    parts += [text for part in request.criteria.condition.parts if (text := _said(part, titles))]
    return " · ".join([*parts, *_view(request.criteria)])


def _said(part: Condition, titles: Mapping[ListingKey, str]) -> str:
    match part:
        case InAny():
            return _named(part, titles)
        case NoneOf(parts=parts):
            return "not " + " or ".join(_named(one, titles) for one in parts if isinstance(one, InAny))
        case Says(words=words):
            return f"“{words_text(words)}”"
        case AtLeast(rank=rank, number=number):
            return f"{rank.value} at least {number}"
        case _:
            return ""


def _named(part: InAny, titles: Mapping[ListingKey, str]) -> str:
    names = " or ".join(titles.get(key, key.slug) for key in part.listings)
    kind = part.listings[0].kind
    if kind in (Kind.PROVIDER, Kind.DOMAIN):
        return f"from {names}"
    return f"by {names}" if kind is Kind.AUTHOR else names


def _view(criteria: Criteria) -> Iterator[str]:
    if criteria.since:
        unit = _UNITS.get(criteria.since[-1])
        yield f"last {criteria.since[:-1]} {unit}" if unit else f"since {criteria.since}"
    if criteria.sort is not Sort.PUBLISHED:
        yield f"by {criteria.sort.value}"
    if criteria.fold:
        yield "each story once"
    if criteria.limit is not None:
        yield f"{criteria.limit} at most"


def make_selection_feed(
    request: SelectionRequest, state: SelectionState, entries: Sequence[SelectedEntry], site: SiteFacts
) -> Feed:
    """The feed of a selection with some entries.

    The `updated` of an empty feed is when the listing that it selects from was first known or became empty:
    nothing tells when the last article left the selection.
    """
    title = selection_title(request, state.titles, site)
    saved = site.selection(request.base) if request.is_saved else None
    described = saved.description if saved is not None else ""
    shown = tuple(make_entry(one, site) for one in entries)
    channel = make_channel(
        site,
        selection_address(request),
        title=f"{title} | {site.title}" if title else site.title,
        description=described or (f"The latest articles: {title}." if title else site.description),
        updated=max((entry.updated for entry in shown), default=state.since),
        icon=site.icon,
    )
    return Feed(channel=channel, entries=shown)
