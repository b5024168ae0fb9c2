"""Readers: always an answer, of the last committed state, while builds come and go."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from builders import (
    START,
    a_change,
    a_loss,
    a_provider,
    an_article,
    at,
    damage_fact,
    let_readers_look,
    terms,
)
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from stores import address_of, files_only

from feedserver.articles.selections.values import ListingRules
from feedserver.errors import IndexNotReadyError, IndexUnreadableError
from feedserver.findings import FindingCode, Severity
from feedserver.index import schema
from feedserver.index.facts import BuildFacts
from feedserver.index.file_values import FileKey
from feedserver.index.reader import IndexReader
from feedserver.index.sqlite import builds
from feedserver.index.sqlite.serving import ServingBuild
from feedserver.index.stores import open_store
from feedserver.index.transactions import transaction
from feedserver.index.writer import IndexWriter
from feedserver.model import Finding, Kind, ListingKey, Verdict

NOW = START + 1000
EVERYTHING = ListingKey(kind=Kind.ARTICLES)
AI = ListingKey(kind=Kind.TOPIC, slug="ai")


class Build:
    """A build of a state folder and its writer."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.builds = open_store(address_of(state_dir)).builds()
        self.history = self.builds.open_history()
        self.name = self.builds.begin()
        self.connection = self.builds.write(self.name)
        self.writer = IndexWriter(self.connection, self.history, ListingRules(is_searched=True))
        self.writer.create(BuildFacts(plan="value"), NOW)

    def serve(self) -> None:
        self.builds.publish(self.name)
        self.builds.keep_only(self.name)

    def publish(self, number: int, title: str = "Bees") -> None:
        article = an_article(f"n{number}", title=title, topics=terms("AI"), published=at(START + number))
        self.writer.apply([a_change(f"{number}.md", article, mtime=NOW)], NOW)

    def close(self) -> None:
        self.builds.close()
        self.history.close()


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with closing(Build(tmp_path)) as build:
        yield build


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[IndexReader]:
    with closing(IndexReader(open_store(address_of(tmp_path)))) as reader:
        yield reader


# --- What is there


def test_a_listing_is_read_newest_first_with_ties_broken_by_id(build: Build, reader: IndexReader) -> None:
    moments = {"b": 5, "a": 5, "c": 9, "d": 1}
    build.writer.apply(
        [a_change(f"{name}.md", an_article(name, published=at(START + m))) for name, m in moments.items()],
        NOW,
    )
    build.writer.advance(NOW + 40 * 86_400)  # in an open month, what is in no archive yet comes as well
    build.serve()
    selected = reader.select(EVERYTHING, 3)
    assert selected is not None
    state, entries = selected.state, selected.entries
    assert [entry.article.id[-1] for entry in entries] == ["c", "b", "a"]
    assert (state.count, state.updated) == (4, at(START + 9))
    assert [entry.updated for entry in entries] == [entry.article.published for entry in entries]


def test_a_listing_that_never_existed_is_none(build: Build, reader: IndexReader) -> None:
    build.serve()
    assert reader.listing(AI) is None
    assert reader.select(AI, 5) is None


def test_summaries_come_by_size_then_by_title_without_the_empty_ones(
    build: Build, reader: IndexReader
) -> None:
    topics = {"1": ("B", "A"), "2": ("B", "C"), "3": ("Gone",)}
    build.writer.apply(
        [a_change(f"{n}.md", an_article(n, topics=terms(*names))) for n, names in topics.items()], NOW
    )
    build.writer.apply([a_loss("3.md")], NOW)
    build.serve()
    assert [(one.title, one.count) for one in reader.summaries(Kind.TOPIC)] == [("B", 2), ("A", 1), ("C", 1)]
    assert [one.title for one in reader.summaries(Kind.TOPIC, 1)] == ["B"]
    assert [one.title for one in reader.similar(Kind.TOPIC, "c", 2)] == ["C", "B", "A"]


def test_what_was_noted_and_found_can_be_asked(build: Build, reader: IndexReader) -> None:
    finding = Finding(severity=Severity.WARNING, code=FindingCode.UNDATED, message="when?", line=3)
    build.writer.apply(
        [a_change("a.md"), a_change("b.md", verdict=Verdict.UNDATED, findings=(finding,))], NOW
    )
    build.writer.note(BuildFacts(pending=2))
    build.serve()
    assert reader.facts().plan == "value"
    assert reader.facts().pending == 2
    assert reader.verdicts() == {Verdict.ARTICLE: 1, Verdict.UNDATED: 1}
    assert reader.findings() == [(FileKey(root=0, path="b.md"), finding)]


def test_a_doubled_id_is_told_of_every_live_file_that_is_not_shown(build: Build, reader: IndexReader) -> None:
    build.writer.apply(
        [
            a_change("shown.md", an_article(published=at(START + 9))),
            a_change("older.md", an_article()),
            a_change("scheduled.md", an_article(updated=at(NOW + 60))),
            a_change("future.md", an_article(published=at(NOW + 60))),
            a_change("future-update.md", an_article(published=at(NOW + 60), updated=at(NOW + 30))),
        ],
        NOW,
    )
    build.serve()
    doubled = reader.findings()
    assert [key.path for key, _ in doubled] == ["older.md", "scheduled.md"]
    assert all("shown.md" in finding.message for _, finding in doubled)


# --- Commits and builds


@files_only
def test_a_commit_is_seen_at_once(build: Build, reader: IndexReader) -> None:
    build.serve()
    assert reader.listing(AI) is None
    build.publish(1)
    first = reader.listing(AI)
    assert first is not None
    assert reader.listing(AI) is first
    build.publish(2)
    second = reader.listing(AI)
    assert second is not None
    assert (first.count, second.count) == (1, 2)
    assert second.changed > first.changed


def test_before_the_first_build_serves_nothing_is_ready(build: Build, reader: IndexReader) -> None:
    build.publish(1)
    for ask in (reader.facts, reader.verdicts, lambda: reader.listing(AI), lambda: reader.select(AI, 1)):
        with pytest.raises(IndexNotReadyError):
            ask()
    build.serve()
    assert reader.listing(AI) is not None


@files_only
def test_another_build_is_seen_at_once_and_the_old_files_are_gone(
    tmp_path: Path, reader: IndexReader
) -> None:
    for number in range(3):
        with closing(Build(tmp_path)) as build:
            build.publish(number)
            build.serve()
            selected = reader.select(AI, 5)
            assert selected is not None
            assert [entry.article.id[-1] for entry in selected.entries] == [str(number)]
            assert {path.name for path in tmp_path.glob("index-*.sqlite")} == {build.name}


# --- What tells a reader of another build


def publish_another(state_dir: Path, number: int) -> None:
    with closing(Build(state_dir)) as build:
        build.publish(number)
        build.serve()


def shown(reader: IndexReader) -> str:
    selected = reader.select(AI, 5)
    assert selected is not None
    [entry] = selected.entries
    return entry.article.id[-1]


def test_who_is_asked_again_while_nothing_happens_makes_no_system_call(
    build: Build, reader: IndexReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.publish(1)
    build.serve()
    first, retraction = reader.listing(AI), reader.last_retraction()
    with monkeypatch.context() as patch:
        patch.setattr("feedserver.index.sqlite.serving.POINTER_SECONDS", 3600)
        let_readers_look()
        assert reader.listing(AI) is first
        patch.setattr(os, "stat", lambda _: pytest.fail("the pointer was looked at"))
        patch.setattr(ServingBuild, "snapshot", lambda _: pytest.fail("the index was read"))
        assert reader.listing(AI) is first
        assert reader.last_retraction() == retraction


@files_only
def test_who_replaces_a_build_tells_its_readers(
    tmp_path: Path, reader: IndexReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedserver.index.sqlite.serving.POINTER_SECONDS", 3600)
    for number in range(5):
        publish_another(tmp_path, number)
        state = reader.listing(AI)
        assert state is not None
        assert shown(reader) == str(number)


def damage_it(build: Path) -> None:
    build.write_bytes(b"no database at all " * 1000)


def remove_it(build: Path) -> None:
    build.unlink()


def remove_pointer(build: Path) -> None:
    builds.pointer_path(build.parent).unlink()


@files_only
@pytest.mark.parametrize("harm", [damage_it, remove_it, remove_pointer])
def test_a_build_that_cannot_be_committed_to_is_left_a_little_later(
    tmp_path: Path, build: Build, reader: IndexReader, harm: Callable[[Path], None]
) -> None:
    build.publish(1)
    build.serve()
    assert reader.listing(AI) is not None
    harm(build.state_dir / build.name)
    publish_another(tmp_path, 2)
    let_readers_look()
    assert shown(reader) == "2"


@files_only
def test_a_build_whose_replacer_died_before_it_told_anybody_is_left_a_little_later(
    tmp_path: Path, build: Build, reader: IndexReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.publish(1)
    build.serve()
    assert reader.listing(AI) is not None
    monkeypatch.setattr(builds, "_signal_readers", lambda _: None)
    publish_another(tmp_path, 2)
    let_readers_look()
    assert shown(reader) == "2"


@files_only
def test_without_a_pointer_nothing_is_ready_until_there_is_one_which_is_seen_at_once(
    tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.publish(1)
    build.serve()
    builds.pointer_path(tmp_path).unlink()
    monkeypatch.setattr("feedserver.index.sqlite.serving.POINTER_SECONDS", 3600)
    with closing(IndexReader(open_store(address_of(tmp_path)))) as reader:
        for _ in range(2):
            with pytest.raises(IndexNotReadyError):
                reader.listing(AI)
            build.publish(2)  # a commit to what serves no more
        publish_another(tmp_path, 3)
        assert shown(reader) == "3"


@files_only
@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\xfe", b"index-0.sqlite\n", b"../history.sqlite", b"a\x00b"]
)
def test_a_reader_stays_with_its_build_while_the_pointer_names_none(
    tmp_path: Path, build: Build, reader: IndexReader, content: bytes | None
) -> None:
    build.publish(1)
    build.serve()
    assert shown(reader) == "1"
    pointer = builds.pointer_path(tmp_path)
    pointer.unlink()
    if content is not None:
        pointer.write_bytes(content)
    for number in (2, 3):
        let_readers_look()
        build.publish(number)
        state = reader.listing(AI)
        assert state is not None
        assert state.count == number
    publish_another(tmp_path, 4)
    let_readers_look()
    assert shown(reader) == "4"


@files_only
def test_an_index_that_was_removed_with_its_pointer_is_not_ready(
    tmp_path: Path, build: Build, reader: IndexReader
) -> None:
    build.publish(1)
    build.serve()
    assert shown(reader) == "1"
    for path in [builds.pointer_path(tmp_path), *tmp_path.glob("index-*")]:
        path.unlink()
    let_readers_look()
    with pytest.raises(IndexNotReadyError):
        reader.listing(AI)


@files_only
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_reader_that_meets_damage_names_the_build_for_the_indexer_once(
    tmp_path: Path, build: Build, damage: str
) -> None:
    build.publish(1)
    build.serve()
    build.close()
    path = builds.serving_build(tmp_path)
    assert path is not None
    path.write_bytes(b"" if damage == "cut" else bytes(byte ^ 0xFF for byte in path.read_bytes()))
    with closing(IndexReader(open_store(address_of(tmp_path)))) as reader:
        for _ in range(3):
            with pytest.raises((IndexUnreadableError, SQLAlchemyError)):
                reader.listing(AI)
        assert builds.take_renewal_request(tmp_path) == path.name
        with pytest.raises((IndexUnreadableError, SQLAlchemyError)):
            reader.listing(AI)
        assert builds.take_renewal_request(tmp_path) == ""


@files_only
def test_a_reader_that_meets_a_damaged_fact_names_the_build_for_the_indexer(
    build: Build, reader: IndexReader, tmp_path: Path
) -> None:
    build.publish(1)
    build.serve()
    damage_fact((build.state_dir / build.name), "sequence")
    with pytest.raises(DBAPIError, match="a stored value is damaged"):
        reader.facts()
    assert builds.take_renewal_request(tmp_path) == build.name


@files_only
@pytest.mark.parametrize(
    "ask",
    [
        lambda reader: reader.filled(Kind.TOPIC),
        lambda reader: reader.similar(Kind.TOPIC, "a", 5),
        lambda reader: reader.listing(AI),
    ],
    ids=["filled", "similar", "listing"],
)
def test_a_reader_that_meets_a_damaged_description_names_the_build_for_the_indexer(
    build: Build, reader: IndexReader, tmp_path: Path, ask: Callable[[IndexReader], object]
) -> None:
    build.publish(1)
    build.serve()
    with transaction(build.connection, write=True):
        build.connection.execute(update(schema.listing).values(taxonomy=b"{"))
    with pytest.raises(DBAPIError, match="a stored value is damaged"):
        ask(reader)
    assert builds.take_renewal_request(tmp_path) == build.name


@files_only
def test_a_reader_that_meets_damaged_findings_names_the_build_for_the_indexer(
    build: Build, reader: IndexReader, tmp_path: Path
) -> None:
    build.publish(1)
    build.serve()
    with transaction(build.connection, write=True):
        build.connection.execute(update(schema.file).values(findings=b"{"))
    with pytest.raises(DBAPIError, match="a stored value is damaged"):
        reader.findings()
    assert builds.take_renewal_request(tmp_path) == build.name


@files_only
def test_the_last_change_and_the_last_retraction_follow_the_commits(
    build: Build, reader: IndexReader
) -> None:
    build.publish(1)
    build.publish(2)
    build.serve()
    name = (build.state_dir / build.name).stem
    (_, changed), retraction = reader.revision(), reader.last_retraction()
    assert retraction == (name, 0)

    build.writer.apply([a_loss("1.md")], NOW)
    revision = reader.revision()
    assert revision[1] > changed
    assert reader.last_retraction() == revision

    build.publish(3)
    assert reader.last_retraction() == revision
    assert reader.revision()[1] > revision[1]


@files_only
def test_files_beside_a_database_that_is_gone_are_removed(build: Build, tmp_path: Path) -> None:
    leftovers = [tmp_path / name for name in ("index-0.sqlite-wal", "index-0.sqlite-shm", ".current-x")]
    for leftover in leftovers:
        leftover.touch()
    build.serve()
    assert not any(leftover.exists() for leftover in leftovers)
    assert (build.state_dir / build.name).is_file()
    assert (tmp_path / builds.HISTORY_FILE).is_file()


@files_only
def test_a_reader_goes_on_with_a_build_that_was_removed_until_there_is_another(
    tmp_path: Path, build: Build, reader: IndexReader
) -> None:
    build.publish(1)
    build.serve()
    assert reader.listing(AI) is not None
    (build.state_dir / build.name).unlink()
    assert reader.select(AI, 1) is not None
    with closing(IndexReader(open_store(address_of(tmp_path)))) as late, pytest.raises(IndexNotReadyError):
        late.facts()


def test_an_index_in_a_folder_with_any_name_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "50%25 #1 what? ünï"
    folder.mkdir()
    with closing(Build(folder)) as build, closing(IndexReader(open_store(address_of(folder)))) as reader:
        build.publish(1)
        build.serve()
        assert reader.listing(AI) is not None


def reading_meanwhile(
    tmp_path: Path, threads: int, look: Callable[[IndexReader], object], act: Callable[[], object]
) -> list[object]:
    """The sights of readers in threads of their own while something is done; now and then each reopens."""
    stop = threading.Event()
    failures: list[BaseException] = []
    seen: list[object] = []

    def read() -> None:
        try:
            while not stop.is_set():
                with closing(IndexReader(open_store(address_of(tmp_path)))) as reader:
                    seen.extend(look(reader) for _ in range(20) if not stop.is_set())
        except BaseException as error:
            failures.append(error)

    running = [threading.Thread(target=read) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        act()
    finally:
        stop.set()
        for thread in running:
            thread.join()
    assert failures == []
    return seen


def test_readers_always_get_an_answer_while_builds_come_and_go(tmp_path: Path) -> None:
    """Each answer is of one state: a build that serves holds its one article."""

    def replace_the_build() -> None:
        with closing(Build(tmp_path)) as build:
            build.publish(0)
            build.serve()

    def look(reader: IndexReader) -> object:
        selected = reader.select(AI, 5)
        assert selected is not None
        return selected.state.count, len(selected.entries)

    def replace_it_often() -> None:
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            replace_the_build()

    replace_the_build()
    seen = reading_meanwhile(tmp_path, 3, look, replace_it_often)
    assert set(seen) == {(1, 1)}


def test_readers_see_whole_batches_only_while_they_are_committed(build: Build, tmp_path: Path) -> None:
    """Every batch moves an article from one provider to the other, and changes its title with it."""

    def move(turn: int) -> None:
        provider = a_provider(("Gazette", "Herald")[turn % 2])
        article = an_article("n", provider=provider, title=f"T{turn % 2}", topics=terms("AI"))
        build.writer.apply([a_change("n.md", article, mtime=NOW)], NOW)

    def look(reader: IndexReader) -> object:
        selected = reader.select(AI, 5)
        assert selected is not None
        [entry] = selected.entries
        assert selected.state.count == 1
        assert entry.article.provider is not None
        return entry.article.provider.name, entry.article.title

    def move_often() -> None:
        for turn in range(30):
            move(turn)

    move(0)
    build.serve()
    seen = reading_meanwhile(tmp_path, 3, look, move_often)
    assert set(seen) == {("Gazette", "T0"), ("Herald", "T1")}


@files_only
def test_an_idle_reader_does_not_make_the_log_of_the_database_grow(build: Build, reader: IndexReader) -> None:
    build.serve()
    build.publish(0)
    assert reader.listing(AI) is not None
    assert reader.select(AI, 5) is not None
    for number in range(200):
        build.publish(number % 50, f"Title {number}")
        reader.listing(AI)
    log = (build.state_dir / build.name).with_name(build.name + "-wal")
    # SQLite moves the log into the database at 1,000 pages of 4 KiB; a pinned one goes on growing.
    assert os.stat(log).st_size < 6_000_000  # noqa: PTH116


@files_only
def test_a_reader_of_a_damaged_build_fails_and_recovers_with_the_next_build(
    tmp_path: Path, reader: IndexReader
) -> None:
    damaged = builds.new_build(tmp_path)
    damaged.write_bytes(b"no database at all " * 1000)
    builds.publish_build(tmp_path, damaged)
    for _ in range(2):
        with pytest.raises(DBAPIError):
            reader.listing(AI)
    with closing(Build(tmp_path)) as build:
        build.publish(1)
        build.serve()
        assert reader.listing(AI) is not None


# --- Locks

# Another process, because a process is never in the way of its own locks. It asks for the lock that every
# connection has while it lives (UNIX_SHM_DMS in SQLite's os_unix.c): who gets it cuts the file short.
LOCK_CHECK = """if True:
    import fcntl, sys
    for path in sys.stdin:
        with open(path.strip(), "r+b") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)
            except BlockingIOError:
                print("held", flush=True)
            else:
                print("lost", flush=True)
"""


@files_only
def test_readers_that_come_and_go_never_cost_another_one_its_lock(tmp_path: Path) -> None:
    with closing(Build(tmp_path)) as build:
        build.publish(1)
        build.serve()
    wal_index = f"{(build.state_dir / build.name)}-shm"
    seen: list[str] = []
    asking = threading.Lock()
    command = [sys.executable, "-c", LOCK_CHECK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as check:
        questions, answers = check.stdin, check.stdout
        assert questions is not None
        assert answers is not None

        def come_and_go() -> None:
            for _ in range(60):
                with closing(IndexReader(open_store(address_of(tmp_path)))) as reader:
                    assert reader.listing(AI) is not None
                    with asking:
                        print(wal_index, file=questions, flush=True)
                        seen.append(answers.readline().strip())

        threads = [threading.Thread(target=come_and_go) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == ["held"] * 240
