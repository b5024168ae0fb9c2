"""From the state of a listing to a `Feed`: the channel and its entries.

Pure: titles, descriptions, ids and addresses follow from the listing, its articles and the facts of the site
alone (promise 2). An entry depends on its own article alone, so that the change of an article changes only
the feeds that show it. Renders nothing.
"""

from __future__ import annotations

from typing import Any

from feedserver import __version__
from feedserver.articles.identity import listing_id
from feedserver.articles.selections.values import Selection
from feedserver.index.archives import ArchiveDocument, last_archive, next_archive, previous_archive
from feedserver.index.values import ListingState, Selected, SelectedEntry
from feedserver.model import (
    Article,
    Branding,
    Category,
    Channel,
    Entry,
    Feed,
    Image,
    Kind,
    ListingKey,
    ListingSummary,
    Provider,
    Source,
    Value,
)

GENERATOR = "feedserver"


class SiteFacts(Value, frozen=True):
    """The facts of the site, from the settings.

    `base_url` has no trailing slash; `ttl` is in minutes; `retired` are addresses of listings that ended.
    """

    title: str
    description: str
    base_url: str
    language: str
    rights: str
    icon: str
    logo: str
    author: str
    id_authority: str
    id_year: int
    ttl: int
    branding: Branding = Branding()
    selections: tuple[Selection, ...] = ()
    retired: tuple[str, ...] = ()

    def selection(self, key: ListingKey) -> Selection | None:
        """The selection of a saved feed; None for other listings."""
        if key.kind is not Kind.FEED:
            return None
        return next((one for one in self.selections if one.name == key.slug), None)


def listing_title(summary: ListingSummary, site: SiteFacts) -> str:
    """The name of a listing: from the settings, else its most frequent spelling."""
    if summary.key.kind is Kind.ARTICLES:
        return site.title
    chosen = site.selection(summary.key)
    return chosen.title if chosen else summary.title or summary.key.slug


def describe(summary: ListingSummary, site: SiteFacts) -> str:
    """The description of a listing: from its taxonomy file or the settings, else a sentence."""
    if summary.description:
        return summary.description
    title = listing_title(summary, site)
    if summary.key.kind is Kind.FEED:
        chosen = site.selection(summary.key)
        return (chosen.description if chosen else "") or f"The latest articles: {title}."
    if summary.key.kind is Kind.ARTICLES:
        return site.description or "The latest articles on all topics from all providers."
    joined = {
        Kind.TOPIC: "on",
        Kind.PROVIDER: "from",
        Kind.DOMAIN: "from",
        Kind.CATEGORY: "in the category",
    }
    return f"The latest articles {joined[summary.key.kind]} {title}."


def summarise(state: ListingState, site: SiteFacts) -> ListingSummary:
    """A listing as pages show it, with title and description."""
    plain = state.summary
    return ListingSummary(
        key=plain.key,
        title=listing_title(plain, site),
        description=describe(plain, site),
        count=plain.count,
        updated=plain.updated,
    )


def make_feed(selected: Selected, site: SiteFacts, archive: ArchiveDocument | None = None) -> Feed:
    """The feed of a listing, or of one of its archive documents.

    The `updated` of an empty feed is when it was first known or became empty.
    """
    state = selected.state
    summary = summarise(state, site)
    entries = tuple(make_entry(one, site) for one in selected.entries)
    title = summary.title if state.key.kind is Kind.ARTICLES else f"{summary.title} | {site.title}"
    channel = make_channel(
        site,
        state.key.address,
        title=title,
        description=summary.description,
        updated=max((entry.updated for entry in entries), default=state.since),
        icon=_icon(selected) or site.icon,
        **_place_in_history(selected, archive),
    )
    return Feed(channel=channel, entries=entries)


def make_channel(site: SiteFacts, address: str, **values: Any) -> Channel:
    """The channel of the listing or selection at an address; `values` are the fields that are its own."""
    return Channel(
        id=listing_id(site.id_authority, site.id_year, address),
        page_url=site.base_url + address,
        language=site.language,
        rights=site.rights,
        logo=site.logo,
        author=site.author,
        ttl=site.ttl,
        generator=GENERATOR,
        generator_version=__version__,
        branding=site.branding,
        **values,
    )


def _place_in_history(selected: Selected, archive: ArchiveDocument | None) -> dict[str, str]:
    months, open_month = selected.months, selected.open_month
    if archive is None:
        return {"previous_archive": str(last_archive(months, open_month) or "")}
    return {
        "archive": str(archive),
        "previous_archive": str(previous_archive(archive, months, open_month) or ""),
        "next_archive": str(next_archive(archive, months, open_month) or ""),
    }


def make_entry(selected: SelectedEntry, site: SiteFacts) -> Entry:
    """An article as feeds show it."""
    article = selected.article
    return Entry(
        article=article,
        updated=selected.updated,
        source=_source(article, site),
        categories=tuple(
            Category(label=topic.name, term=topic.slug, scheme=f"{site.base_url}/topics")
            for topic in article.topics
        ),
    )


def _source(article: Article, site: SiteFacts) -> Source | None:
    """Our feed of the article's provider, with the provider's name as in this article."""
    provider = article.provider
    if provider is None:
        return None
    address = ListingKey(kind=Kind.PROVIDER, slug=provider.slug).address
    return Source(
        id=listing_id(site.id_authority, site.id_year, address),
        title=provider.name,
        page_url=site.base_url + address,
        icon=provider.images[0].url if provider.images else "",
    )


def _icon(selected: Selected) -> str:
    """The picture of a listing: from its taxonomy file; for a provider, else from its newest article."""
    state = selected.state
    if state.taxonomy is not None and state.taxonomy.images:
        return state.taxonomy.images[0].url
    if state.key.kind is not Kind.PROVIDER:
        return ""
    return next((image.url for one in selected.entries for image in _pictures(one.article.provider)), "")


def _pictures(provider: Provider | None) -> tuple[Image, ...]:
    return () if provider is None else provider.images
