"""History in archive documents: a walk finds every live article, and they stay as they are."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import Clock, write_article
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from servers import index, settings_of

from feedserver.errors import UnknownAddressError
from feedserver.feeds import feed_renderer
from feedserver.feeds.document import Document
from feedserver.feeds.publisher import Publisher
from feedserver.feeds.representation import Representation
from feedserver.index.archives import (
    ARCHIVE_ENTRIES,
    ArchiveDocument,
    archive_at,
    closed_archives,
    is_closed,
    last_archive,
    month_bounds,
    month_of,
    next_archive,
    parse_archive,
    previous_archive,
    subscription_entries,
)
from feedserver.model import Format, Kind, ListingKey
from feedserver.site.addresses import parse
from feedserver.wiring.publishing import make_publisher

ARTICLES = ListingKey(kind=Kind.ARTICLES)
MID_JUNE = datetime(2025, 6, 15, tzinfo=UTC)

counts = st.dictionaries(st.integers(0, 40), st.integers(1, 350), max_size=12)
open_months = st.integers(0, 41)


# --- The division -------------------------------------------------------------------------------


@given(month=st.integers(min_value=1000 * 12, max_value=9998 * 12))
def test_a_month_is_the_one_of_its_first_and_of_its_last_second(month: int) -> None:
    first, after = month_bounds(month)
    assert month_of(first) == month_of(after - 1) == month
    assert month_of(after) == month + 1


@given(months=counts, open_month=open_months)
def test_the_archive_document_at_a_position_is_the_one_that_holds_the_entry(
    months: dict[int, int], open_month: int
) -> None:
    oldest_first = [
        ArchiveDocument(month=month, number=index // ARCHIVE_ENTRIES + 1)
        for month in sorted(months)
        for index in range(months[month])
    ]
    assert [archive_at(months, one) for one in range(len(oldest_first))] == oldest_first[::-1]
    assert archive_at(months, len(oldest_first)) is None
    # So a page that shows all entries that are in no archive document leads to one that exists.
    archived = oldest_first[::-1][subscription_entries(months, open_month) :]
    assert all(is_closed(one, months, open_month) for one in archived)


def test_a_part_is_named_by_its_month_and_number() -> None:
    assert str(ArchiveDocument(month=2020 * 12 + 5, number=3)) == "2020-06.3"
    assert parse_archive("2020-06.3") == ArchiveDocument(month=2020 * 12 + 5, number=3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2020-06",
        "2020-13.1",
        "2020-00.1",
        "2020-06.0",
        "2020-06.01",
        "0000-05.1",
        "9999-12.1",
        "x2020-06.1",
    ],
)
def test_what_names_no_part_is_none(text: str) -> None:
    assert parse_archive(text) is None


@given(months=counts, open_month=open_months)
def test_going_back_part_by_part_meets_every_closed_part_once(
    months: dict[int, int], open_month: int
) -> None:
    met = []
    archive = last_archive(months, open_month)
    while archive is not None:
        met.append(archive)
        archive = previous_archive(archive, months, open_month)
    expected = [
        ArchiveDocument(month=month, number=number)
        for month in months
        for number in range(1, closed_archives(months, month, open_month) + 1)
    ]
    assert met == sorted(expected, reverse=True)
    assert all(is_closed(one, months, open_month) for one in met)


@given(months=counts, open_month=open_months)
def test_next_is_the_reverse_of_previous(months: dict[int, int], open_month: int) -> None:
    archive = last_archive(months, open_month)
    while archive is not None:
        before = previous_archive(archive, months, open_month)
        assert before is None or next_archive(before, months, open_month) == archive
        archive = before


@given(months=counts, open_month=open_months)
def test_every_entry_is_in_a_closed_part_or_in_the_subscription_document(
    months: dict[int, int], open_month: int
) -> None:
    archived = sum(
        min(months[month] - (number - 1) * ARCHIVE_ENTRIES, ARCHIVE_ENTRIES)
        for month in months
        for number in range(1, closed_archives(months, month, open_month) + 1)
    )
    assert archived + subscription_entries(months, open_month) == sum(months.values())


# --- The documents ------------------------------------------------------------------------------


class Site:
    """A folder of articles, indexed and published at a time that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(MID_JUNE.timestamp())
        self.folder = folder / "articles"
        self.folder.mkdir()
        self.settings = settings_of(
            folder / "state", self.folder, site={"base_url": "https://feeds.example"}, feeds={"limit": 10}
        )

    def write(self, name: str, published: datetime, title: str = "A title") -> None:
        write_article(
            self.folder, f"{name}.md", title=title, publishedDateTime=published.isoformat(), topics=["Tides"]
        )

    def publish(self) -> Publisher:
        index(self.settings, self.clock)
        return make_publisher(self.settings)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def walk(publisher: Publisher, key: ListingKey = ARTICLES) -> Iterator[dict[str, object]]:
    """The subscription document and the archive documents, newest first, as a reader follows them."""
    document: Document | None = Document(key, Format.JSON)
    while document is not None:
        content = json.loads(publisher.feed_document(document).body)
        assert content["feed_url"] == f"https://feeds.example{document.address}"
        yield content
        following = content.get("next_url", "").removeprefix("https://feeds.example")
        target = parse(following) if following else None
        document = target.document if target else None


def names_in(*documents: dict[str, object]) -> list[str]:
    items = [item for document in documents for item in document["items"]]  # type: ignore[attr-defined]  # JSON
    return [str(item["id"]).rpartition(":")[2] for item in items]


def test_a_month_that_has_ended_is_archived_oldest_first_in_parts_of_a_hundred(site: Site) -> None:
    start = datetime(2025, 5, 1, tzinfo=UTC)
    for number in range(130):
        site.write(f"may-{number:03}", start + timedelta(hours=number))
    subscription, second, first = walk(site.publish())

    assert names_in(first) == [f"may-{number:03}" for number in range(100)]
    assert names_in(second) == [f"may-{number:03}" for number in range(100, 130)]
    assert names_in(subscription) == [f"may-{number:03}" for number in range(129, 119, -1)]


def test_what_is_in_no_archive_is_in_the_subscription_document_beyond_its_limit(site: Site) -> None:
    start = datetime(2025, 6, 1, tzinfo=UTC)
    for number in range(130):
        site.write(f"june-{number:03}", start + timedelta(hours=number))
    subscription, first = walk(site.publish())

    assert names_in(first) == [f"june-{number:03}" for number in range(100)]
    assert names_in(subscription) == [f"june-{number:03}" for number in range(129, 99, -1)]


def test_when_the_month_ends_its_rest_is_archived_without_any_change_of_a_file(site: Site) -> None:
    site.write("last", datetime(2025, 6, 14, tzinfo=UTC))
    assert len(list(walk(site.publish()))) == 1
    site.clock.now = datetime(2025, 7, 1, tzinfo=UTC).timestamp()

    assert [names_in(one) for one in walk(site.publish())] == [["last"], ["last"]]


def test_archive_documents_link_their_neighbours_and_say_what_they_are(site: Site) -> None:
    for month in (3, 4, 5):
        site.write(f"month-{month}", datetime(2025, month, 2, tzinfo=UTC))
    publisher = site.publish()
    archive = parse_archive("2025-04.1")
    for fmt, link in ((Format.ATOM, "link"), (Format.RSS, "link")):
        root = etree.fromstring(publisher.feed_document(Document(ARTICLES, fmt, archive)).body)
        links = {
            one.get("rel"): one.get("href")
            for one in root.iter(f"{{http://www.w3.org/2005/Atom}}{link}")
            if one.get("rel") in {"self", "current", "prev-archive", "next-archive"}
        }
        base = "https://feeds.example/articles"
        assert links == {
            "self": f"{base}/2025-04.1.{fmt.value}",
            "current": f"{base}.{fmt.value}",
            "prev-archive": f"{base}/2025-03.1.{fmt.value}",
            "next-archive": f"{base}/2025-05.1.{fmt.value}",
        }
        assert len(list(root.iter("{http://purl.org/syndication/history/1.0}archive"))) == 1


def test_the_subscription_document_links_the_newest_part_and_is_no_archive(site: Site) -> None:
    site.write("one", datetime(2025, 5, 2, tzinfo=UTC))
    body = site.publish().feed_document(Document(ARTICLES, Format.ATOM)).body.decode()

    assert 'rel="prev-archive"' in body
    assert "articles/2025-05.1.atom" in body
    assert "history/1.0" not in body
    assert 'rel="current"' not in body


@pytest.mark.parametrize("name", ["2025-05.2", "2025-06.1", "2025-04.1", "2025-07.1"])
def test_a_part_that_is_empty_or_not_closed_does_not_exist(site: Site, name: str) -> None:
    site.write("may", datetime(2025, 5, 2, tzinfo=UTC))
    site.write("june", datetime(2025, 6, 2, tzinfo=UTC))
    publisher = site.publish()
    with pytest.raises(UnknownAddressError):
        publisher.feed_document(Document(ARTICLES, Format.RSS, parse_archive(name)))


def test_a_backdated_article_changes_its_month_and_the_links_of_its_neighbours_only(site: Site) -> None:
    for month in (1, 2, 4, 5):
        site.write(f"month-{month}", datetime(2025, month, 2, tzinfo=UTC))
    before = _parts(site.publish())
    site.write("late", datetime(2025, 3, 2, tzinfo=UTC))
    after = _parts(site.publish())

    assert set(after) - set(before) == {"2025-03.1"}
    assert {name for name in before if before[name] != after[name]} == {"2025-02.1", "2025-04.1"}


def test_a_correction_changes_only_the_part_that_holds_it(site: Site) -> None:
    for month in (1, 2, 3, 4):
        site.write(f"month-{month}", datetime(2025, month, 2, tzinfo=UTC))
    before = _parts(site.publish())
    site.write("month-2", datetime(2025, 2, 2, tzinfo=UTC), title="Corrected")
    after = _parts(site.publish())

    assert {name for name in before if before[name] != after[name]} == {"2025-02.1"}


def test_an_archive_document_that_an_article_did_not_leave_may_be_the_last_good_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An article left its listing after the first copy; the copy is left anew, since it is still current."""
    for month in (1, 2, 4):
        site.write(f"month-{month}", datetime(2025, month, 2, tzinfo=UTC))
    april = Document(ARTICLES, Format.RSS, parse_archive("2025-04.1"))
    before = site.publish().feed_document(april)
    (site.folder / "month-1.md").unlink()
    assert site.publish().feed_document(april).body == before.body

    site.write("month-4", datetime(2025, 4, 2, tzinfo=UTC), title="Corrected")
    publisher = site.publish()
    monkeypatch.setattr(feed_renderer, "render", _failing)
    assert publisher.feed_document(april).body == before.body
    assert publisher.stale.count == 1


def _failing(*_: object) -> bytes:
    raise ValueError("broken")


def _parts(publisher: Publisher) -> dict[str, tuple[str, datetime | None]]:
    """The validators of all archive documents of everything, by their names."""
    found = {}
    for number in range(2025 * 12, 2025 * 12 + 12):
        archive = ArchiveDocument(month=number, number=1)
        try:
            document = _with_date(publisher, Document(ARTICLES, Format.RSS, archive))
        except UnknownAddressError:
            continue
        found[str(archive)] = (document.etag, document.last_modified)
    return found


def _with_date(publisher: Publisher, name: Document) -> Representation:
    """A document when its Last-Modified has come, which takes two seconds at most."""
    end = time.monotonic() + 10
    while (document := publisher.feed_document(name)).last_modified is None and time.monotonic() < end:
        time.sleep(0.05)
    return document


moves = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "remove", "month"]),
        st.integers(0, 7),
        st.integers(0, 80),
        st.integers(1, 120),
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=12)
@given(moves=moves)
def test_walking_finds_exactly_the_live_articles_after_any_history(
    moves: list[tuple[str, int, int, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        live: set[str] = set()
        for turn, (move, month, day, many) in enumerate(moves):
            if move == "month":
                site.clock.now += 20 * 86_400
            elif move == "remove":
                for name in sorted(live)[day : day + many]:
                    (site.folder / f"{name}.md").unlink()
                    live.remove(name)
            else:
                start = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=min(month * 20 + day % 20, 160))
                for number in range(many):
                    site.write(f"{turn}-{number}", start + timedelta(minutes=number))
                    live.add(f"{turn}-{number}")
            publisher = site.publish()
            if live:
                for key in (ARTICLES, ListingKey(kind=Kind.TOPIC, slug="tides")):
                    documents = list(walk(publisher, key))
                    archived = names_in(*documents[1:])
                    assert len(archived) == len(set(archived))
                    assert set(names_in(*documents)) == live
