"""Batches: what they publish, which listings they touch, and what the publication history learns of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from builders import (
    START,
    Contents,
    a_change,
    a_loss,
    a_provider,
    a_selection,
    an_article,
    at,
    changes_of,
    contents,
    id_of,
    terms,
)
from stores import address_of, files_only

from feedserver.articles.selections.values import ListingRules, Selection
from feedserver.findings import FindingCode, Severity
from feedserver.index import writer
from feedserver.index.archives import month_bounds, month_of
from feedserver.index.facts import BuildFacts
from feedserver.index.file_values import FileChange, FileKey, Stamp
from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.index.transactions import transaction
from feedserver.index.writer import IndexWriter
from feedserver.model import (
    Article,
    Finding,
    Kind,
    ListingKey,
    Related,
    Taxonomy,
    TaxonomyKind,
    Verdict,
)

NOW = START + 1000
BEES = id_of("news/bees")


class Index:
    """A serving build, its publication history and its writer."""

    def __init__(self, state_dir: Path, *feeds: Selection) -> None:
        self.state_dir = state_dir
        self.rules = ListingRules(feeds=feeds, is_searched=True)
        self.builds = open_store(address_of(state_dir)).builds()
        self.history = self.builds.open_history()
        self.begin()

    def begin(self) -> None:
        """Begin a build over the publication history, and let it serve at once."""
        build = self.builds.begin()
        self.connection = self.builds.write(build)
        self.writer = IndexWriter(self.connection, self.history, self.rules)
        self.writer.create(BuildFacts(), NOW)
        self.builds.publish(build)

    def rebuild(self, *changes: FileChange, now: int = NOW) -> None:
        """Drop the build and read all files again, one at a time."""
        self.begin()
        for change in changes:
            self.writer.stage([change], now)
        self.writer.publish_staged(now)

    def apply(self, *changes: FileChange, now: int = NOW) -> int:
        return self.writer.apply(changes, now)

    @property
    def contents(self) -> Contents:
        return contents(self.state_dir)

    def updated(self, path: str = "news/bees") -> int | None:
        entry = self.contents.entries.get(id_of(path))
        return None if entry is None else entry[3]

    def shown(self) -> set[str]:
        """The paths of the files whose articles are shown."""
        return {entry[1] for entry in self.contents.entries.values()}

    def count(self, listing: str) -> int | None:
        found = self.contents.listings.get(listing)
        return None if found is None else found[1]

    def close(self) -> None:
        self.builds.close()
        self.history.close()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with closing(Index(tmp_path)) as index:
        yield index


RULES = ListingRules(
    feeds=(a_selection("hot", "Hot", min_heat=5), a_selection("good", "Good", min_quality=5)),
    is_searched=True,
)


@pytest.fixture
def selective(tmp_path: Path) -> Iterator[Index]:
    with closing(Index(tmp_path, *RULES.feeds)) as index:
        yield index


def full(path: str = "news/bees", **changes: object) -> Article:
    least = {"topics": terms("AI", "Bees"), "provider": a_provider(), "category": terms("News")[0]}
    return an_article(path, **(least | changes))


OF_FULL = {
    "articles/",
    "topics/ai",
    "topics/bees",
    "providers/gazette",
    "domains/gazette.example",
    "categories/news",
}


def taxonomy(path: str, name: str = "AI", description: str = "", domain: str = "") -> FileChange:
    kind = TaxonomyKind.PROVIDER if domain else TaxonomyKind.TOPIC
    described = Taxonomy(kind=kind, name=name, slug=name.lower(), description=description, domain=domain)
    return a_change(path, verdict=Verdict.TAXONOMY, taxonomy=described)


# --- Which listings a change touches


def test_an_article_appears_in_all_its_listings(index: Index) -> None:
    assert index.apply(a_change("bees.md", full())) == 1
    assert {name for name, listing in index.contents.listings.items() if listing[1] == 1} == OF_FULL
    assert {member[:2] for member in index.contents.members} == {tuple(name.split("/")) for name in OF_FULL}


def test_a_new_title_changes_exactly_the_listings_that_hold_the_article(index: Index) -> None:
    others = [a_change(f"{n}.md", an_article(f"n{n}", topics=terms("AI", "Other"))) for n in range(3)]
    index.apply(a_change("bees.md", full()), *others)
    before, commits = index.contents, changes_of(index.state_dir)
    assert index.apply(a_change("bees.md", full(title="New"), mtime=START + 500)) == 1
    after = index.contents
    changed = {name for name in after.listings if after.listings[name][0] != before.listings[name][0]}
    assert changed == OF_FULL
    assert {
        name for name, commit in changes_of(index.state_dir).items() if commit != commits[name]
    } == OF_FULL
    assert index.updated() == START + 500


def test_a_rewrite_of_the_same_changes_nothing(index: Index) -> None:
    index.apply(a_change("bees.md", full()))
    before, commits = index.contents, changes_of(index.state_dir)
    assert index.apply(a_change("bees.md", full(), mtime=NOW, heat=9, quality=9)) == 0
    assert index.contents == before
    assert changes_of(index.state_dir) == commits


def test_heat_and_quality_move_an_article_through_selections_and_touch_nothing_else(selective: Index) -> None:
    selective.apply(a_change("bees.md", full(), rules=RULES, heat=1, quality=1))
    before, commits = selective.contents, changes_of(selective.state_dir)
    assert selective.apply(a_change("bees.md", full(), rules=RULES, heat=5, quality=1, mtime=NOW)) == 1
    assert selective.count("feeds/hot") == 1
    assert selective.count("feeds/good") == 0
    touched = {n for n, commit in changes_of(selective.state_dir).items() if commit != commits[n]}
    assert touched == {"feeds/hot"}
    assert selective.updated() == START
    selective.apply(a_change("bees.md", full(), rules=RULES, heat=4, quality=9, mtime=NOW))
    assert (selective.count("feeds/hot"), selective.count("feeds/good")) == (0, 1)
    selective.apply(a_change("bees.md", full(), rules=RULES, heat=4, quality=4, mtime=NOW))
    assert selective.contents.entries == before.entries


def test_another_provider_moves_the_article(index: Index) -> None:
    index.apply(a_change("bees.md", full()))
    index.apply(a_change("bees.md", full(provider=a_provider("Herald", "herald.example")), mtime=NOW))
    assert [index.count(f"providers/{slug}") for slug in ("gazette", "herald")] == [0, 1]
    assert [index.count(f"domains/{name}.example") for name in ("gazette", "herald")] == [0, 1]
    assert index.contents.listings["providers/gazette"][0] == "00" * 16


def test_deleting_the_newest_article_changes_its_listings(index: Index) -> None:
    older = full("old", published=at(START - 9), title="Old")
    index.apply(a_change("old.md", older), a_change("bees.md", full()))
    before = index.contents
    assert index.apply(a_loss("bees.md")) == 1
    after = index.contents
    assert {name for name in OF_FULL if after.listings[name][0] != before.listings[name][0]} == OF_FULL
    assert all(after.listings[name][4] == START - 9 for name in OF_FULL)
    assert "bees.md" not in {path for _, path in after.findings}


@pytest.mark.parametrize("verdict", [Verdict.HIDDEN, Verdict.NOT_ARTICLE, Verdict.UNDATED])
def test_what_is_no_article_any_more_is_retracted(index: Index, verdict: Verdict) -> None:
    index.apply(a_change("bees.md", full()))
    assert index.apply(a_change("bees.md", verdict=verdict)) == 1
    assert index.shown() == set()
    assert all(index.count(name) == 0 for name in OF_FULL)


def test_versions_are_equal_whatever_the_order_of_events(tmp_path: Path) -> None:
    articles = [a_change(f"{n}.md", full(f"n{n}", title=f"T{n}")) for n in range(5)]
    found = []
    for number, order in enumerate((articles, articles[::-1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        with closing(Index(folder)) as index:
            for change in order:
                index.apply(change)
            if number:
                index.apply(a_loss("0.md"))
                index.apply(articles[0])
            found.append(index.contents)
    assert found[0].listings == found[1].listings
    assert found[0].members == found[1].members


def test_a_listing_is_titled_by_its_most_frequent_spelling(index: Index) -> None:
    def spelled(number: int, name: str) -> FileChange:
        return a_change(f"{number}.md", an_article(f"n{number}", topics=terms(name)))

    index.apply(spelled(1, "Ai"), spelled(2, "AI"))
    assert index.contents.listings["topics/ai"][2] == "AI"
    index.apply(spelled(3, "Ai"))
    assert index.contents.listings["topics/ai"][2] == "Ai"
    index.apply(a_loss("1.md"), a_loss("2.md"), a_loss("3.md"))
    assert index.contents.listings["topics/ai"][2] == "Ai"


# --- Two files with one id


def test_the_later_of_two_files_is_shown_and_the_other_when_it_goes(index: Index) -> None:
    early, late = full(title="Early"), full(title="Late", published=at(START + 1))
    index.apply(a_change("a.md", early))
    index.apply(a_change("b.md", late))
    assert index.shown() == {"b.md"}
    index.apply(a_loss("b.md"))
    assert index.shown() == {"a.md"}
    index.apply(a_change("b.md", late))
    index.apply(a_loss("a.md"))
    assert index.shown() == {"b.md"}
    assert index.count("articles/") == 1


def test_a_rebuild_that_reads_the_loser_first_re_dates_nothing(index: Index) -> None:
    loser = a_change("a.md", full(title="Early", topics=terms("Loser")), mtime=START + 7)
    winner = a_change("b.md", full(title="Late", published=at(START + 1)), mtime=START + 9)
    index.apply(loser, winner)
    before, listings = index.contents, index.history.listings()
    index.rebuild(loser, winner)
    assert index.contents == before
    assert index.history.listings() == listings
    assert ListingKey(kind=Kind.TOPIC, slug="loser") not in listings


@files_only
def test_a_history_with_digests_of_version_1_re_dates_nothing(index: Index) -> None:
    index.apply(a_change("bees.md", full(), mtime=START + 7))
    edited = a_change("bees.md", full(title="New"), mtime=START + 500)
    index.apply(edited)
    before = index.contents
    with transaction(index.history.connection, write=True):
        index.history.connection.exec_driver_sql("UPDATE article SET digest = randomblob(16)")
    index.rebuild(edited, now=NOW + 1)
    assert index.contents == before
    index.apply(a_change("bees.md", full(title="New", kind="review"), mtime=START + 600))
    assert index.updated() == START + 500
    index.apply(a_change("bees.md", full(title="Newer", kind="review"), mtime=START + 700))
    assert index.updated() == START + 700


def test_first_sight_belongs_to_the_article_and_not_to_one_of_its_files(index: Index) -> None:
    first = a_change("b.md", full(published=at(START + 1)), mtime=START + 1, date_is_provisional=True)
    second = a_change("a.md", full(published=at(START + 9)), mtime=START + 9, date_is_provisional=True)
    index.apply(first)
    index.apply(second)
    assert index.contents.entries[BEES][1:3] == ("a.md", START + 1)
    index.apply(a_loss("a.md"))
    assert index.contents.entries[BEES][1:3] == ("b.md", START + 1)
    before = index.contents
    index.rebuild(
        a_change("b.md", full(published=at(START + 99)), mtime=START + 99, date_is_provisional=True)
    )
    assert index.contents == before


def test_an_mtime_in_the_future_hides_nothing(index: Index) -> None:
    index.apply(a_change("a.md", full(published=at(NOW + 99)), mtime=NOW + 99, date_is_provisional=True))
    assert index.contents.entries[BEES][2] == NOW


def test_first_sight_outlives_a_date_that_comes_and_goes(index: Index) -> None:
    undated = a_change("a.md", full(published=at(START + 5)), mtime=START + 5, date_is_provisional=True)
    index.apply(undated)
    index.apply(a_change("a.md", full()))
    assert index.contents.entries[BEES][2] == START
    index.apply(a_change("a.md", full(published=at(NOW)), mtime=NOW, date_is_provisional=True))
    assert index.contents.entries[BEES][2] == START + 5


# --- Time


def test_an_article_of_the_future_appears_at_its_time(index: Index) -> None:
    index.apply(a_change("bees.md", full(published=at(NOW + 60))))
    assert index.shown() == set()
    assert index.count("topics/ai") is None
    assert index.writer.next_due() == NOW + 60
    assert index.writer.advance(NOW + 59) == 0
    assert index.writer.advance(NOW + 60) == 1
    assert index.shown() == {"bees.md"}
    assert index.writer.next_due() == month_bounds(month_of(NOW))[1]
    assert index.updated() == NOW + 60


def test_an_update_of_the_future_counts_from_its_time_on(index: Index) -> None:
    index.apply(a_change("bees.md", full(updated=at(NOW + 60))))
    assert index.updated() == START
    assert index.writer.advance(NOW + 61) == 1
    assert index.updated() == NOW + 60


def related(name: str, published: int | None = None) -> Related:
    return Related(
        title=name,
        url=f"https://gazette.example/{name}",
        published=None if published is None else at(published),
    )


def shown_related(index: Index) -> list[str]:
    """The related articles that readers get with the bees."""
    with closing(IndexReader(open_store(address_of(index.state_dir)))) as reader:
        selected = reader.select(ListingKey(kind=Kind.ARTICLES), 50)
    assert selected is not None
    (entry,) = selected.entries
    return [one.title for one in entry.article.related]


def test_a_related_article_of_the_future_appears_at_its_time(index: Index) -> None:
    items = (related("past", START), related("soon", NOW + 60), related("undated"), related("late", NOW + 90))
    index.apply(a_change("bees.md", full(related=items)))
    assert shown_related(index) == ["past", "undated"]
    assert index.writer.next_due() == NOW + 60
    before = index.updated() or 0
    assert index.writer.advance(NOW + 59) == 0
    assert index.writer.advance(NOW + 60) == 1
    assert shown_related(index) == ["past", "soon", "undated"]
    assert (index.updated() or 0) > before
    assert index.writer.advance(NOW + 90) == 1
    assert shown_related(index) == ["past", "soon", "undated", "late"]
    assert index.writer.next_due() == month_bounds(month_of(NOW))[1]


def test_a_related_article_of_the_future_is_hidden_again_when_the_clock_goes_back(index: Index) -> None:
    index.apply(a_change("bees.md", full(related=(related("soon", NOW + 60),))))
    index.writer.advance(NOW + 900)
    assert shown_related(index) == ["soon"]
    index.writer.retreat(NOW)
    assert shown_related(index) == []
    assert index.writer.next_due() == NOW + 60
    index.writer.advance(NOW + 60)
    assert shown_related(index) == ["soon"]


def test_a_related_article_of_the_future_survives_a_mistake_in_its_file(index: Index) -> None:
    index.apply(a_change("bees.md", full(related=(related("soon", NOW + 60),))))
    index.apply(broken())
    assert shown_related(index) == []
    index.rebuild(broken())
    assert shown_related(index) == []
    index.writer.advance(NOW + 60)
    assert shown_related(index) == ["soon"]


def test_an_undated_article_keeps_a_related_one_of_the_future_hidden(index: Index) -> None:
    undated = full(published=at(START + 5), related=(related("soon", NOW + 60),))
    index.apply(a_change("bees.md", undated, mtime=START + 5, date_is_provisional=True))
    index.apply(a_change("bees.md", undated, mtime=NOW - 5, date_is_provisional=True))
    assert shown_related(index) == []
    index.writer.advance(NOW + 60)
    assert shown_related(index) == ["soon"]


# --- Broken files


def broken(path: str = "bees.md") -> FileChange:
    finding = Finding(severity=Severity.ERROR, code=FindingCode.YAML_SYNTAX, message="is broken")
    return a_change(path, verdict=Verdict.BROKEN, mtime=NOW, findings=(finding,))


def test_a_broken_file_keeps_its_last_good_version_also_over_rebuilds(index: Index) -> None:
    index.apply(a_change("bees.md", full(), heat=3))
    before = index.contents
    assert index.apply(broken()) == 0
    assert index.contents.entries == before.entries
    for _ in range(2):
        index.rebuild(broken())
        assert index.contents.entries == before.entries
        assert index.contents.listings == before.listings
    assert index.contents.findings[0, "bees.md"][0] == "broken"


def test_a_broken_file_that_is_hidden_deleted_or_repaired_is_kept_no_more(index: Index) -> None:
    hidden, whole = a_change("bees.md", verdict=Verdict.HIDDEN), a_change("bees.md", full(title="Whole"))
    for end in (hidden, a_loss("bees.md"), whole):
        index.apply(a_change("bees.md", full()))
        index.apply(broken())
        assert index.history.last_good(["bees.md"])
        index.apply(end)
        assert not index.history.last_good(["bees.md"])
        index.apply(a_loss("bees.md"))
        index.apply(broken())
        assert index.shown() == set()


def test_a_file_that_was_never_good_is_left_out(index: Index) -> None:
    assert index.apply(broken(), a_change("ants.md", full("news/ants"))) == 1
    assert index.shown() == {"ants.md"}


# --- What describes listings


def test_a_described_listing_exists_without_articles_and_stays_known(index: Index) -> None:
    index.apply(taxonomy("ai.md", description="On minds"))
    described = index.contents.listings["topics/ai"]
    assert described[1:3] == (0, "AI")
    assert b"On minds" in described[5]
    index.apply(a_loss("ai.md"))
    left = index.contents.listings["topics/ai"]
    assert left[5] is None
    index.rebuild()
    assert index.contents.listings["topics/ai"] == left


def test_an_organization_describes_its_name_and_its_domain(index: Index) -> None:
    index.apply(taxonomy("g.md", name="Gazette", domain="gazette.example"))
    assert {"providers/gazette", "domains/gazette.example"} <= set(index.contents.listings)


def test_of_two_descriptions_the_lower_path_counts(index: Index) -> None:
    index.apply(taxonomy("b.md", description="B"), taxonomy("a.md", description="A"))
    assert b'"A"' in index.contents.listings["topics/ai"][5]
    index.apply(a_loss("a.md"))
    assert b'"B"' in index.contents.listings["topics/ai"][5]


def test_a_broken_description_stays_also_over_a_rebuild(index: Index) -> None:
    index.apply(taxonomy("ai.md", description="On minds"))
    before, commits = index.contents.listings, changes_of(index.state_dir)
    index.apply(broken("ai.md"))
    assert index.contents.listings == before
    assert changes_of(index.state_dir) == commits
    index.rebuild(broken("ai.md"))
    assert index.contents.listings == before
    index.apply(a_loss("ai.md"))
    assert index.contents.listings["topics/ai"][5] is None


def test_a_description_that_did_not_change_touches_no_listing(index: Index) -> None:
    index.apply(taxonomy("ai.md", description="On minds"))
    commits = changes_of(index.state_dir)
    index.apply(taxonomy("ai.md", description="On minds"))
    assert changes_of(index.state_dir) == commits


def test_a_file_that_describes_or_is_shown_is_in_use(index: Index) -> None:
    index.apply(
        taxonomy("ai.md"), a_change("bees.md"), a_change("no.md", verdict=Verdict.NOT_ARTICLE),
        a_change("later.md", an_article("later", published=at(NOW + 9))),
    )  # fmt: skip
    in_use = {
        path for path in ("ai.md", "bees.md", "later.md", "no.md", "never.md")
        if index.writer.is_in_use(FileKey(root=0, path=path))
    }  # fmt: skip
    assert in_use == {"ai.md", "bees.md", "later.md"}


# --- Listings that are known


def test_everything_and_the_feeds_of_the_settings_exist_before_any_article(selective: Index) -> None:
    listings = selective.contents.listings
    assert {name: listing[1:3] for name, listing in listings.items()} == {
        "articles/": (0, ""),
        "feeds/hot": (0, "Hot"),
        "feeds/good": (0, "Good"),
    }
    assert all(listing[3] == NOW for listing in listings.values())


def test_listings_once_known_stay_known_and_as_quiet_as_they_were(index: Index) -> None:
    index.apply(a_change("bees.md", full()), now=NOW)
    index.apply(a_loss("bees.md"), now=NOW + 50)
    before = index.contents
    assert {before.listings[name][1] for name in OF_FULL} == {0}
    assert {before.listings[name][3] for name in OF_FULL} == {NOW + 50}
    index.rebuild(now=NOW + 90)
    assert index.contents == before


def test_a_feed_of_the_settings_takes_its_title_from_them(tmp_path: Path) -> None:
    for title in ("Old", "New"):
        with closing(Index(tmp_path, a_selection("hot", title, min_heat=5))) as index:
            assert index.contents.listings["feeds/hot"][2] == title


# --- Numbers and paths


def test_commits_are_numbered_upwards_also_over_a_rebuild_with_an_earlier_clock(index: Index) -> None:
    index.apply(a_change("bees.md", full()))
    [served] = {changes_of(index.state_dir)[name] for name in OF_FULL}
    index.history.last_modified("/articles.rss", "etag", sequence=served, earliest=NOW, now=NOW)
    index.begin()
    index.writer.apply([a_change("bees.md", full())], now=NOW - 100_000)
    assert min(changes_of(index.state_dir)[name] for name in OF_FULL) > served


PATHS = [
    "a", "a.md", "a/b.md", "a/b/c.md", "a-b.md", "a.b/c.md", "a0.md", "a0/b.md", "ab/c.md", "A/b.md",
    "a/ünï.md", "a/\U0001f41d.md", "a/ .md", "a/%.md", "a_/b.md",
]  # fmt: skip


def test_the_stamps_at_and_below_paths_are_those_and_no_others(index: Index) -> None:
    index.apply(*[a_change(path, an_article(path)) for path in PATHS])
    index.apply(a_change("a/b.md", an_article("other"), root=1))
    assert [path for path, _ in index.writer.stamps(0)] == sorted(PATHS)
    candidates = ["a", "a/b", "a/b.md", "a0", "a0.md", "A", "a_", "a.b", "a.md", "ab", "b"]
    for paths in [
        *([path] for path in candidates),
        ["a0", "a", "a.md", "b"],
        ["ab", "a_", "a/b", "a.b", "a-b.md"],
    ]:
        expected = sorted(
            path for path in PATHS if any(path == under or path.startswith(f"{under}/") for under in paths)
        )
        assert [path for path, _ in index.writer.stamps_under(0, paths)] == expected
    assert [path for path, _ in index.writer.stamps(1)] == ["a/b.md"]
    assert [path for path, _ in index.writer.stamps_under(1, ["a"])] == ["a/b.md"]


def test_stamps_are_read_some_at_a_time_and_none_is_left_out(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.apply(*[a_change(path, an_article(path)) for path in PATHS])
    monkeypatch.setattr(writer, "STAMPS_AT_A_TIME", 2)
    assert [path for path, _ in index.writer.stamps(0)] == sorted(PATHS)
    stamps = index.writer.stamps(0)
    first = next(stamps)[0]
    index.apply(a_change("zz.md", an_article("zz")))
    assert [first, *(path for path, _ in stamps)] == sorted([*PATHS, "zz.md"])


def test_stamps_come_back_whatever_their_size(index: Index) -> None:
    stamp = Stamp(mtime_ns=-1, ctime_ns=1 << 62, size=1 << 40, inode=(1 << 64) - 1)
    change = a_change("a.md")
    index.apply(FileChange(key=change.key, order_path=change.order_path, stamp=stamp, content=change.content))
    assert list(index.writer.stamps(0)) == [("a.md", stamp)]


def test_a_batch_of_thousands_is_one_commit(index: Index) -> None:
    count = 2500
    changes = [a_change(f"{n}.md", an_article(f"n{n}", topics=terms(f"T{n}"))) for n in range(count)]
    assert index.apply(*changes) == count
    assert index.count("articles/") == count
    assert index.apply(*[a_loss(change.key.path) for change in changes]) == count
    assert index.contents.entries == {}
    assert index.contents.members == set()
