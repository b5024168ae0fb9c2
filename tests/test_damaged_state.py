"""State that is damaged while servers run heals by itself, and feeds go on being served."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders import damage_fact
from servers import Server, serve, write_story

from feedserver.index.sqlite import builds

LONG = "Some text of the body. " * 40


def state_of(server: Server) -> Path:
    return server.folder / ".feedserver"


def build_of(server: Server) -> Path:
    build = builds.serving_build(state_of(server))
    assert build is not None
    return build


def cut(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))


def flip(path: Path) -> None:
    """Turn every byte of the middle half over, as a disk that fails may."""
    content = path.read_bytes()
    quarter = len(content) // 4
    with path.open("r+b") as file:
        file.seek(quarter)
        file.write(bytes(byte ^ 0xFF for byte in content[quarter : 3 * quarter]))


def remove_with_log(path: Path) -> None:
    for one in path.parent.glob(f"{path.name}*"):
        one.unlink()


DAMAGE: dict[str, Callable[[Server], object]] = {
    "pointer not UTF-8": lambda server: (state_of(server) / "current").write_bytes(b"\xff\xfe\x00"),
    "pointer empty": lambda server: (state_of(server) / "current").write_bytes(b""),
    "pointer of nothing": lambda server: (state_of(server) / "current").write_bytes(b"../../etc/passwd\n"),
    "pointer removed": lambda server: (state_of(server) / "current").unlink(),
    "index cut to half": lambda server: cut(build_of(server), 0.5),
    "index cut to nothing": lambda server: cut(build_of(server), 0),
    "index flipped": lambda server: flip(build_of(server)),
    "fact of the index damaged": lambda server: damage_fact(build_of(server), "sequence"),
    "index removed": lambda server: remove_with_log(build_of(server)),
    "history cut to nothing": lambda server: cut(state_of(server) / builds.HISTORY_FILE, 0),
    "history cut to half": lambda server: cut(state_of(server) / builds.HISTORY_FILE, 0.5),
    "history flipped": lambda server: flip(state_of(server) / builds.HISTORY_FILE),
    "fact of the history damaged": lambda server: damage_fact(
        state_of(server) / builds.HISTORY_FILE, "dates_since"
    ),
    "history removed": lambda server: remove_with_log(state_of(server) / builds.HISTORY_FILE),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that meets one kind of damage after the other."""
    folder = tmp_path_factory.mktemp("damaged")
    for number in range(60):
        write_story(folder / "articles", f"n{number:02}", topics=["AI", f"Topic {number}"], body=LONG)
    with serve(folder, "articles", "--base-url", "http://127.0.0.1") as server:
        yield server


def edit(server: Server, title: str) -> None:
    write_story(server.folder / "articles", "edited", topics=["AI", "Edited"], title=title, body=LONG)


def is_served(server: Server, title: str) -> bool:
    return all(title.encode() in server.ask("/topics/edited.rss").body for _ in range(6))


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_heals_by_itself_and_costs_few_lines_of_the_log(server: Server, damage: str) -> None:
    edit(server, f"Before: {damage}")
    server.wait_for(lambda: is_served(server, f"Before: {damage}"), patience=60)
    server.ask("/articles.rss")
    before = len(server.said())
    statuses: set[int] = set()

    DAMAGE[damage](server)
    number = 0

    def has_healed() -> bool:
        nonlocal number
        number += 1
        for path in ("/topics/edited.rss", "/articles.rss", f"/topics/topic-{number % 60}.atom", "/readyz"):
            statuses.add(server.ask(path).status)
        return is_served(server, f"After: {damage}")

    edit(server, f"After: {damage}")
    server.wait_for(has_healed, patience=60)

    said = server.said()[before:]
    assert statuses <= {200, 503}, said
    assert server.ask("/topics/topic-7.json").status == 200
    assert server.ask("/readyz").status == 200
    # One event for each process at most, and not one for each request.
    assert said.count("Traceback (most recent call last)") <= 6, said
    assert len(re.findall(r"^\[", said, re.MULTILINE)) <= 30, said
