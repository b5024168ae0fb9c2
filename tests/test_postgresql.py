"""A database as the store: the same bytes as from files, one writer at a time, and an outage."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from builders import Clock, a_change, a_plan, an_article, at, terms, wait_for, write_article
from databases import DatabaseServer, database_server, is_installed
from psycopg import sql
from servers import REPOSITORY, Server, feedserver, free_port, index, serve, settings_of, started, write_story
from sqlalchemy import event

from feedserver.articles.selections.values import ListingRules
from feedserver.errors import ServerBusyError, StateError, StoreUnreachableError
from feedserver.feeds.document import Document
from feedserver.index.facts import BuildFacts
from feedserver.index.history import PublicationHistory
from feedserver.index.postgresql import builds, connections, serving
from feedserver.index.postgresql.connections import BoundedConnection, Database, connector
from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.index.values import StoreAddress
from feedserver.index.writer import IndexWriter
from feedserver.indexing.indexer import Indexer
from feedserver.model import Format, Kind, ListingKey
from feedserver.settings.sources import load_settings
from feedserver.wiring.publishing import make_publisher

pytestmark = pytest.mark.skipif(not is_installed(), reason="PostgreSQL is not installed")

EVERYTHING = ListingKey(kind=Kind.ARTICLES)
AI = ListingKey(kind=Kind.TOPIC, slug="ai")
NOW = 1_717_201_000


@pytest.fixture(scope="module")
def database() -> Iterator[DatabaseServer]:
    with database_server(max_connections="200") as server:
        yield server


@pytest.fixture
def address(database: DatabaseServer, tmp_path: Path, request: pytest.FixtureRequest) -> StoreAddress:
    """A schema of the test's own."""
    schema = f"t_{abs(hash(request.node.nodeid)):x}"
    return StoreAddress(state_dir=str(tmp_path / "state"), url=database.url, schema=schema)


def section(address: StoreAddress) -> dict[str, str]:
    return {"url": address.url, "site_schema": address.schema}


def variables(address: StoreAddress) -> dict[str, str]:
    return {f"FEEDSERVER_INDEX__{key.upper()}": value for key, value in section(address).items()}


class Build:
    """A serving build and its writer."""

    def __init__(self, address: StoreAddress) -> None:
        self.builds = open_store(address).builds()
        self.history = self.builds.open_history()
        name = self.builds.begin()
        self.writer = IndexWriter(self.builds.write(name), self.history, ListingRules(is_searched=True))
        self.writer.create(BuildFacts(plan="value"), NOW)
        self.builds.publish(name)

    def publish(self, number: int, title: str = "Bees") -> None:
        article = an_article(f"n{number}", title=title, topics=terms("AI"), published=at(NOW - 500 + number))
        self.writer.apply([a_change(f"{number}.md", article, mtime=NOW)], NOW)

    def close(self) -> None:
        self.builds.close()


def titles(reader: IndexReader) -> set[str]:
    selected = reader.select(EVERYTHING, 50)
    assert selected is not None
    return {entry.article.title for entry in selected.entries}


# --- The same as from files


def test_a_database_and_a_state_folder_give_the_same_bytes_and_dates(
    tmp_path: Path, address: StoreAddress
) -> None:
    folder = tmp_path / "articles"
    for number in range(30):
        write_story(
            folder,
            f"{number % 3}/story-{number}",
            title=f"Story {number} ü 日本",
            topics=["AI", f"Topic {number % 4}"],
            date=f"2024-05-{number % 28 + 1:02d}T10:00:00Z",
        )
    clock = Clock(NOW + 10**7)
    seen: list[dict[str, tuple[bytes, str]]] = []
    for number, keys in enumerate(({}, section(address))):
        settings = settings_of(tmp_path / f"state-{number}", folder, index=keys)
        index(settings, clock)
        publisher = make_publisher(settings)
        documents: dict[str, tuple[bytes, str]] = {}
        for listing in [EVERYTHING, *(one.key for one in publisher.reader.filled(Kind.TOPIC))]:
            for document in (Document(listing, fmt) for fmt in Format):
                found = publisher.feed_document(document)
                documents[document.address] = found.body, found.etag
        publisher.close()
        seen.append(documents)
    assert len(seen[0]) == 3 * 6
    assert seen[0] == seen[1]


def test_a_move_to_a_database_and_back_keeps_what_clients_hold(tmp_path: Path, address: StoreAddress) -> None:
    write_story(tmp_path / "articles", "bees", title="Bees")
    base = ("--base-url", "https://feeds.example")
    with serve(tmp_path, *base) as server:
        wait_for(lambda: "Last-Modified" in server.ask("/articles.atom").headers)
        held = server.ask("/articles.atom")
    moved = feedserver(tmp_path, "state", "copy", "--to", address.url, "--to-schema", address.schema)
    assert (moved.returncode, moved.stderr) == (0, "")
    again = feedserver(tmp_path, "state", "copy", "--to", address.url, "--to-schema", address.schema)
    assert again.returncode == 1
    assert "has a publication history already" in again.stderr

    def asks_for_304(environ: dict[str, str], *options: str) -> None:
        with serve(tmp_path, *base, *options, environ=environ) as server:
            for condition in (
                {"If-None-Match": held["ETag"]},
                {"If-Modified-Since": held["Last-Modified"]},
            ):
                assert server.ask("/articles.atom", condition).status == 304
            assert server.ask("/articles.atom")["Last-Modified"] == held["Last-Modified"]

    asks_for_304(variables(address))
    back = feedserver(
        tmp_path, "state", "copy", "--to", "files", "--state-dir", "elsewhere", environ=variables(address)
    )
    assert (back.returncode, back.stderr) == (0, "")
    asks_for_304({}, "--state-dir", "elsewhere")


def test_two_sites_share_a_database_without_meeting(tmp_path: Path, address: StoreAddress) -> None:
    other = msgspec.structs.replace(address, schema=f"{address.schema}_b")
    for number, one in enumerate((address, other)):
        folder = tmp_path / f"articles-{number}"
        write_article(folder, title=f"Title {number}")
        with closing(Indexer(a_plan(tmp_path / f"s{number}", folder, store=one))) as indexer:
            indexer.refresh()
    for number, one in enumerate((address, other)):
        with closing(IndexReader(open_store(one))) as reader:
            assert titles(reader) == {f"Title {number}"}


# --- Readers


def test_while_nothing_changes_a_reader_asks_the_database_nothing(address: StoreAddress) -> None:
    with closing(Build(address)) as build, closing(IndexReader(open_store(address))) as reader:
        build.publish(1)
        wait_for(lambda: reader.listing(AI) is not None)
        asked: list[str] = []
        pools = reader._serving._pools  # type: ignore[attr-defined]  # noqa: SLF001  to count statements
        for engine in pools._engines.values():  # noqa: SLF001  the same
            event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
        state = reader.listing(AI)
        for _ in range(100):
            assert reader.listing(AI) is state
        assert asked == []
        build.publish(2)
        wait_for(lambda: reader.listing(AI) != state)
        assert asked


def test_commits_and_other_builds_are_announced(address: StoreAddress) -> None:
    with closing(Build(address)) as build, closing(IndexReader(open_store(address))) as reader:
        build.publish(1, "Ants")
        wait_for(lambda: titles(reader) == {"Ants"})
        build.close()
        with closing(Build(address)) as another:
            another.publish(1, "Wasps")
            wait_for(lambda: titles(reader) == {"Wasps"})


def test_no_generation_is_used_for_two_states_while_readers_doubt_the_database(address: StoreAddress) -> None:
    with closing(Build(address)) as build, closing(IndexReader(open_store(address))) as reader:
        seen: dict[int, int] = {}
        for number in range(30):
            build.publish(number)
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                reader._serving._announcements.note_failure("a doubt")  # type: ignore[attr-defined]  # noqa: SLF001
                now = reader._serving._announcements.now()  # type: ignore[attr-defined]  # noqa: SLF001
                assert seen.setdefault(now.generation, now.revision) == now.revision
        wait_for(lambda: len(shown(reader)) > 0)
        assert len(seen) > 5


def test_a_replica_is_asked_unless_it_lags_behind_what_this_process_knows(tmp_path: Path) -> None:
    with database_server() as primary, database_server(primary) as standby, ExitStack() as stack:
        address = StoreAddress(state_dir="", url=primary.url, read_url=standby.url, schema="site")
        build = stack.enter_context(closing(Build(address)))
        build.publish(1, "Ants")
        reader = stack.enter_context(closing(IndexReader(open_store(address))))
        replica = stack.enter_context(psycopg.connect(standby.url, autocommit=True))
        wait_for(lambda: asks_replica(reader) and titles(reader) == {"Ants"})

        replica.execute("SELECT pg_wal_replay_pause()")
        build.publish(2, "Wasps")
        wait_for(lambda: titles(reader) == {"Ants", "Wasps"})
        assert not asks_replica(reader)
        for _ in range(20):
            assert titles(reader) == {"Ants", "Wasps"}
        replica.execute("SELECT pg_wal_replay_resume()")
        wait_for(lambda: asks_replica(reader))
        assert titles(reader) == {"Ants", "Wasps"}

        standby.stop(signal.SIGKILL)
        assert titles(reader) == {"Ants", "Wasps"}


def asks_replica(reader: IndexReader) -> bool:
    """Whether a question is answered by a replica."""
    with reader._serving.snapshot() as connection:  # noqa: SLF001  the question of another table
        return bool(connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar())


def test_a_build_that_was_replaced_is_dropped_when_no_reader_needs_it(
    address: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    def schemas() -> set[str]:
        with psycopg.connect(address.url) as connection:
            rows = connection.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s", [f"{address.schema}%"]
            )
            return {name for (name,) in rows}

    with closing(Build(address)) as build:
        build.builds.keep_only(build.builds.serving())
    with closing(Build(address)) as build:
        build.builds.keep_only(build.builds.serving())
        assert len(schemas()) == 3  # the site's, the one that serves, and one that readers may still ask
        monkeypatch.setattr(builds, "RETIRED_SECONDS", 0.0)
        build.builds.keep_only(build.builds.serving())
        assert len(schemas()) == 2


# --- One writer


def test_two_processes_never_write_at_once(address: StoreAddress) -> None:
    with closing(Build(address)), pytest.raises(ServerBusyError):
        open_store(address).builds()
    open_store(address).builds().close()


def test_a_writer_that_lost_its_lock_commits_nothing_any_more(
    database: DatabaseServer, address: StoreAddress
) -> None:
    with ExitStack() as stack:
        old = stack.enter_context(closing(Build(address)))
        old.publish(1, "Ants")
        end_connections(database, "feedserver lock")
        wait_for(lambda: takes_over(stack, address))
        with pytest.raises(StoreUnreachableError):
            old.publish(2, "Wasps")
        with pytest.raises(StoreUnreachableError):
            old.history.note(old.history.facts())
        reader = stack.enter_context(closing(IndexReader(open_store(address))))
        assert titles(reader) == {"Ants"}


def end_connections(database: DatabaseServer, name: str) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [name]
        )


def takes_over(stack: ExitStack, address: StoreAddress) -> bool:
    try:
        stack.enter_context(closing(open_store(address).builds()))
    except ServerBusyError:
        return False
    return True


def test_another_host_indexes_after_the_death_of_the_one_that_did(
    tmp_path: Path, address: StoreAddress
) -> None:
    folder = tmp_path / "articles"
    write_article(folder, title="Ants")
    with ExitStack() as stack:
        hosts = [stack.enter_context(indexer_of(tmp_path, f"host-{number}", address)) for number in range(2)]
        reader = stack.enter_context(closing(IndexReader(open_store(address))))
        wait_for(lambda: "this indexer waits" in hosts[0].said() + hosts[1].said())
        wait_for(lambda: shown(reader) == {"Ants"})
        waiting, active = sorted(hosts, key=lambda host: "this indexer waits" not in host.said())
        active.stop(signal.SIGKILL, group=True)
        wait_for(lambda: "this indexer goes on" in waiting.said())
        write_article(folder, "wasps.md", title="Wasps", webUrl="https://gazette.example/wasps")
        wait_for(lambda: shown(reader) == {"Ants", "Wasps"})


def indexer_of(tmp_path: Path, name: str, address: StoreAddress) -> Any:
    """`feedserver index --watch`, as on a host of its own with the same articles."""
    home = tmp_path / name
    home.mkdir()
    command = [sys.executable, "-m", "feedserver", "index", "--watch", str(tmp_path / "articles")]
    return started(command, free_port(), home, variables(address))


def shown(reader: IndexReader) -> set[str]:
    try:
        return titles(reader)
    except Exception:
        return set()


# --- Without the database


def test_an_indexer_that_loses_its_connection_while_it_begins_says_so_and_holds_no_lock(
    tmp_path: Path, database: DatabaseServer, address: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(self: builds.SchemaBuilds) -> PublicationHistory:
        end_connections(database, "feedserver indexer")
        return opened(self)

    opened = builds.SchemaBuilds.open_history
    plan = a_plan(tmp_path / "state", tmp_path / "articles", store=address)
    with monkeypatch.context() as patched:
        patched.setattr(builds.SchemaBuilds, "open_history", cut_off)
        with pytest.raises(StoreUnreachableError, match="cannot be used now") as raised:
            Indexer(plan)
    with closing(Indexer(plan)):
        assert raised.value.path


def test_without_the_database_cached_feeds_go_on_and_all_is_well_after_its_return(tmp_path: Path) -> None:
    with database_server() as database:
        address = StoreAddress(state_dir="", url=database.url, schema="site")
        write_story(tmp_path / "articles", "bees", title="Bees", topics=["AI", "Apiaries"])
        with serve(tmp_path, "--workers", "1", environ=variables(address)) as server:
            wait_for(lambda: server.ask("/topics/ai.rss").status == 200)
            held = server.ask("/topics/ai.rss")
            for stop in (signal.SIGINT, signal.SIGKILL):
                database.stop(stop)
                wait_for(lambda: server.ask("/readyz").status == 503)
                for _ in range(5):
                    answer = server.ask("/topics/ai.rss")
                    assert (answer.status, answer["ETag"], answer.body) == (200, held["ETag"], held.body)
                    assert server.ask("/topics/ai.rss", {"If-None-Match": held["ETag"]}).status == 304
                    missing = server.ask("/topics/apiaries.json")
                    assert (missing.status, int(missing["Retry-After"]) > 0) == (503, True)
                    assert "cannot be read" in server.ask("/status.json").body.decode()
                database.start()
                wait_for(lambda: server.ask("/readyz").status == 200)
            assert server.ask("/topics/apiaries.json").status == 200
            write_story(tmp_path / "articles", "wasps", title="Wasps")
            wait_for(lambda: b"Wasps" in server.ask("/topics/ai.rss").body)


def test_a_database_that_says_nothing_holds_no_thread_for_long(database: DatabaseServer) -> None:
    connect = connector(Database(url=database.url, schema="x"), "test", answer_seconds=0.2)
    with connect() as connection:
        assert isinstance(connection, BoundedConnection)
        with pytest.raises(psycopg.OperationalError, match="no answer within"):
            connection.execute("SELECT pg_sleep(60)")
        assert connection.closed


def test_a_server_starts_without_the_database_and_serves_when_it_is_there(tmp_path: Path) -> None:
    with database_server() as database:
        database.stop()
        write_story(tmp_path / "articles", "bees", title="Bees")
        port = free_port()
        command = [sys.executable, "-m", "feedserver", "serve", "--port", str(port)]
        environ = variables(StoreAddress(state_dir="", url=database.url, schema="site"))
        with started(command, port, tmp_path, environ) as server:
            wait_for(lambda: answers(server) == 503)
            database.start()
            wait_for(lambda: answers(server) == 200)


def answers(server: Server) -> int:
    try:
        return server.ask("/articles.rss").status
    except OSError:
        return 0


def test_a_web_machine_needs_no_articles_and_starts_no_indexer(tmp_path: Path, address: StoreAddress) -> None:
    write_article(tmp_path / "articles", title="Bees")
    indexed = feedserver(tmp_path, "index", environ=variables(address))
    assert indexed.returncode == 0
    web = tmp_path / "web"
    web.mkdir()
    environ = {**variables(address), "FEEDSERVER_INDEX__ROLE": "web"}
    with serve(web, environ=environ) as server:
        assert b"Bees" in server.ask("/articles.rss").body
        assert not (web / ".feedserver" / "indexer.lock").exists()
        assert {path.name for path in (web / ".feedserver").glob("*.sqlite")} == set()


def test_a_connection_that_ended_while_it_was_not_used_costs_no_answer(
    database: DatabaseServer, address: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PING_SECONDS", 0.0)
    with closing(Build(address)) as build, closing(IndexReader(open_store(address))) as reader:
        build.publish(1, "Ants")
        wait_for(lambda: titles(reader) == {"Ants"})
        for _ in range(3):
            end_connections(database, "feedserver reader")
            assert titles(reader) == {"Ants"}


# --- Secrets and mistakes


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_lacks_characters_is_refused_in_one_sentence(
    tmp_path: Path, database: DatabaseServer, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )
    environ = {"FEEDSERVER_INDEX__URL": database.url.replace("/postgres", f"/{name}")}
    write_article(tmp_path / "articles")
    for arguments in (["index"], ["render", "/articles.rss"], ["list", "topics"]):
        result = feedserver(tmp_path, *arguments, environ=environ)
        assert result.returncode == 1
        assert f"has the encoding {encoding}" in result.stderr
        assert "Traceback" not in result.stderr


SECRET = "hunter2secret"  # noqa: S105  of the tests


def test_the_password_is_shown_nowhere(tmp_path: Path, database: DatabaseServer) -> None:
    url = database.url.replace("feedserver@", f"feedserver:{SECRET}@").replace(f":{database.port}", ":1")
    settings = load_settings(environ={"FEEDSERVER_INDEX__URL": url}, overrides={})
    assert settings.index.url == url
    environ = {"FEEDSERVER_INDEX__URL": url}
    write_article(tmp_path / "articles")
    for arguments in (["config"], ["index"], ["list"], ["render", "/articles.rss"], ["config", "--check"]):
        result = feedserver(tmp_path, *arguments, environ=environ)
        assert SECRET not in result.stdout + result.stderr
    assert "cannot be used now" in feedserver(tmp_path, "index", environ=environ).stderr


def test_a_password_may_be_in_a_file(
    tmp_path: Path, database: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    given: list[str | None] = []

    class Recording(BoundedConnection):
        @classmethod
        def connect(cls, *_: Any, **options: Any) -> Any:
            given.append(options["password"])
            raise psycopg.OperationalError

    monkeypatch.setattr(connections, "BoundedConnection", Recording)
    for name in (str(file), ""):
        connect = connector(Database(url=database.url, schema="x", password_file=name), "test")
        with pytest.raises(psycopg.OperationalError):
            connect()
    assert given == [SECRET, None]
    absent = Database(url=database.url, schema="x", password_file=str(tmp_path / "absent"))
    with pytest.raises(StoreUnreachableError, match="absent cannot be read"):
        connector(absent, "test")()


def test_the_rights_of_the_guide_suffice_for_an_indexer_and_for_web_machines(tmp_path: Path) -> None:
    guide = (REPOSITORY / "docs" / "guides" / "several-machines.md").read_text(encoding="utf-8")
    owner, reader, later = re.findall(r"```sql\n(.*?)```", guide, re.DOTALL)
    write_story(tmp_path / "articles", "bees", title="Bees")
    with database_server() as database:

        def carry_out(statements: str, name: str) -> None:
            # The role of the server of the tests has the name that the guide gives to an ordinary one.
            statements = re.sub(r"(ROLE|OWNER) feedserver", r"\1 indexer", re.sub(r"--.*", "", statements))
            address = database.url.replace("/postgres", f"/{name}")
            with psycopg.connect(address, autocommit=True) as connection:
                for statement in filter(
                    str.strip, statements.replace("OWNER feedserver", "OWNER indexer").split(";")
                ):
                    connection.execute(sql.SQL(statement))

        def url(role: str) -> dict[str, str]:
            address = database.url.replace("feedserver@", f"{role}@").replace("/postgres", "/feeds")
            return {"FEEDSERVER_INDEX__URL": address}

        carry_out(owner, "postgres")
        carry_out(reader, "feeds")
        assert feedserver(tmp_path, "index", environ=url("indexer")).returncode == 0
        carry_out(later, "feeds")
        with serve(tmp_path, environ={**url("feedweb"), "FEEDSERVER_INDEX__ROLE": "web"}) as server:
            assert b"Bees" in server.ask("/articles.rss").body
            wait_for(lambda: "Last-Modified" in server.ask("/articles.rss").headers)
            # A build that is made later can be read too.
            changed = {**url("indexer"), "FEEDSERVER_SCAN__MAX_TOPICS": "9"}
            write_story(tmp_path / "articles", "wasps", title="Wasps")
            assert feedserver(tmp_path, "index", "--state-dir", "other", environ=changed).returncode == 0
            wait_for(lambda: b"Wasps" in server.ask("/articles.rss").body)


def test_a_role_without_rights_is_told_so_in_one_sentence(
    tmp_path: Path, database: DatabaseServer, address: StoreAddress
) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS nobody_at_all")
        connection.execute("CREATE ROLE nobody_at_all LOGIN")
    url = database.url.replace("feedserver@", "nobody_at_all@")
    with pytest.raises(StateError, match="permission denied"):
        open_store(msgspec.structs.replace(address, url=url)).builds()


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"url": "mysql://x"}, "index.url"),
        ({"read_url": "postgresql://x/y"}, "index.read_url: needs index.url"),
        ({"role": "web"}, "index.role: can be web with index.url only"),
        ({"url": "postgresql://x/y", "site_schema": "Drop Table"}, "index.site_schema"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, keys: dict[str, str], problem: str) -> None:
    environ = {f"FEEDSERVER_INDEX__{key.upper()}": value for key, value in keys.items()}
    result = feedserver(tmp_path, "config", "--check", environ=environ)
    assert result.returncode == 2
    assert problem in result.stderr


def test_a_rebuild_while_a_reader_asks_all_the_time_loses_no_answer(
    tmp_path: Path, address: StoreAddress
) -> None:
    folder = tmp_path / "articles"
    write_article(folder, title="Ants")
    plan = a_plan(tmp_path / "state", folder, store=address)
    with closing(Indexer(plan)) as indexer:
        indexer.refresh()
    with closing(IndexReader(open_store(address))) as reader:
        for number in range(3):
            changed = msgspec.structs.replace(plan, fingerprint=f"another {number}")
            with closing(Indexer(changed)) as indexer:
                indexer.refresh()
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                assert titles(reader) == {"Ants"}
