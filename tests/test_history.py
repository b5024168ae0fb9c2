"""The history: it comes back as it was, from any thread and process, and says clearly when it cannot."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from builders import an_article, damage_fact
from servers import at_once

from feedserver.errors import HistoryLostError, StateError
from feedserver.index.decisions import KnownArticle
from feedserver.index.facts import Beginning, HistoryFacts, PublishedIds, SeenRoot
from feedserver.index.history import PublicationHistory
from feedserver.index.last_modified import earliest_date
from feedserver.index.schema import HISTORY_SCHEMA_VERSION
from feedserver.index.sqlite.builds import HISTORY_FILE
from feedserver.index.sqlite.history_file import history_in, mended_history
from feedserver.index.transactions import transaction
from feedserver.model import HistoryOrigin, Kind, ListingKey, Reading, Taxonomy, TaxonomyKind, Verdict

NOON = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
TOPIC = ListingKey(kind=Kind.TOPIC, slug="ai")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[PublicationHistory]:
    history = history_in(tmp_path)
    yield history
    history.close()


def reopened(history: PublicationHistory) -> PublicationHistory:
    history.close()
    return history_in(Path(history.place))


# --- What was remembered comes back


def test_facts_come_back(history: PublicationHistory) -> None:
    history.note(HistoryFacts(roots=("/a", "/b"), sequence=7))
    history.note(HistoryFacts(roots=("/ä",)))
    with closing(reopened(history)) as again:
        assert again.facts().roots == ("/ä",)
        assert again.facts().sequence == 7
        assert again.facts().ids is None


def test_articles_come_back(history: PublicationHistory) -> None:
    known = {
        f"tag:{number}": KnownArticle(digest=bytes(16), updated=number, first_seen=number or None)
        for number in range(2500)
    }
    history.remember_articles(known)
    history.remember_articles({"tag:1": KnownArticle(digest=b"x" * 16, updated=9)})
    history.remember_articles({})
    with closing(reopened(history)) as again:
        assert again.articles([*known, "tag:unknown"]) == known | {
            "tag:1": KnownArticle(digest=b"x" * 16, updated=9)
        }


def test_last_good_versions_come_back_until_they_are_forgotten(history: PublicationHistory) -> None:
    article = Reading(verdict=Verdict.ARTICLE, article=an_article(), heat=3, date_is_provisional=True)
    topic = Reading(
        verdict=Verdict.TAXONOMY, taxonomy=Taxonomy(kind=TaxonomyKind.TOPIC, name="AI", slug="ai")
    )
    history.replace_last_good({"a.md": (article, 5), "b.md": (topic, 0)}, [])
    history.replace_last_good({"a.md": (article, 6)}, ["b.md", "never.md"])
    with closing(reopened(history)) as again:
        assert again.last_good(["a.md", "b.md"]) == {"a.md": (article, 6)}


@pytest.mark.parametrize("damaged", [b"", b"{", b'{"verdict": "surprise"}', b"\xff"])
def test_a_last_good_version_that_cannot_be_read_is_lost_and_said(
    history: PublicationHistory, caplog: pytest.LogCaptureFixture, damaged: bytes
) -> None:
    article = Reading(verdict=Verdict.ARTICLE, article=an_article())
    history.replace_last_good({"a.md": (article, 5), "b.md": (article, 6)}, [])
    with closing(sqlite3.connect(Path(history.name))) as connection, connection:
        connection.execute("UPDATE last_good SET reading = ? WHERE order_path = 'a.md'", [damaged])
    assert history.last_good(["a.md", "b.md"]) == {"b.md": (article, 6)}
    [line] = caplog.messages
    assert line.startswith("the last good version of a.md is lost: ")


def test_listings_come_back_with_their_last_title(history: PublicationHistory) -> None:
    history.remember_listings({TOPIC: ("AI", 5)})
    history.remember_listings({TOPIC: ("Ai", 6)})
    with closing(reopened(history)) as again:
        assert again.listings() == {TOPIC: ("Ai", 6)}


# --- Last-Modified


def dated(
    history: PublicationHistory, etag: str, sequence: int, now: datetime, changed: datetime | None = None
) -> datetime | None:
    """The date that clients of an address get now; `changed` is when the change began, if long ago."""
    moment = now.timestamp()
    earliest = earliest_date(moment if changed is None else changed.timestamp(), moment)
    dating = history.last_modified("/a.rss", etag, sequence=sequence, earliest=earliest, now=moment)
    if dating is None or not dating.is_given or dating.last_modified > moment:
        return None
    return datetime.fromtimestamp(dating.last_modified, UTC)


def test_the_first_sight_of_an_etag_is_remembered(history: PublicationHistory) -> None:
    first = dated(history, "one", 1, NOON)
    later = dated(history, "one", 2, NOON + timedelta(hours=1))
    assert first == later == NOON


def test_an_etag_that_is_seen_long_after_its_change_has_the_date_of_the_change(
    history: PublicationHistory,
) -> None:
    now = NOON + timedelta(hours=1, milliseconds=300)
    assert dated(history, "one", 1, now, changed=NOON) == NOON + timedelta(seconds=2)


def test_last_modified_is_rounded_up_comes_with_its_second_and_moves_with_every_etag(
    history: PublicationHistory,
) -> None:
    moment = NOON + timedelta(milliseconds=300)
    for number, etag in enumerate("abab"):
        now = moment + timedelta(seconds=number)
        assert dated(history, etag, number, now) is None
        whole = NOON + timedelta(seconds=number + 1)
        assert dated(history, etag, number, whole - timedelta(milliseconds=1)) is None
        assert dated(history, etag, number, whole) == whole


def test_content_that_comes_back_gets_a_later_date(history: PublicationHistory) -> None:
    """A, B, A: the ETag is the old one, as the bytes are; the date is new, because B has one in between."""
    for number, etag in enumerate("ABA"):
        moment = NOON + timedelta(minutes=number)
        assert dated(history, etag, number, moment) == moment


def test_content_that_comes_back_before_anybody_asked_keeps_its_date(history: PublicationHistory) -> None:
    first = dated(history, "A", 1, NOON)
    assert dated(history, "A", 3, NOON + timedelta(minutes=2)) == first


def test_content_that_comes_back_within_a_second_has_a_date_of_its_own(history: PublicationHistory) -> None:
    assert dated(history, "A", 1, NOON) == NOON
    assert dated(history, "B", 2, NOON + timedelta(milliseconds=100)) is None
    assert dated(history, "A", 3, NOON + timedelta(milliseconds=200)) is None
    assert dated(history, "A", 3, NOON + timedelta(seconds=1)) == NOON + timedelta(seconds=1)


def test_many_changes_within_seconds_do_not_push_the_date_ahead(history: PublicationHistory) -> None:
    for number in range(30):
        last = NOON + timedelta(seconds=0.3 * number)
        dated(history, f"edit {number}", number, last)
    date = dated(history, "edit 29", 29, last + timedelta(seconds=1))
    assert date is not None
    assert last < date <= last + timedelta(seconds=1)


def test_a_date_before_now_stays_when_the_clock_goes_back_a_little(history: PublicationHistory) -> None:
    assert dated(history, "one", 1, NOON) == NOON
    assert dated(history, "one", 1, NOON - timedelta(seconds=3)) is None
    assert dated(history, "two", 2, NOON - timedelta(seconds=3)) is None
    assert dated(history, "two", 2, NOON + timedelta(seconds=1)) == NOON + timedelta(seconds=1)


def test_a_clock_that_was_ahead_leaves_no_document_without_a_date(history: PublicationHistory) -> None:
    ahead = NOON + timedelta(days=400)
    assert dated(history, "one", 1, ahead) == ahead
    assert dated(history, "one", 1, NOON) == NOON
    assert dated(history, "two", 2, NOON + timedelta(minutes=1)) == NOON + timedelta(minutes=1)
    # When its time comes, the date of the wrong clock is that of "one" alone.
    assert dated(history, "two", 2, ahead) is None
    assert dated(history, "two", 2, ahead + timedelta(seconds=1)) == ahead + timedelta(seconds=1)


def test_a_new_history_gives_no_date_that_an_older_one_may_have_given(history: PublicationHistory) -> None:
    now = datetime.now(UTC)
    assert dated(history, "one", 1, now + timedelta(hours=1), changed=NOON) == datetime.fromtimestamp(
        history.facts().dates_since or 0, UTC
    )


def test_a_render_of_an_older_state_gets_no_date(history: PublicationHistory) -> None:
    dated(history, "new", 2, NOON)
    assert dated(history, "old", 1, NOON) is None
    assert dated(history, "new", 2, NOON) == NOON
    assert history.last_sequence() == 2


def test_unchanged_bytes_of_a_later_state_keep_a_slow_worker_from_dating_older_ones(
    history: PublicationHistory,
) -> None:
    dated(history, "same", 1, NOON)
    assert dated(history, "same", 3, NOON + timedelta(hours=1)) == NOON
    assert dated(history, "between", 2, NOON + timedelta(hours=1)) is None
    assert dated(history, "same", 1, NOON + timedelta(hours=1)) == NOON


def test_a_history_of_schema_1_counts_all_of_its_dates_as_given(history: PublicationHistory) -> None:
    dated(history, "one", 1, NOON)
    history.close()
    as_schema_1(Path(history.name))
    with (
        closing(history_in(Path(history.place))) as later,
        closing(history_in(Path(history.place))) as again,
    ):
        assert later.facts().schema == again.facts().schema == HISTORY_SCHEMA_VERSION
        assert dated(later, "one", 1, NOON + timedelta(hours=1)) == NOON
        assert dated(later, "two", 2, NOON) is None
        assert dated(later, "two", 2, NOON + timedelta(seconds=1)) == NOON + timedelta(seconds=1)


def as_schema_1(database: Path) -> None:
    """Make a publication history what it was before its first migration."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for column in ("sent", "ahead"):
            connection.execute(f"ALTER TABLE address DROP COLUMN {column}")
        connection.execute("UPDATE meta SET value = '\"1\"' WHERE key = 'schema'")
        connection.execute("DELETE FROM meta WHERE key = 'dates_since'")


def test_many_may_open_a_new_history_at_once(tmp_path: Path) -> None:
    identities: list[str] = []

    def open_it(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        barrier.wait()
        with closing(history_in(folder)) as history:
            identities.append(history.identity)

    barrier = threading.Barrier(8, timeout=20)
    for number in range(20):
        at_once(*[partial(open_it, tmp_path / str(number))] * 8)
    assert len(identities) == 20 * 8
    assert len(set(identities)) == 20


def test_threads_that_ask_at_once_get_one_answer(tmp_path: Path) -> None:
    answers: list[int] = []
    barrier = threading.Barrier(8, timeout=20)

    def ask(number: int) -> None:
        with closing(history_in(tmp_path)) as history:
            barrier.wait()
            now = NOON.timestamp() + number / 10
            dating = history.last_modified("/a.rss", "one", sequence=1, earliest=int(now) + 2, now=now)
            assert dating is not None
            answers.append(dating.last_modified)

    at_once(*(partial(ask, number) for number in range(8)))
    assert len(answers) == 8
    assert len(set(answers)) == 1


# --- The file itself


def test_a_history_opens_while_another_process_writes(history: PublicationHistory) -> None:
    with (
        transaction(history.connection, write=True),
        closing(history_in(Path(history.place), 0.1)) as other,
    ):
        assert other.identity == history.identity


def test_another_file_is_another_history(history: PublicationHistory, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with (
        closing(history_in(tmp_path / "other")) as other,
        closing(history_in(tmp_path)) as same,
    ):
        assert other.identity != history.identity
        assert same.identity == history.identity


@pytest.mark.parametrize("name", ["state", "a b", "50%25", "what?", "#1", "ünï", "a;b&c=d"])
def test_the_state_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with closing(history_in(folder)) as history:
        history.note(HistoryFacts(roots=(name,)))
    assert (folder / HISTORY_FILE).is_file()
    with closing(history_in(folder)) as history:
        assert history.facts().roots == (name,)


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / HISTORY_FILE).write_bytes(b"no database at all " * 100)
    with pytest.raises(
        StateError,
        match=r"history\.sqlite: the publication history cannot be opened \(file is not a database",
    ):
        history_in(tmp_path)


def test_a_missing_folder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"nowhere/history\.sqlite"):
        history_in(tmp_path / "nowhere")


def test_a_history_of_a_newer_version_is_refused(history: PublicationHistory) -> None:
    history.note(HistoryFacts(schema=99))
    with pytest.raises(StateError, match="newer version"):
        history_in(Path(history.place))


def test_a_history_of_a_newer_version_is_refused_also_if_its_facts_have_another_form(
    history: PublicationHistory,
) -> None:
    history.note(HistoryFacts(schema=99, sequence=7))
    damage_fact(Path(history.name), "sequence")
    damage_fact(Path(history.name), "identity")
    with pytest.raises(StateError, match="newer version") as caught:
        mended_history(Path(history.place))
    assert not isinstance(caught.value, HistoryLostError)
    assert Path(history.name).is_file()


def test_a_damaged_fact_is_an_error_of_those_who_read_it_and_of_no_others(
    history: PublicationHistory,
) -> None:
    history.note(HistoryFacts(roots=("/a",), sequence=7))
    damage_fact(Path(history.name), "sequence")
    with closing(history_in(Path(history.place))) as again:
        assert again.facts("roots").roots == ("/a",)
        for names in ((), ("sequence",)):
            with pytest.raises(HistoryLostError, match="a stored value is damaged"):
                again.facts(*names)


@pytest.mark.parametrize("key", ["sequence", "history", "roots", "ids", "seen_roots", "dates_since"])
def test_a_damaged_fact_costs_itself_and_not_the_history(
    history: PublicationHistory, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    known = {"tag:1": KnownArticle(digest=bytes(16), updated=5)}
    history.remember_articles(known)
    history.note(
        HistoryFacts(
            sequence=7,
            beginning=Beginning(origin=HistoryOrigin.BEGUN, since=5),
            roots=("/a",),
            ids=PublishedIds(authority="feeds.example", year=2024),
            seen_roots={"/a": SeenRoot(folder="1:2")},
        )
    )
    before = dict(history.facts().rows())
    begun = int(time.time())
    damage_fact(Path(history.name), key)
    history.close()
    with closing(mended_history(Path(history.place))) as again:
        assert again.identity == history.identity
        assert again.articles(known) == known
        after = dict(again.facts().rows())
    assert {name for name in before if after.get(name) != before[name]} <= {key}
    assert int(after.get("dates_since", 0)) >= (begun if key == "dates_since" else 0)
    assert len(caplog.records) == 1
    assert not Path(history.name).with_name(f"{HISTORY_FILE}.damaged").exists()


@pytest.mark.parametrize("key", ["schema", "identity"])
def test_a_history_that_does_not_say_which_one_it_is_is_set_aside(
    history: PublicationHistory, key: str
) -> None:
    damage_fact(Path(history.name), key)
    history.close()
    with closing(mended_history(Path(history.place))) as again:
        assert again.identity != history.identity
    assert Path(history.name).with_name(f"{HISTORY_FILE}.damaged").is_file()


def test_damage_is_found_when_it_is_looked_for(history: PublicationHistory) -> None:
    history.verify()
    history.remember_articles(
        {f"tag:{number}": KnownArticle(digest=bytes(16), updated=number) for number in range(5000)}
    )
    history.close()
    damage(Path(history.name))
    with (
        closing(history_in(Path(history.place))) as again,
        pytest.raises(StateError, match="the publication history is damaged"),
    ):
        again.verify()


def damage(database: Path) -> None:
    """Overwrite the pages of a database from the third on."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = database.read_bytes()
    kept = len(content) // 3
    database.write_bytes(content[:kept] + b"\xff" * (len(content) - kept))
