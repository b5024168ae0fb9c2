"""A disk that is full, by a file system of its own: nothing that is served or exported is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import wait_for
from servers import Server, feedserver, serve, started, write_story
from test_export import files


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_story(tmp_path / "articles", "_news/one", title="First")
    (tmp_path / "feedserver.yaml").write_text(
        "articles: [articles]\nsite: {base_url: http://feeds.example}\n"
    )
    return tmp_path


def fill(disk: Path) -> Path:
    """Leave no room at all."""
    filling = disk / "filling"
    with filling.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return filling


def titles(server: Server, path: str = "/articles.json") -> str:
    answer = server.ask(path)
    assert answer.status == 200
    return answer.body.decode()


def test_a_full_disk_costs_news_only_until_there_is_room(site: Path, disk: Path) -> None:
    with serve(site, "--state-dir", str(disk / "state")) as server:
        before = server.ask("/articles.atom")
        filling = fill(disk)
        write_story(site / "articles", "_news/one", title="Second")
        wait_for(lambda: b"cannot be written" in server.log.read_bytes())
        assert "First" in titles(server)
        assert server.ask("/articles.rss").status == 200  # never asked for before
        assert server.ask("/articles.atom", {"If-None-Match": before["ETag"]}).status == 304
        filling.unlink()
        wait_for(lambda: "Second" in titles(server), 60)
        assert "Second" in titles(server, "/articles.atom")
        assert "Traceback" not in server.log.read_text()


def test_a_first_index_that_finds_no_room_is_one_clear_sentence(site: Path, disk: Path) -> None:
    (disk / "state").mkdir()
    fill(disk)
    result = feedserver(site, "index", "--state-dir", str(disk / "state"))
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert "full" in line or "No space left" in line, line


def test_an_export_under_watch_says_so_once_and_goes_on_when_there_is_room(site: Path, disk: Path) -> None:
    command = [sys.executable, "-m", "feedserver", "export", str(disk / "out"), "--watch"]
    feed = disk / "out/articles.json"
    with started(command, 0, site) as watch:
        watch.wait_for(lambda: feed.exists() and "First" in feed.read_text())
        watch.wait_for(lambda: "0 removed" in watch.said())
        filling = fill(disk)
        write_story(site / "articles", "_news/one", title="Second")
        watch.wait_for(lambda: "[ERROR]" in watch.said())
        assert "First" in feed.read_text()
        write_story(site / "articles", "_news/one", title="Third")
        filling.unlink()
        watch.wait_for(lambda: "Third" in feed.read_text(), 60)
        # To its end: a stop would leave the rest to the next one.
        assert feedserver(site, "export", "fresh").returncode == 0
        watch.wait_for(lambda: files(disk / "out") == files(site / "fresh"))
        assert watch.stop() == 0
    [line] = [line for line in watch.said().splitlines() if "[ERROR]" in line]
    assert "No space left on device" in line or "full" in line
    assert "Traceback" not in watch.said()
    assert "0 written, 0 removed" in feedserver(site, "export", str(disk / "out")).stdout
