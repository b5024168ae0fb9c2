"""The command line, as its users meet it: output, one clear line per error, exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from builders import a_plan, wait_for, write_article, write_file
from click.testing import CliRunner
from servers import PATIENCE, REPOSITORY, Server, feedserver, free_port, serve, started, write_story

from feedserver import __version__
from feedserver.cli import indexing
from feedserver.cli.group import main
from feedserver.feeds.document import Document
from feedserver.feeds.publisher import Publisher
from feedserver.indexing import lock
from feedserver.indexing.lock import RESCAN_REQUEST, IndexerLock
from feedserver.indexing.reading_queue import ReadingQueue
from feedserver.model import Format, Kind, ListingKey
from feedserver.settings.sources import load_settings
from feedserver.wiring.publishing import make_publisher

BROKEN = '---\ntitle: "x\ndate: 2024-05-01\n---\nText.\n'
AI = ListingKey(kind=Kind.TOPIC, slug="ai")
COMMANDS = ["serve", "index", "check", "list", "render", "export", "config"]


def fill(folder: Path) -> None:
    """Articles and settings for a working directory."""
    write_story(folder / "articles", "_news/one", topics=["AI", "Power Apps"], title="First")
    write_story(folder / "articles", "_news/two", topics=["AI"], date="2024-05-02T10:00:00Z", title="Second")
    write_story(folder / "articles", "_news/hidden", topics=["Secret"], title="Hidden", draft=True)
    write_story(folder / "others", "one")
    write_file(
        folder,
        "feedserver.yaml",
        "site: {base_url: https://feeds.example}\nfeeds: {selections: {mine: {title: Mine, topics: [AI]}}}\n",
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A working directory with articles and settings."""
    fill(tmp_path)
    return tmp_path


@dataclass
class Outcome:
    """The output of a command, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


def run(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Outcome:
    """Run one command in this process, as its own `main` does; a traceback fails the test."""
    without = dict.fromkeys(name for name in os.environ if name.startswith("FEEDSERVER_"))
    with contextlib.chdir(folder):
        result = CliRunner().invoke(
            main, arguments, env={**without, **(environ or {})}, prog_name="feedserver"
        )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that runs through this module, in a folder like `site`."""
    folder = tmp_path_factory.mktemp("running")
    fill(folder)
    with serve(folder) as server:
        yield server


def one_line(text: str) -> str:
    """The only line of a text."""
    (line,) = text.splitlines()
    return line


# --- Usage


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command(tmp_path: Path, flag: str) -> None:
    result = run(tmp_path, flag)
    assert result.returncode == 0
    assert all(command in result.stdout for command in COMMANDS)


def test_every_command_helps_and_has_the_shared_options(tmp_path: Path) -> None:
    for command in COMMANDS:
        result = run(tmp_path, command, "--help")
        assert result.returncode == 0
        assert all(option in result.stdout for option in ("--config", "--base-url", "--state-dir"))
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_told(tmp_path: Path) -> None:
    assert one_line(run(tmp_path, "--version").stdout).endswith(__version__)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["serve", "--nonsense"],
        ["serve", "--port", "many"],
        ["serve", "--port", "70000"],
        ["serve", "--workers", "0"],
        ["check", "--format", "xml"],
        ["list"],
        ["list", "topics", "nowhere"],
        ["list", "nonsense"],
        ["serve", "nowhere"],
        ["config", "nowhere"],
        ["render", "/articles.rss", "nowhere"],
        ["render"],
        ["config", "--config", "missing.yaml"],
        ["config", "--base-url", "ftp://feeds.example"],
        ["index", "a", "b/a"],
    ],
    ids=" ".join,
)
def test_wrong_usage_and_settings_exit_with_2_and_say_why(tmp_path: Path, arguments: list[str]) -> None:
    result = run(tmp_path, *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_problems_of_the_settings_are_told_at_once_one_a_line(tmp_path: Path) -> None:
    (tmp_path / "feedserver.yaml").write_text("site: {title: 5, id_year: soon}\nfeeds: {limmit: 3}\n")
    result = run(tmp_path, "serve", environ={"FEEDSERVER_SERVER__PORT": "many"})
    lines = result.stderr.splitlines()
    assert result.returncode == 2
    assert len(lines) == 4
    assert all(line.startswith("feedserver: ") for line in lines)
    assert any("feeds.limit" in line and "feedserver.yaml line 2" in line for line in lines)


# --- serve


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.9.1", "localhost", "::1")),
        *((host, False) for host in ("0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "a.example")),  # noqa: S104  nothing listens there
    ],
)
def test_serve_says_that_a_public_address_needs_a_proxy(
    site: Path, monkeypatch: pytest.MonkeyPatch, host: str, is_local: bool
) -> None:
    monkeypatch.setattr("feedserver.cli.serve.check_port", lambda *_: None)
    monkeypatch.setattr("feedserver.cli.serve.Server.run", lambda _: None)
    result = run(site, "serve", "--host", host)
    assert result.returncode == 0
    assert ("reverse proxy" in result.stderr) != is_local


# --- In an empty folder


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["config"], 0),
        (["config", "--check"], 0),
        (["index"], 0),
        (["list", "topics"], 0),
        (["list", "feeds", "--json"], 0),
        (["render", "/articles.rss"], 0),
        (["render", "/topics/ai.rss"], 1),
    ],
    ids=str,
)
def test_every_command_works_in_an_empty_folder(tmp_path: Path, arguments: list[str], status: int) -> None:
    result = run(tmp_path, *arguments)
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr


def test_check_in_an_empty_folder_does_not_say_that_all_is_well(tmp_path: Path) -> None:
    result = run(tmp_path, "check")
    assert "Traceback" not in result.stderr
    assert "articles" in result.stdout + result.stderr


# --- index


def test_index_says_what_it_did_and_what_there_is(site: Path) -> None:
    write_file(site, "articles/broken.md", BROKEN)
    first = run(site, "index")
    assert first.returncode == 0
    assert "4 files" in first.stdout
    assert (
        "2 articles are live; 1 file is hidden, 0 undated, 1 problem (feedserver check names it)"
        in first.stdout
    )
    assert first.stderr == ""
    time.sleep(2.1)  # what was just written is read once more
    run(site, "index")
    assert "0 read, 0 gone, 0 articles changed" in run(site, "index").stdout


def test_an_index_that_is_interrupted_ends_its_scan_before_it_ends_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    close = ReadingQueue.close

    def close_queue(queue: ReadingQueue) -> None:
        ended.append("scan")
        close(queue)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ReadingQueue, "close", close_queue)
    monkeypatch.setattr(indexing, "close_process_pool", lambda: ended.append("processes"))
    monkeypatch.setattr(indexing, "progress_bar", lambda _: contextlib.nullcontext(interrupt))
    write_article(tmp_path / "articles")
    plan = a_plan(tmp_path / "state", tmp_path / "articles")
    lock = IndexerLock.acquire(tmp_path / "state")
    assert lock is not None
    with pytest.raises(KeyboardInterrupt):
        indexing.index_once(lock, plan)
    assert ended == ["scan", "processes"]


@pytest.mark.parametrize("command", ["index", "check"])
def test_a_folder_that_does_not_exist_is_wrong_usage(site: Path, command: str) -> None:
    result = run(site, command, "nosuch")
    assert result.returncode == 2
    assert "nosuch" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_second_watcher_is_refused_by_name(site: Path) -> None:
    run(site, "index")
    lock = IndexerLock.acquire(site / ".feedserver")
    assert lock is not None
    result = run(site, "index", "--watch")
    lock.release()
    assert result.returncode == 1
    assert str(site / ".feedserver") in one_line(result.stderr)


def test_beside_a_server_index_waits_for_a_scan_that_began_after_it(site: Path) -> None:
    """Without watching, only that scan finds the new story; the next one is ten minutes away."""
    environ = {"FEEDSERVER_SCAN__WATCH": "false", "FEEDSERVER_SCAN__RESCAN_INTERVAL": "600"}
    with serve(site, environ=environ) as server:
        for number in range(3):
            write_story(site / "articles", f"_news/new-{number}", topics=["Fresh"])
            result = run(site, "index", environ=environ)
            assert result.returncode == 0, result.stderr
            assert f"{3 + number} articles are live" in result.stdout
            assert server.ask("/topics/fresh.rss").body.count(b"<item>") == number + 1


def test_when_the_other_indexer_ends_index_does_the_work_itself(site: Path) -> None:
    run(site, "index")
    write_story(site / "articles", "_news/new", topics=["Fresh"])
    lock = IndexerLock.acquire(site / ".feedserver")
    assert lock is not None
    command = [sys.executable, "-m", "feedserver", "index"]
    with started(command, 0, site) as waiting:
        waiting.wait_for((site / ".feedserver" / RESCAN_REQUEST).exists)
        lock.release()
        assert waiting.process.wait(PATIENCE) == 0
        assert "3 articles are live" in waiting.said()


def test_watching_follows_changes_until_it_is_stopped(site: Path) -> None:
    command = [sys.executable, "-m", "feedserver", "index", "--watch"]
    with started(command, 0, site) as watcher:
        # Before that, `list` would make the index itself, and the watcher would find it at work.
        watcher.wait_for(lambda: lock.holder(site / ".feedserver") is not None)
        watcher.wait_for(lambda: "/topics/ai" in run(site, "list", "topics").stdout)
        write_story(site / "articles", "_news/new", topics=["Fresh"])
        watcher.wait_for(lambda: "/topics/fresh" in run(site, "list", "topics").stdout)
        assert watcher.stop() == 0
        assert "Traceback" not in watcher.said()


# --- check


def test_check_names_path_line_severity_and_reason(site: Path) -> None:
    assert run(site, "check").returncode == 0
    write_file(site, "articles/broken.md", BROKEN)
    result = run(site, "check")
    assert result.returncode == 1
    path, finding, *_ = result.stdout.splitlines()
    assert path == "articles/broken.md"
    assert finding.split()[:3] == ["2:8", "error", "yaml-syntax:"]
    assert "4 files" in result.stderr
    assert "1 error, 0 warnings" in result.stderr
    assert not (site / ".feedserver").exists()


def test_check_speaks_json_and_github(site: Path) -> None:
    write_file(site, "articles/broken.md", BROKEN)
    (row,) = json.loads(run(site, "check", "--format", "json").stdout)
    assert row["path"] == "articles/broken.md"
    assert (row["severity"], row["code"]) == ("error", "yaml-syntax")
    annotation = one_line(run(site, "check", "--format", "github").stdout)
    assert annotation.startswith(f"::error file=articles/broken.md,line={row['line']},col={row['column']}")


def test_check_takes_folders(site: Path) -> None:
    write_file(site, "others/broken.md", BROKEN)
    assert run(site, "check").returncode == 0
    assert run(site, "check", "others").returncode == 1
    assert run(site, "check", "articles", "others").returncode == 1


# --- list, render


def test_list_shows_counts_and_addresses(site: Path) -> None:
    result = run(site, "list", "topics")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["2", "2024-05-02T10:00:00Z", "/topics/ai", "AI"],
        ["1", "2024-05-01T10:00:00Z", "/topics/power-apps", "Power", "Apps"],
    ]
    rows = json.loads(run(site, "list", "feeds", "--json").stdout)
    assert [(row["address"], row["count"]) for row in rows] == [("/articles", 2), ("/feeds/mine", 2)]
    assert rows[1]["feeds"]["atom"] == "https://feeds.example/feeds/mine.atom"


def test_list_tells_how_fresh_the_index_is(site: Path) -> None:
    write_file(site, "articles/broken.md", BROKEN)
    told = run(site, "list", "topics").stderr
    assert re.fullmatch(r"Index: last scan \d+ s ago, of 4 files; 0 files waiting; 1 problem\.\n", told), told


def test_a_long_index_shows_how_far_it_is_on_a_terminal(site: Path) -> None:
    terminal, told = pty.openpty()
    command = [sys.executable, "-m", "feedserver", "index"]
    with subprocess.Popen(command, cwd=site, stdout=subprocess.PIPE, stderr=told) as process:
        os.close(told)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal ends
            while piece := os.read(terminal, 4096):
                shown += piece
        os.close(terminal)
        assert process.wait() == 0
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode()
    assert "Reading articles" in text
    assert re.search(r"3/3 [\d,]+ files/s", text)


def test_list_stops_when_nobody_reads_any_more(site: Path) -> None:
    for many in range(20):  # more than a pipe holds
        topics = [f"Topic {number} of a long name" for number in range(100 * many, 100 * (many + 1))]
        write_story(site / "articles", f"_news/many{many}", topics=topics)
    run(site, "index")
    command = f"set -o pipefail; {sys.executable} -m feedserver list topics | head -1"
    result = subprocess.run(
        ["bash", "-c", command],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "/topics/ai" in one_line(result.stdout)
    assert (result.returncode, result.stderr) == (0, "")


def test_render_prints_what_the_server_sends(site: Path) -> None:
    result = run(site, "render", "/topics/ai.atom")
    assert (result.returncode, result.stderr) == (0, "")
    assert len(ET.fromstring(result.stdout.encode())) > 2  # noqa: S314  our own output
    assert result.stdout.encode() == publisher_of(site).feed_document(Document(AI, Format.ATOM)).body


def test_render_does_not_disturb_the_validators_of_a_server(site: Path) -> None:
    run(site, "index")
    # Soon after a change a document has no Last-Modified yet.
    wait_for(lambda: publisher_of(site).feed_document(Document(AI, Format.RSS)).last_modified is not None)
    before = publisher_of(site).feed_document(Document(AI, Format.RSS))
    result = run(site, "render", "/topics/ai.rss", environ={"FEEDSERVER_SITE__TITLE": "Else"})
    assert "Else" in result.stdout
    assert publisher_of(site).feed_document(Document(AI, Format.RSS)) == before


def publisher_of(site: Path) -> Publisher:
    """The documents that a server would publish in this folder."""
    with contextlib.chdir(site):
        return make_publisher(load_settings(environ={}))


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("/topics/power-app.rss", "/topics/power-apps.rss"),
        ("/topics/Power Apps.atom", "/topics/power-apps.atom"),
        ("/topics/ai/feed", "/topics/ai.rss"),
        ("/topics/ai", "/topics/ai.rss or /topics/ai.atom or /topics/ai.json"),
        ("topics/ai.rss", "/topics/ai.rss"),
        ("/feed", "/articles.rss"),
    ],
)
def test_render_of_an_unknown_address_says_what_may_be_meant(site: Path, address: str, meant: str) -> None:
    result = run(site, "render", address)
    assert (result.returncode, result.stdout) == (1, "")
    assert one_line(result.stderr) == f"feedserver: {address}: no such listing; did you mean {meant}?"


@pytest.mark.parametrize(
    "address", ["/topics/zzzzzz.rss", "/", "", "/topics/secret.rss", "/status", "*", "/topics/\x01.rss"]
)
def test_render_of_something_else_is_one_line(site: Path, address: str) -> None:
    result = run(site, "render", address)
    assert (result.returncode, result.stdout) == (1, "")
    assert "no such listing" in one_line(result.stderr)
    assert "secret.rss?" not in result.stderr


# --- config


def test_config_shows_every_value_and_where_it_came_from(site: Path) -> None:
    result = run(site, "config", "--state-dir", "here", environ={"FEEDSERVER_SITE__TITLE": "Mine"})
    assert 'site.title: "Mine"  # environment FEEDSERVER_SITE__TITLE' in result.stdout
    assert 'site.base_url: "https://feeds.example"  # file feedserver.yaml line 1' in result.stdout
    assert 'state.dir: "here"  # option' in result.stdout
    assert "server.port: 8000  # default" in result.stdout
    assert one_line(run(site, "config", "--check").stdout) == "The settings are usable."


# --- State folders


@pytest.mark.parametrize(
    "arguments",
    [["others", "--adopt-state"], ["--base-url", "https://other.example", "--adopt-state"], []],
    ids=str,
)
def test_a_server_with_other_settings_on_the_same_state_folder_is_refused_by_name(
    running: Server, arguments: list[str]
) -> None:
    environ = {} if arguments else {"FEEDSERVER_SITE__TITLE": "Else"}
    result = feedserver(running.folder, "serve", "--port", str(free_port()), *arguments, environ=environ)
    assert (result.returncode, result.stdout) == (1, "")
    assert one_line(result.stderr).startswith(f"feedserver: {running.folder / '.feedserver'}: is in use by")


def test_a_server_with_the_same_settings_may_share_a_state_folder(running: Server) -> None:
    with serve(running.folder) as second:
        assert second.ask("/articles.rss").body == running.ask("/articles.rss").body


def test_a_state_folder_of_other_folders_is_refused_with_both_named(site: Path) -> None:
    assert run(site, "index").returncode == 0
    for command in (["serve", "--port", str(free_port())], ["index"]):
        result = feedserver(site, *command, "others")
        assert result.returncode == 1
        line = one_line(result.stderr)
        assert str(site / "articles") in line
        assert str(site / "others") in line
        assert "--adopt-state" in line
    adopted = run(site, "index", "others", "--adopt-state")
    assert "1 article is live" in adopted.stdout


def test_another_id_authority_is_refused_once_feeds_were_public(site: Path) -> None:
    assert run(site, "index").returncode == 0
    moved = ["index", "--base-url", "https://moved.example"]
    result = run(site, *moved)
    assert result.returncode == 1
    line = one_line(result.stderr)
    assert "feeds.example,2025" in line
    assert "moved.example,2025" in line
    assert "--adopt-state" in line
    kept = run(site, *moved, environ={"FEEDSERVER_SITE__ID_AUTHORITY": "feeds.example"})
    assert kept.returncode == 0
    assert run(site, *moved, "--adopt-state").returncode == 0


def test_trying_out_locally_binds_nobody_to_an_authority(site: Path) -> None:
    (site / "feedserver.yaml").unlink()
    assert run(site, "index").returncode == 0
    assert run(site, "index", "--base-url", "https://feeds.example").returncode == 0


@pytest.mark.parametrize(
    "arguments", [["index"], ["serve"], ["list", "topics"], ["render", "/articles.rss"]], ids=" ".join
)
def test_a_state_folder_that_is_a_file_is_one_line(site: Path, arguments: list[str]) -> None:
    (site / ".feedserver").write_text("not a folder")
    result = (feedserver if arguments == ["serve"] else run)(site, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert ".feedserver" in one_line(result.stderr)


@pytest.mark.parametrize("arguments", [["list", "topics"], ["render", "/articles.rss"]], ids=" ".join)
def test_a_broken_index_is_one_line(site: Path, arguments: list[str]) -> None:
    assert run(site, "index").returncode == 0
    (build,) = (site / ".feedserver").glob("index-*.sqlite")
    for leftover in (site / ".feedserver").glob("index-*.sqlite-*"):
        leftover.unlink()
    build.write_bytes(b"garbage" * 1000)
    result = run(site, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert one_line(result.stderr).startswith("feedserver: ")


@pytest.mark.skipif(find_spec("pymemcache") is not None, reason="the package is installed")
def test_a_missing_package_of_the_cache_is_one_line(site: Path) -> None:
    result = feedserver(site, "serve", environ={"FEEDSERVER_CACHE__URL": "memcached://127.0.0.1:11211"})
    assert result.returncode == 2
    assert "feedserver[memcached]" in one_line(result.stderr)
