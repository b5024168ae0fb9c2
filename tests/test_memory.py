"""The memory: it comes back as it was, from any thread and process, and says clearly when it cannot."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from builders import an_article
from servers import at_once

from feedserver.errors import StateError
from feedserver.index.builds import MEMORY, transaction
from feedserver.index.decisions import KnownArticle
from feedserver.index.memory import Memory
from feedserver.model import Kind, ListingKey, Reading, Taxonomy, TaxonomyKind, Verdict

NOON = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
TOPIC = ListingKey(kind=Kind.TOPIC, slug="ai")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    memory = Memory(tmp_path)
    yield memory
    memory.close()


def reopened(memory: Memory) -> Memory:
    memory.close()
    return Memory(memory.path.parent)


# --- What was remembered comes back


def test_facts_come_back(memory: Memory) -> None:
    memory.remember_fact("roots", ["/a", "/b"])
    memory.remember_fact("roots", ["/ä"])
    with closing(reopened(memory)) as again:
        assert again.fact("roots") == ["/ä"]
        assert again.fact("unknown") is None


def test_articles_come_back(memory: Memory) -> None:
    known = {
        f"tag:{number}": KnownArticle(digest=bytes(16), updated=number, first_seen=number or None)
        for number in range(2500)
    }
    memory.remember_articles(known)
    memory.remember_articles({"tag:1": KnownArticle(digest=b"x" * 16, updated=9)})
    memory.remember_articles({})
    with closing(reopened(memory)) as again:
        assert again.articles([*known, "tag:unknown"]) == known | {
            "tag:1": KnownArticle(digest=b"x" * 16, updated=9)
        }


def test_last_good_versions_come_back_until_they_are_forgotten(memory: Memory) -> None:
    article = Reading(verdict=Verdict.ARTICLE, article=an_article(), heat=3, date_is_provisional=True)
    topic = Reading(
        verdict=Verdict.TAXONOMY, taxonomy=Taxonomy(kind=TaxonomyKind.TOPIC, name="AI", slug="ai")
    )
    memory.replace_last_good({"a.md": (article, 5), "b.md": (topic, 0)}, [])
    memory.replace_last_good({"a.md": (article, 6)}, ["b.md", "never.md"])
    with closing(reopened(memory)) as again:
        assert again.last_good(["a.md", "b.md"]) == {"a.md": (article, 6)}


def test_listings_come_back_with_their_last_title(memory: Memory) -> None:
    memory.remember_listings({TOPIC: ("AI", 5)})
    memory.remember_listings({TOPIC: ("Ai", 6)})
    with closing(reopened(memory)) as again:
        assert again.listings() == {TOPIC: ("Ai", 6)}


# --- Last-Modified


def test_the_first_sight_of_an_etag_is_remembered(memory: Memory) -> None:
    first = memory.last_modified("/topics/ai.rss", "one", 1, NOON)
    later = memory.last_modified("/topics/ai.rss", "one", 2, NOON + timedelta(hours=1))
    assert first == later == NOON


def test_last_modified_is_rounded_up_and_moves_with_every_etag(memory: Memory) -> None:
    moment = NOON + timedelta(milliseconds=300)
    moments = [memory.last_modified("/a.rss", etag, number, moment) for number, etag in enumerate("abab")]
    assert moments == [NOON + timedelta(seconds=number + 1) for number in range(4)]


def test_last_modified_never_goes_back_with_the_clock(memory: Memory) -> None:
    memory.last_modified("/a.rss", "one", 1, NOON)
    assert memory.last_modified("/a.rss", "two", 2, NOON - timedelta(days=1)) == NOON + timedelta(seconds=1)


def test_a_render_of_an_older_state_gets_no_date(memory: Memory) -> None:
    memory.last_modified("/a.rss", "new", 2, NOON)
    assert memory.last_modified("/a.rss", "old", 1, NOON) is None
    assert memory.last_modified("/a.rss", "new", 2, NOON) == NOON
    assert memory.last_sequence() == 2


def test_unchanged_bytes_of_a_later_state_keep_a_slow_worker_from_dating_older_ones(memory: Memory) -> None:
    memory.last_modified("/a.rss", "same", 1, NOON)
    assert memory.last_modified("/a.rss", "same", 3, NOON + timedelta(hours=1)) == NOON
    assert memory.last_modified("/a.rss", "between", 2, NOON + timedelta(hours=1)) is None
    assert memory.last_modified("/a.rss", "same", 1, NOON + timedelta(hours=1)) == NOON


def test_many_may_open_a_new_memory_at_once(tmp_path: Path) -> None:
    identities: list[str] = []

    def open_it(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        barrier.wait()
        with closing(Memory(folder)) as memory:
            identities.append(memory.identity)

    barrier = threading.Barrier(8, timeout=20)
    for number in range(20):
        at_once(*[partial(open_it, tmp_path / str(number))] * 8)
    assert len(identities) == 20 * 8
    assert len(set(identities)) == 20


def test_threads_that_ask_at_once_get_one_answer(tmp_path: Path) -> None:
    answers: list[datetime | None] = []
    barrier = threading.Barrier(8, timeout=20)

    def ask(number: int) -> None:
        with closing(Memory(tmp_path)) as memory:
            barrier.wait()
            answers.append(memory.last_modified("/a.rss", "one", 1, NOON + timedelta(seconds=number)))

    at_once(*(partial(ask, number) for number in range(8)))
    assert len(answers) == 8
    assert len(set(answers)) == 1


# --- The file itself


def test_a_memory_opens_while_another_process_writes(memory: Memory) -> None:
    with transaction(memory.connection, write=True), closing(Memory(memory.path.parent, 0.1)) as other:
        assert other.identity == memory.identity


def test_another_file_is_another_memory(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with closing(Memory(tmp_path / "other")) as other, closing(Memory(tmp_path)) as same:
        assert other.identity != memory.identity
        assert same.identity == memory.identity


@pytest.mark.parametrize("name", ["state", "a b", "50%25", "what?", "#1", "ünï", "a;b&c=d"])
def test_the_state_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with closing(Memory(folder)) as memory:
        memory.remember_fact("roots", [name])
    assert (folder / MEMORY).is_file()
    with closing(Memory(folder)) as memory:
        assert memory.fact("roots") == [name]


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / MEMORY).write_bytes(b"no database at all " * 100)
    with pytest.raises(
        StateError, match=r"memory\.sqlite: the memory cannot be opened \(file is not a database"
    ):
        Memory(tmp_path)


def test_a_missing_folder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"nowhere/memory\.sqlite"):
        Memory(tmp_path / "nowhere")


def test_a_memory_of_a_newer_version_is_refused(memory: Memory) -> None:
    memory.remember_fact("schema", 99)
    with pytest.raises(StateError, match="newer version"):
        Memory(memory.path.parent)


def test_damage_is_found_when_it_is_looked_for(memory: Memory) -> None:
    memory.verify()
    memory.remember_articles(
        {f"tag:{number}": KnownArticle(digest=bytes(16), updated=number) for number in range(5000)}
    )
    memory.close()
    damage(memory.path)
    with (
        closing(Memory(memory.path.parent)) as again,
        pytest.raises(StateError, match="the memory is damaged"),
    ):
        again.verify()


def damage(database: Path) -> None:
    """Overwrite the pages of a database from the third on."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = database.read_bytes()
    kept = len(content) // 3
    database.write_bytes(content[:kept] + b"\xff" * (len(content) - kept))
