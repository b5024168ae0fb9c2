"""Tests of decisions: which articles are published, when, with which `updated`, and in which listings."""

from __future__ import annotations

from builders import a_provider, a_selection, an_article, terms
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.selections.values import ListingRules
from feedserver.index.decisions import (
    MOST_AHEAD_SECONDS,
    Candidate,
    KnownArticle,
    choose_winner,
    decide_updated,
    listings_of,
    next_due,
    publish,
)
from feedserver.model import Article, Kind, ListingKey

NOW = 1000
OLD, NEW = b"o" * 16, b"n" * 16


def claim(
    path: str = "a.md",
    published: int = 500,
    declared: int | None = None,
    *,
    mtime: int = 600,
    is_provisional: bool = False,
) -> Candidate:
    return Candidate(
        file_id=1,
        article_id="tag:x",
        order_path=path,
        published=published,
        declared_update=declared,
        mtime=mtime,
        date_is_provisional=is_provisional,
    )


# --- Which of two files with one id


def test_the_later_publication_wins() -> None:
    early, late = claim("a.md", 500), claim("b.md", 501)
    assert choose_winner([early, late], NOW) == late


def test_a_later_update_wins_over_a_later_publication() -> None:
    updated, published = claim("b.md", 500, 700), claim("a.md", 600)
    assert choose_winner([published, updated], NOW) == updated


def test_an_update_in_the_future_does_not_count() -> None:
    scheduled, published = claim("b.md", 500, NOW + 1), claim("a.md", 600)
    assert choose_winner([published, scheduled], NOW) == published
    assert choose_winner([published, scheduled], NOW + 1) == scheduled


def test_of_equal_times_the_lower_path_wins() -> None:
    lower, higher = claim("a.md"), claim("b.md")
    assert choose_winner([higher, lower], NOW) == lower


def test_an_article_in_the_future_does_not_win_before_its_time() -> None:
    present, future = claim("a.md", 500), claim("b.md", NOW + 1)
    assert choose_winner([present, future], NOW) == present
    assert choose_winner([present, future], NOW + 1) == future
    assert choose_winner([future], NOW) is None
    assert choose_winner([], NOW) is None


def test_a_publication_that_is_only_an_mtime_never_decides() -> None:
    stated, undated = claim("b.md", 5), claim("a.md", 900, is_provisional=True)
    assert choose_winner([undated, stated], NOW) == stated
    older = claim("0.md", 1, is_provisional=True)
    assert choose_winner([undated, older], NOW) == older


CLAIMS = st.lists(
    st.builds(
        claim,
        st.sampled_from(["a.md", "b.md", "c.md"]),
        st.integers(0, 2000),
        st.none() | st.integers(0, 2000),
        mtime=st.integers(0, 2000),
        is_provisional=st.booleans(),
    ),
    unique_by=lambda one: one.order_path,
)


@given(CLAIMS, st.data())
def test_the_winner_depends_on_neither_order_nor_mtimes(claims: list[Candidate], data: st.DataObject) -> None:
    winner = choose_winner(claims, NOW)
    touched = [
        one._replace(mtime=data.draw(st.integers(0, 2000))) for one in data.draw(st.permutations(claims))
    ]
    again = choose_winner(touched, NOW)
    assert (winner and winner.order_path) == (again and again.order_path)
    assert winner is None or winner.published <= NOW


# --- When time alone changes something


@given(st.lists(st.none() | st.integers(0, 2000), max_size=4))
def test_what_is_due_is_the_next_moment_of_change(moments: list[int | None]) -> None:
    ahead = [time for time in moments if time is not None and time > NOW]
    assert next_due(NOW, *moments) == (min(ahead) if ahead else None)


# --- The time of an update


def test_an_article_that_was_never_seen_is_as_old_as_its_publication() -> None:
    assert decide_updated(claim(mtime=900), NEW, None, NOW) == 500


def test_a_declared_update_is_taken_at_its_word() -> None:
    known = KnownArticle(digest=OLD, updated=800)
    assert decide_updated(claim(declared=700), NEW, known, NOW) == 700


def test_a_declared_update_in_the_future_is_ignored() -> None:
    assert decide_updated(claim(declared=NOW + 1), NEW, None, NOW) == 500


def test_what_looks_the_same_keeps_its_update_whatever_its_mtime() -> None:
    known = KnownArticle(digest=OLD, updated=800)
    assert decide_updated(claim(mtime=950), OLD, known, NOW) == 800


def test_what_looks_different_was_updated_when_its_file_was() -> None:
    known = KnownArticle(digest=OLD, updated=800)
    assert decide_updated(claim(mtime=950), NEW, known, NOW) == 950


@given(st.integers(0, NOW), st.integers(0, 2000), st.integers(0, NOW + MOST_AHEAD_SECONDS))
def test_a_change_is_later_than_the_one_before_and_not_in_the_future(
    published: int, mtime: int, previous: int
) -> None:
    known = KnownArticle(digest=OLD, updated=previous)
    updated = decide_updated(claim(published=published, mtime=mtime), NEW, known, NOW)
    assert updated > previous
    assert published <= updated <= max(NOW, previous + 1)


# Milliseconds between two looks at a file, how far its mtime is from the clock, and whether it looks new.
LOOKS = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(-100, 100), st.booleans()), min_size=1, max_size=40
)


@given(LOOKS)
def test_every_visible_change_is_dated_later_however_fast_they_come(
    looks: list[tuple[int, int, bool]],
) -> None:
    clock, version = NOW * 1000, 0
    _, known = publish(claim()._replace(visible_digest=bytes([version])), None, NOW)
    for gap, mtime_offset, is_visible in looks:
        clock += gap
        version += is_visible
        now = clock // 1000
        claimed = claim(mtime=now + mtime_offset)._replace(visible_digest=bytes([version]))
        entry, after = publish(claimed, known, now)
        assert entry.updated > known.updated if is_visible else entry.updated == known.updated
        # Only as far ahead as changes came faster than one per second.
        assert entry.updated <= max(now, known.updated + 1)
        known = after


def test_an_update_of_a_wrong_clock_is_decided_again() -> None:
    far = NOW + 400 * 86_400
    known = KnownArticle(digest=OLD, updated=far)
    assert decide_updated(claim(mtime=far), OLD, known, NOW) == NOW
    assert decide_updated(claim(mtime=far), NEW, known, NOW) == NOW
    assert decide_updated(claim(mtime=900), NEW, known, NOW) == 900
    near = KnownArticle(digest=OLD, updated=NOW + MOST_AHEAD_SECONDS)
    assert decide_updated(claim(mtime=far), OLD, near, NOW) == NOW + MOST_AHEAD_SECONDS


# --- Listings


def test_an_article_is_in_the_listings_that_it_names() -> None:
    article = an_article(topics=terms("AI", "Bees"), provider=a_provider(), category=terms("News")[0])
    assert listings_of(article, 0, 0, ListingRules()) == {
        ListingKey(kind=Kind.ARTICLES): "",
        ListingKey(kind=Kind.TOPIC, slug="ai"): "AI",
        ListingKey(kind=Kind.TOPIC, slug="bees"): "Bees",
        ListingKey(kind=Kind.PROVIDER, slug="gazette"): "Gazette",
        ListingKey(kind=Kind.DOMAIN, slug="gazette.example"): "gazette.example",
        ListingKey(kind=Kind.CATEGORY, slug="news"): "News",
    }


def _is_selected(article: Article, quality: int, heat: int, **conditions: object) -> bool:
    rules = ListingRules(feeds=(a_selection("x", "X", **conditions),))
    return ListingKey(kind=Kind.FEED, slug="x") in listings_of(article, quality, heat, rules)


def test_a_selection_needs_every_condition_and_any_member_of_a_list() -> None:
    article = an_article(topics=terms("AI"), provider=a_provider(), category=terms("News")[0])

    def selects(**conditions: object) -> bool:
        return _is_selected(article, 5, 7, **conditions)

    assert selects()
    assert selects(topics=("bees", "ai"), providers=("gazette",), categories=("news",))
    assert selects(providers=("gazette.example",), min_quality=5, min_heat=7)
    assert not selects(topics=("bees",))
    assert not selects(topics=("ai",), providers=("herald",))
    assert not selects(categories=("blog",))
    assert not selects(min_quality=6)
    assert not selects(min_heat=8)


def test_an_article_without_provider_and_category_is_in_no_selection_of_them() -> None:
    article = an_article()
    assert not _is_selected(article, 0, 0, providers=("gazette",))
    assert not _is_selected(article, 0, 0, categories=("news",))
