"""A site whose database ails: held locks, no free connection, a full disk, a lost schema, and others.

Each time the same must hold (`Site.check_outage`): feeds that the server has go on with their own validators,
`/readyz` and `/status` tell the truth, all else is 503 with `Retry-After`, no thread waits for long; and all
is well by itself afterwards (`Site.check_all_is_well`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from builders import wait_for
from databases import DatabaseServer, database_server, is_installed, program
from psycopg import sql
from servers import PATIENCE, Answer, Server, at_once, feedserver, free_port, serve, started, write_story

from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.index.values import StoreAddress
from feedserver.model import Kind, ListingKey

pytestmark = pytest.mark.skipif(not is_installed(), reason="PostgreSQL is not installed")

SCHEMA = "site"
ROLE = "writer"


class Site:
    """A server with its indexer over a database, and a feed of it that a client holds."""

    def __init__(self, folder: Path, database: DatabaseServer, server: Server) -> None:
        self.folder = folder
        self.database = database
        self.server = server
        wait_for(lambda: "Last-Modified" in server.ask("/topics/ai.rss").headers, PATIENCE)
        self.held = server.ask("/topics/ai.rss")
        self._stories = 0

    def check_outage(self, reason: str = "") -> None:
        """Check that the server does without the database, as long as it must."""
        self.server.wait_for(lambda: self.server.ask("/readyz").status == 503)
        self.server.wait_for(lambda: reason in self.server.ask("/readyz").body.decode())
        for _ in range(3):
            self.check_held()
            missing = self.server.ask("/topics/apiaries.json")
            assert (missing.status, int(missing["Retry-After"]) > 0) == (503, True)
            assert "cannot be read" in self.server.ask("/status.json").body.decode()

    def check_held(self) -> None:
        """Check that the feed is served as before."""
        answer = self.server.ask("/topics/ai.rss")
        assert (answer.status, answer["ETag"], answer.body) == (200, self.held["ETag"], self.held.body)
        assert self.server.ask("/topics/ai.rss", {"If-None-Match": self.held["ETag"]}).status == 304

    def check_all_is_well(self) -> None:
        """Check that feeds are served, and follow a change."""
        self.server.wait_for(lambda: self.server.ask("/readyz").status == 200)
        self.server.wait_for(lambda: self.server.ask("/topics/apiaries.json").status == 200)
        self._stories += 1
        title = f"Wasps {self._stories}"
        write_story(self.folder / "articles", f"wasps-{self._stories}", title=title)
        self.server.wait_for(lambda: title.encode() in self.server.ask("/topics/ai.rss").body)


def variables(database: DatabaseServer, role: str = "feedserver") -> dict[str, str]:
    url = database.url.replace("feedserver@", f"{role}@")
    return {"FEEDSERVER_INDEX__URL": url, "FEEDSERVER_INDEX__SITE_SCHEMA": SCHEMA}


@contextmanager
def a_site(folder: Path, database: DatabaseServer, **environ: str) -> Iterator[Site]:
    write_story(folder / "articles", "bees", title="Bees", topics=["AI", "Apiaries"])
    with serve(folder, "--workers", "1", environ={**variables(database), **environ}) as server:
        yield Site(folder, database, server)


def ask(database: DatabaseServer, statement: str, *names: str) -> Sequence[tuple[object, ...]]:
    """Let the owner of the database run a statement."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        cursor = connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        return cursor.fetchall() if cursor.description else []


def serving_build(database: DatabaseServer) -> str:
    ((build,),) = ask(database, "SELECT build FROM {}.serving", SCHEMA)
    return str(build)


END_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'feedserver%' AND pid <> pg_backend_pid()
"""


def make_role(database: DatabaseServer) -> None:
    """A role as the guide has it: it may make schemas, and is no superuser."""
    ask(database, "CREATE ROLE {} LOGIN PASSWORD 'first'", ROLE)
    ask(database, "GRANT CREATE ON DATABASE postgres TO {}", ROLE)


# --- Locks


@contextmanager
def locked(database: DatabaseServer, schema: str) -> Iterator[None]:
    """Another session holds all tables of a schema, as a careless administrator does."""
    with psycopg.connect(database.url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema])
        for (table,) in tables.fetchall():
            lock = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(schema, table))
            connection.execute(lock)
        yield
        connection.rollback()


def test_a_lock_on_the_tables_of_the_index_holds_up_nobody(tmp_path: Path) -> None:
    with database_server() as database, a_site(tmp_path, database) as site:
        with locked(database, serving_build(database)):
            site.check_outage("lock timeout")
            crowd(site.server, {"/topics/apiaries.json": 503, "/topics/ai.rss": 200})
            # The indexer gives up after a while, and tries again: it must not end for good.
            write_story(tmp_path / "articles", "ants", title="Ants")
            site.server.wait_for(lambda: "this indexer waits" in site.server.said(), 3 * PATIENCE)
            site.check_held()
        site.check_all_is_well()
        assert b"Ants" in site.server.ask("/topics/ai.rss").body
        assert "the indexer died" not in site.server.said()


def test_a_lock_on_the_tables_of_the_site_holds_up_nobody(tmp_path: Path) -> None:
    with database_server() as database, a_site(tmp_path, database) as site:
        with locked(database, SCHEMA):
            site.check_outage()
            crowd(site.server, {"/topics/ai.rss": 200})
        site.check_all_is_well()
        assert "the indexer died" not in site.server.said()


def crowd(server: Server, expected: Mapping[str, int]) -> None:
    """More clients than the server has threads and connections ask at once; each is answered."""

    def check(path: str, status: int) -> None:
        assert server.ask(path).status == status

    at_once(*[partial(check, *one) for one in expected.items()] * 12)


# --- Resources


def test_without_a_free_connection_the_site_waits_for_one(tmp_path: Path) -> None:
    with database_server(max_connections="20", superuser_reserved_connections="3") as database:
        make_role(database)
        with a_site(tmp_path, database, **variables(database, ROLE)) as site, ExitStack() as stack:
            url = database.url.replace("feedserver@", f"{ROLE}@")

            def is_full() -> bool:
                ask(database, END_CONNECTIONS)
                try:
                    for _ in range(20):
                        stack.enter_context(psycopg.connect(url))
                except psycopg.OperationalError as error:
                    (others,) = ask(
                        database,
                        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'feedserver%'",
                    )
                    return "too many" in str(error) or ("reserved" in str(error) and others == (0,))
                return False

            wait_for(is_full, PATIENCE)
            site.check_outage()
            stack.close()
            site.check_all_is_well()
            assert "the indexer died" not in site.server.said()


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="feedserver-disk-"))
    options = f"size={megabytes}m,mode=0755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("a small disk can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def test_a_full_disk_of_the_database_costs_no_feed_and_no_article(tmp_path: Path) -> None:
    with (
        small_disk(150) as disk,
        database_server(disk=disk, max_wal_size="64MB") as database,
        a_site(tmp_path, database) as site,
    ):
        filler = disk / "filler"
        fill(filler)
        for number in range(20):
            text = f"Text {number}. " * 4000
            write_story(tmp_path / "articles", f"long-{number}", title=f"Long {number}", body=text)
        site.server.wait_for(lambda: "this indexer waits" in site.server.said(), 3 * PATIENCE)
        # Reading goes on; the last small change may still have had room.
        site.server.wait_for(lambda: is_confirmed(site.server, "/topics/ai.rss"))
        filler.unlink()
        if not answers(database):  # a full disk for its log ends PostgreSQL itself
            database.stop()
            database.start()
        site.check_all_is_well()
        site.server.wait_for(lambda: b"Long 19" in site.server.ask("/topics/ai.rss").body)
        assert "the indexer died" not in site.server.said()


def is_confirmed(server: Server, path: str) -> bool:
    held = server.ask(path)
    assert held.status == 200
    return server.ask(path, {"If-None-Match": held["ETag"]}).status == 304


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError:
                continue


def answers(database: DatabaseServer) -> bool:
    try:
        ask(database, "SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


# --- Accidents


def test_a_restart_of_the_database_in_the_first_load_only_delays_it(tmp_path: Path) -> None:
    for number in range(1500):
        write_story(tmp_path / "articles", f"{number}", title=f"Story {number}", topics=[f"T{number % 50}"])
    port = free_port()
    command = [sys.executable, "-m", "feedserver", "serve", "--workers", "1", "--port", str(port)]
    with database_server() as database, started(command, port, tmp_path, variables(database)) as server:
        server.wait_for(lambda: has_files(database))
        database.stop()
        server.wait_for(lambda: server.ask("/readyz").status == 503)
        database.start()
        server.wait_for(lambda: server.ask("/readyz").status == 200, 3 * PATIENCE)
        server.wait_for(lambda: server.ask("/topics/t49.rss").status == 200)
        store = open_store(StoreAddress(state_dir="", url=database.url, schema=SCHEMA))
        with closing(IndexReader(store)) as reader:
            everything = reader.listing(ListingKey(kind=Kind.ARTICLES))
        assert everything is not None
        assert everything.count == 1500
        schemas = ask(database, "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'site_')")
        assert schemas == [(serving_build(database),)]
        assert "the indexer died" not in server.said()


def has_files(database: DatabaseServer) -> bool:
    """Whether the first load has committed some files."""
    for (schema,) in ask(database, "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'site_')"):
        try:
            return bool(ask(database, "SELECT 1 FROM {}.file LIMIT 1", str(schema)))
        except psycopg.errors.UndefinedTable:
            return False
    return False


def test_a_build_that_an_administrator_drops_is_made_again(tmp_path: Path) -> None:
    with database_server() as database, a_site(tmp_path, database) as site:
        lost = serving_build(database)
        ask(database, "DROP SCHEMA {} CASCADE", lost)
        site.check_held()
        site.server.wait_for(lambda: serving_build(database) != lost)
        site.check_all_is_well()
        assert "the indexer died" not in site.server.said()


def test_after_a_change_of_the_password_the_new_one_in_the_file_is_used(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    with database_server() as database:
        make_role(database)
        database.demand_password(ROLE)
        environ = {**variables(database, ROLE), "FEEDSERVER_INDEX__PASSWORD_FILE": str(file)}
        with a_site(tmp_path, database, **environ) as site:
            ask(database, "ALTER ROLE {} PASSWORD 'second'", ROLE)
            ask(database, END_CONNECTIONS)
            site.check_outage("password authentication failed")
            file.write_text("second\n")
            site.check_all_is_well()
            said = site.server.said()
            assert "first" not in said.replace("first index", "")
            assert "the indexer died" not in said


def test_a_standby_is_refused_until_it_is_promoted(tmp_path: Path) -> None:
    write_story(tmp_path / "articles", "bees", title="Bees", topics=["AI", "Apiaries"])
    with database_server() as primary:
        assert feedserver(tmp_path, "index", environ=variables(primary)).returncode == 0
        with database_server(primary) as standby:
            primary.stop()
            port = free_port()
            command = [sys.executable, "-m", "feedserver", "serve", "--workers", "1", "--port", str(port)]
            with started(command, port, tmp_path, variables(standby)) as server:
                server.wait_for(lambda: server.ask("/readyz").status == 503)
                server.wait_for(lambda: "recovery" in server.ask("/readyz").body.decode())
                server.wait_for(lambda: "this indexer waits" in server.said())
                assert int(server.ask("/topics/ai.rss")["Retry-After"]) > 0
                ask(standby, "SELECT pg_promote()")
                server.wait_for(lambda: "this indexer goes on" in server.said())
                Site(tmp_path, standby, server).check_all_is_well()
                assert "the indexer died" not in server.said()


def test_a_restored_backup_of_the_schema_keeps_ids_and_validators(tmp_path: Path) -> None:
    base = {"FEEDSERVER_SITE__BASE_URL": "https://feeds.example"}
    paths = ("/topics/ai.rss", "/articles.atom", "/topics/apiaries.json")
    with database_server() as old, database_server() as new:
        with a_site(tmp_path, old, **base) as site:
            held = [dated(site.server, path) for path in paths]
        backup = tmp_path / "backup.sql"
        run("pg_dump", f"--schema={SCHEMA}", "--file", str(backup), old.url)
        run("psql", "--quiet", "--set=ON_ERROR_STOP=1", "--file", str(backup), new.url)
        old.stop()
        shutil.rmtree(tmp_path / ".feedserver")  # of another machine
        with a_site(tmp_path, new, **base) as site:
            for path, before in zip(paths, held, strict=True):
                now = dated(site.server, path)
                assert (now["ETag"], now["Last-Modified"], now.body) == (
                    before["ETag"], before["Last-Modified"], before.body,
                )  # fmt: skip
                for condition in (
                    {"If-None-Match": before["ETag"]},
                    {"If-Modified-Since": before["Last-Modified"]},
                ):
                    assert site.server.ask(path, condition).status == 304
            site.check_all_is_well()
            assert "the indexer died" not in site.server.said()


def dated(server: Server, path: str) -> Answer:
    server.wait_for(lambda: "Last-Modified" in server.ask(path).headers)
    return server.ask(path)


def run(name: str, *arguments: str) -> None:
    command = program(name)
    assert command is not None
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
