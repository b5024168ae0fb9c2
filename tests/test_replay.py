"""The replay of a history: that it sees each kind of fault, and that a small history of our own has none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from independent_reading import Read, Told, read_folder
from replay import (
    IDS,
    MISSED,
    MISSING,
    SPURIOUS,
    TORN,
    Served,
    State,
    add_moves,
    commits_of,
    faults,
    git,
    replay,
    work_tree,
)

BEES = Told("Bees", "2024-05-01")


def an_item(title: str = "Bees", **changes: Any) -> dict[str, Any]:
    return {
        "id": "tag:bees", "title": title, "date_published": "2024-05-01T10:00:00Z",
        "date_modified": "2024-05-01T10:00:00Z", "content_html": "<p>Text.</p>", **changes,
    }  # fmt: skip


def a_state(*items: dict[str, Any], raw: bytes = b"---", words: tuple[str, ...] = ("Text",)) -> State:
    files = {Told(one["title"], one["date_published"][:10]): [Read("bees.md", raw, words)] for one in items}
    return State(files, served(*items))


def served(*items: dict[str, Any]) -> Served:
    return Served.of(json.dumps({"items": items}).encode())


def test_a_history_without_faults_has_none() -> None:
    before, after = a_state(an_item()), a_state(an_item(), an_item("Ants", id="tag:ants"))
    assert faults(before, after, [before.served, after.served]).total() == 0


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        (a_state(an_item(date_modified="2024-06-01T10:00:00Z")), SPURIOUS),
        (a_state(an_item(), raw=b"+++", words=("Another", "text")), MISSED),
        (a_state(an_item(id="tag:wasps")), IDS),
    ],
)
def test_what_is_served_at_last_is_judged(after: State, fault: str) -> None:
    assert +faults(a_state(an_item()), after, []) == {fault: 1}


@pytest.mark.parametrize(
    ("polled", "fault"),
    [
        (served(an_item(content_html="<p>Te")), TORN),
        (served(an_item("Be"), an_item(id="tag:other")), TORN),
        (served(), MISSING),
    ],
)
def test_what_is_served_on_the_way_is_judged(polled: Served, fault: str) -> None:
    state = a_state(an_item())
    assert +faults(state, state, [state.served, polled, state.served]) == {fault: 1}


def test_the_independent_reading_knows_what_is_an_article(tmp_path: Path) -> None:
    texts = {
        "2024-05-01-bees.md": '---\ntitle: "Bees"\n---\nText.\n',
        "ants.md": '+++\ntitle = "Ants"\ndate = 2024-05-01\n+++\nText <!-- not this --> here.\n',
        "late.md": "---\ntitle: Late\ndate: 2024-05-01 23:30:00 -0500\n---\n",
        "future.md": "---\ntitle: Later\ndate: 2999-01-01\n---\n",
        "draft.md": "---\ntitle: Draft\ndate: 2024-05-01\ndraft: true\n---\n",
        "undated.md": "---\ntitle: Undated\n---\n",
        "broken.md": "---\ntitle: [\n---\n",
        "plain.md": "Text.\n",
        "README.md": "---\ntitle: Read me\ndate: 2024-05-01\n---\n",
        ".git/x.md": "---\ntitle: Inside\ndate: 2024-05-01\n---\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = read_folder(tmp_path)
    assert set(found) == {BEES, Told("Ants", "2024-05-01"), Told("Late", "2024-05-02")}
    assert found[Told("Ants", "2024-05-01")][0].words == ("Text", "here")


# --- A history of our own


def write(folder: Path, name: str, title: str, text: str = "Text.", **fields: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{key}: {value}\n" for key, value in {"date": "2024-05-01", **fields}.items())
    path.write_text(f"---\ntitle: {title}\n{lines}---\n{text}\n", encoding="utf-8")


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def make_history(folder: Path) -> None:
    """A repository in which articles are added, edited, hidden, deleted, moved and rewritten."""
    folder.mkdir()
    git(folder, "init", "-q")
    for number in range(60):
        write(folder, f"_news/{number}.md", f"Story {number}", f"Text of {number}. " * 200)
    commit(folder, "Add articles")
    for number in range(0, 60, 7):
        write(folder, f"_news/{number}.md", f"Story {number}", "Other text. " * 300)
    write(folder, "_news/new.md", "A new story")
    commit(folder, "Edit some and add one")
    write(folder, "_news/5.md", "Story 5", draft="true")
    (folder / "_news/6.md").unlink()
    commit(folder, "Retract two")
    (folder / "_archive").mkdir()
    shutil.move(folder / "_news", folder / "_archive/_news")
    commit(folder, "Move all, and keep their ids")
    shutil.move(folder / "_archive/_news", folder / "stories")
    write(folder, "stories/8.md", "Story 8", "Rewritten while it moves. " * 50)
    commit(folder, "Move all, and change their ids")
    for number in range(20, 40):
        path = folder / f"stories/{number}.md"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    commit(folder, "Change what nobody can see")


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_small_history_is_replayed_without_a_fault(tmp_path: Path) -> None:
    repository, base = tmp_path / "repository", tmp_path / "base"
    make_history(repository)
    base.mkdir()
    folder = work_tree(repository, base)
    commits = commits_of(folder)
    assert len(commits) == 6
    report = replay(folder, [*commits, *add_moves(folder, commits[-1], 2)], base)
    assert report.lines == []
    assert (report.commits, report.counts.total()) == (8, 0)
    assert report.documents > 8
