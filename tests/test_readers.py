"""Real readers subscribe over HTTP: a reader of people, and the parser behind many programs.

newsboat and sqlite3 come from Debian (`apt-get install newsboat sqlite3`); without them its tests are
skipped. The polls are those of the programs themselves, so the server's access log is the witness.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import feedparser
import pytest
from servers import Server, serve, write_story

needs_newsboat = pytest.mark.skipif(
    shutil.which("newsboat") is None, reason="newsboat is not installed (apt-get install newsboat)"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    for number in range(3):
        write_story(tmp_path / "articles", f"story-{number}", title=f"Story & tale {number}")
    with serve(tmp_path, "--access-log", environ={"FEEDSERVER_HTTP__DELTAS": "true"}) as server:
        yield server


class Newsboat:
    """A subscriber with one feed, in a folder of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        folder.mkdir()
        (folder / "urls").write_text(f"{url}\n", encoding="utf-8")
        (folder / "config").touch()

    def reload(self) -> None:
        """Poll once."""
        names = {"-C": "config", "-u": "urls", "-c": "cache.db"}
        files = [part for flag, name in names.items() for part in (flag, str(self._folder / name))]
        subprocess.run(["newsboat", *files, "-x", "reload"], check=True, timeout=60)

    def titles(self) -> set[str]:
        """The articles that it kept."""
        with closing(sqlite3.connect(self._folder / "cache.db")) as database:
            return {row[0] for row in database.execute("select title from rss_item")}


def statuses(server: Server, path: str) -> list[int]:
    """The answers that a path was given, by the access log."""
    return [int(status) for status in re.findall(rf'"GET {re.escape(path)} [^"]*" (\d+)', server.said())]


@needs_newsboat
@pytest.mark.parametrize("fmt", ["rss", "atom"])
def test_newsboat_subscribes_and_its_third_poll_is_answered_304(
    server: Server, tmp_path: Path, fmt: str
) -> None:
    path = f"/topics/ai.{fmt}"
    newsboat = Newsboat(tmp_path / "newsboat", f"http://127.0.0.1:{server.port}{path}")
    for _ in range(3):
        newsboat.reload()

    assert newsboat.titles() == {f"Story & tale {number}" for number in range(3)}
    assert statuses(server, path) == [200, 200, 304]


@needs_newsboat
def test_newsboat_subscribes_to_selections_and_gets_exactly_what_is_new(
    server: Server, tmp_path: Path
) -> None:
    write_story(tmp_path / "articles", "robot", title="A robot", topics=["Robots"])
    paths = [
        "/articles.rss?topic=robots&q=robot",
        "/articles.atom?q=robot",
        "/articles.rss?topic=robots&limit=5",
    ]
    server.wait_for(lambda: server.ask("/topics/robots.rss").status == 200)
    readers = [
        Newsboat(tmp_path / f"newsboat-{number}", f"http://127.0.0.1:{server.port}{path}")
        for number, path in enumerate(paths)
    ]
    for reader in readers * 3:
        reader.reload()
    write_story(tmp_path / "articles", "drone", title="Another robot", topics=["Robots"])
    for path in paths:
        server.wait_for(lambda path=path: b"Another robot" in server.ask(path).body)  # type: ignore[misc]
    for path, reader in zip(paths, readers, strict=True):
        assert reader.titles() == {"A robot"}
        reader.reload()
        assert reader.titles() == {"A robot", "Another robot"}
        of_reader = [status for status in statuses(server, path) if status != 404]
        assert of_reader[0] == 200
        assert 304 in of_reader


@needs_newsboat
def test_newsboat_merges_a_delta_with_what_it_has(server: Server, tmp_path: Path) -> None:
    path = "/topics/ai.rss"
    newsboat = Newsboat(tmp_path / "newsboat", f"http://127.0.0.1:{server.port}{path}")
    for _ in range(3):
        newsboat.reload()
    write_story(tmp_path / "articles", "story-3", title="Story & tale 3", date="2024-05-02T10:00:00Z")
    server.wait_for(lambda: b"tale 3" in server.ask(path).body)
    newsboat.reload()
    newsboat.reload()

    assert newsboat.titles() == {f"Story & tale {number}" for number in range(4)}
    assert statuses(server, path)[-2:] == [226, 304]


@pytest.mark.parametrize("fmt", ["rss", "atom"])
def test_feedparser_is_told_304_by_either_validator_and_226_for_news(
    server: Server, tmp_path: Path, fmt: str
) -> None:
    path = f"/topics/ai.{fmt}"
    url = f"http://127.0.0.1:{server.port}{path}"
    server.wait_for(lambda: bool(server.ask(path)["Last-Modified"]))
    first = feedparser.parse(url)

    assert [entry.title for entry in first.entries] == [f"Story & tale {number}" for number in (2, 1, 0)]
    assert feedparser.parse(url, etag=first.etag).status == 304
    assert feedparser.parse(url, modified=first.modified).status == 304

    write_story(tmp_path / "articles", "story-3", title="Story & tale 3", date="2024-05-02T10:00:00Z")
    server.wait_for(lambda: b"tale 3" in server.ask(path).body)
    news = feedparser.parse(url, etag=first.etag)

    assert (news.status, [entry.title for entry in news.entries]) == (226, ["Story & tale 3"])
