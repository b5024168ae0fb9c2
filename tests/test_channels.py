"""Channels of feeds: titles, descriptions, ids and pictures, from values alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from builders import a_selection
from msgspec.structs import replace

from feedserver.feeds.channels import SiteFacts, describe, listing_title, make_feed, summarise
from feedserver.index.values import ListingState, Selected, SelectedEntry
from feedserver.model import (
    Article,
    Feed,
    Image,
    Kind,
    ListingKey,
    ListingSummary,
    Provider,
    Taxonomy,
    TaxonomyKind,
    Term,
)

NOON = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)
SITE = SiteFacts(
    title="Example",
    description="",
    base_url="https://feeds.example",
    language="en",
    rights="",
    icon="https://feeds.example/icon.png",
    logo="",
    author="",
    id_authority="feeds.example",
    id_year=2025,
    ttl=5,
    selections=(
        a_selection("mine", "My feed", description="Chosen by me."),
        a_selection("x", "X"),
    ),
)
ARTICLES = ListingKey(kind=Kind.ARTICLES)
TOPIC = ListingKey(kind=Kind.TOPIC, slug="ai")
PROVIDER = ListingKey(kind=Kind.PROVIDER, slug="gazette")
DOMAIN = ListingKey(kind=Kind.DOMAIN, slug="gazette.example")
CATEGORY = ListingKey(kind=Kind.CATEGORY, slug="news")
MINE = ListingKey(kind=Kind.FEED, slug="mine")


def state_of(key: ListingKey = TOPIC, title: str = "AI", taxonomy: Taxonomy | None = None) -> ListingState:
    return ListingState(
        key=key,
        id=1,
        version="00",
        changed=1,
        retracted=0,
        build="index-1",
        count=0,
        title=title,
        since=NOON,
        updated=None,
        taxonomy=taxonomy,
    )


def feed_of(state: ListingState, entries: Sequence[SelectedEntry]) -> Feed:
    return make_feed(Selected(state=state, entries=tuple(entries), months={}, open_month=0), SITE)


def selected(
    name: str = "one", updated: datetime = NOON, icon: str = "https://gazette.example/icon.png"
) -> SelectedEntry:
    article = Article(
        id=f"tag:feeds.example,2025:{name}",
        title=name,
        url=f"https://gazette.example/{name}",
        published=NOON,
        topics=(Term(name="Artificial intelligence", slug="ai"),),
        provider=Provider(name="The Gazette", slug="gazette", images=(Image(url=icon),) if icon else ()),
    )
    return SelectedEntry(article=article, updated=updated, digest=name)


@pytest.mark.parametrize(
    ("key", "title", "name"),
    [
        (ARTICLES, "", "Example"),
        (TOPIC, "Artificial intelligence", "Artificial intelligence"),
        (TOPIC, "", "ai"),
        (MINE, "", "My feed"),
        (MINE, "What it was called before", "My feed"),
        (ListingKey(kind=Kind.FEED, slug="gone"), "Gone", "Gone"),
    ],
)
def test_a_listing_is_called_as_the_settings_say_else_as_articles_spell_it(
    key: ListingKey, title: str, name: str
) -> None:
    assert listing_title(ListingSummary(key=key, title=title), SITE) == name


@pytest.mark.parametrize(
    ("key", "description"),
    [
        (ARTICLES, "The latest articles on all topics from all providers."),
        (TOPIC, "The latest articles on AI."),
        (PROVIDER, "The latest articles from AI."),
        (DOMAIN, "The latest articles from AI."),
        (CATEGORY, "The latest articles in the category AI."),
        (MINE, "Chosen by me."),
        (ListingKey(kind=Kind.FEED, slug="x"), "The latest articles: X."),
    ],
)
def test_every_listing_has_a_description(key: ListingKey, description: str) -> None:
    assert describe(ListingSummary(key=key, title="AI"), SITE) == description


def test_a_description_of_its_own_comes_first() -> None:
    assert describe(ListingSummary(key=TOPIC, title="AI", description="Machines."), SITE) == "Machines."
    site = replace(SITE, description="All there is.")
    assert describe(ListingSummary(key=ARTICLES, title=""), site) == "All there is."


def test_a_feed_says_what_it_is_and_whose() -> None:
    feed = feed_of(state_of(), [selected()])
    assert feed.channel.title == "AI | Example"
    assert feed.channel.id == "tag:feeds.example,2025:feeds/topics/ai"
    assert feed.channel.page_url == "https://feeds.example/topics/ai"
    assert feed_of(state_of(ARTICLES, ""), []).channel.title == "Example"


def test_a_feed_changed_when_its_latest_entry_did_and_an_empty_one_when_it_became_so() -> None:
    later = NOON + timedelta(hours=3)
    entries = [selected("one", NOON), selected("two", later), selected("three", NOON - timedelta(days=1))]
    assert feed_of(state_of(), entries).channel.updated == later
    assert feed_of(state_of(), []).channel.updated == NOON


def test_an_entry_depends_on_its_own_article_alone() -> None:
    alone = feed_of(state_of(), [selected("one")]).entries[0]
    among = feed_of(state_of(ARTICLES, ""), [selected("zero"), selected("one")]).entries[1]
    assert alone == among


def test_an_entry_names_our_feed_of_its_provider_as_the_article_does() -> None:
    (entry,) = feed_of(state_of(), [selected()]).entries
    assert entry.source is not None
    assert entry.source.id == "tag:feeds.example,2025:feeds/providers/gazette"
    assert entry.source.title == "The Gazette"
    assert entry.source.page_url == "https://feeds.example/providers/gazette"
    assert entry.source.icon == "https://gazette.example/icon.png"
    (topic,) = entry.categories
    assert (topic.label, topic.term) == ("Artificial intelligence", "ai")
    assert topic.scheme == "https://feeds.example/topics"


def test_an_article_of_nobody_has_no_source() -> None:
    nobodys = SelectedEntry(article=replace(selected().article, provider=None), updated=NOON, digest="")
    assert feed_of(state_of(), [nobodys]).entries[0].source is None


def test_a_picture_is_the_taxonomy_s_else_the_provider_s_else_the_site_s() -> None:
    described = Taxonomy(
        kind=TaxonomyKind.PROVIDER,
        name="Gazette",
        slug="gazette",
        images=(Image(url="https://t.example/i.png"),),
    )
    entries = [selected(icon=""), selected("two")]
    assert feed_of(state_of(PROVIDER, taxonomy=described), entries).channel.icon == "https://t.example/i.png"
    assert feed_of(state_of(PROVIDER), entries).channel.icon == "https://gazette.example/icon.png"
    assert feed_of(state_of(PROVIDER), []).channel.icon == SITE.icon
    assert feed_of(state_of(TOPIC), entries).channel.icon == SITE.icon


def test_a_summary_is_complete() -> None:
    summary = summarise(state_of(title=""), SITE)
    assert (summary.title, summary.description) == ("ai", "The latest articles on ai.")
