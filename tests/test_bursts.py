"""Files that move, that are half written, and that come in bursts, followed by the real loop."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from builders import START, a_plan, article_text, contents, id_of, wait_for, write_article
from loops import observed, running, shown
from unprivileged import open_folder, unprivileged

from feedserver.indexing import indexer as indexers
from feedserver.indexing.indexer import Indexer
from feedserver.indexing.plan import Plan
from feedserver.model import Verdict

__all__ = ["open_folder"]

BEES = id_of("news/bees")
LONG_AGO = START - 1000.0
PUBLISHED = "2024-05-01T10:00:00+00:00"

# Deletes all articles of a folder, and creates them in another one after a while, as `git checkout` does.
MOVE = """
import sys, time
from pathlib import Path
old, new, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
texts = {path.name: path.read_bytes() for path in old.glob("*.md")}
for name in texts:
    (old / name).unlink()
time.sleep(pause)
new.mkdir(parents=True)
for name, text in texts.items():
    (new / name).write_bytes(text)
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    folder = tmp_path / "articles"
    folder.mkdir()
    return a_plan(tmp_path / "state", folder, rescan_interval=1000.0)


@pytest.fixture
def folder(plan: Plan) -> Path:
    return Path(plan.roots[0].path)


# --- Files that move


@pytest.mark.parametrize("pause", [0.0, 0.1])
def test_articles_that_are_deleted_and_created_elsewhere_are_never_missing(
    plan: Plan, folder: Path, pause: float
) -> None:
    for number in range(200):
        write_article(folder, f"_news/{number}.md", title=f"T{number}", mtime=LONG_AGO)
    new = folder / "_archive/_news"
    with running(plan), observed(plan) as states:
        wait_for(lambda: bool(states) and len(states[-1]) == 200)
        command = [sys.executable, "-c", MOVE, str(folder / "_news"), str(new), str(pause)]
        subprocess.run(command, check=True)
        wait_for(lambda: files_of(plan) == {f"_archive/_news/{number}.md" for number in range(200)})
    first = next(position for position, state in enumerate(states) if len(state) == 200)
    assert states[first:] == [states[first]]


def files_of(plan: Plan) -> set[str]:
    """The paths of the files that the index knows."""
    return {path for _, path in contents(Path(plan.state_dir)).findings}


def test_a_file_that_is_removed_and_made_again_is_never_retracted(plan: Plan, folder: Path) -> None:
    path = write_article(folder, title="T")
    with running(plan), observed(plan) as states:
        wait_for(lambda: shown(plan) == {"T"})
        # For as long as the second look at the first of these is due.
        for number in range(25):
            path.unlink()
            time.sleep(0.03)
            write_article(folder, title=f"T{number}")
            time.sleep(0.07)
        wait_for(lambda: shown(plan) == {"T24"})
    assert {len(state) for state in states if state} == {1}
    assert states.count({}) <= 1  # before the first


def test_a_file_that_is_removed_is_retracted_while_others_are_edited(plan: Plan, folder: Path) -> None:
    path = write_article(folder, title="T")
    write_article(folder, "_news/ants.md", title="Ants")
    with running(plan):
        wait_for(lambda: shown(plan) == {"T", "Ants"})
        path.unlink()
        begun, number = time.monotonic(), 0
        while len(shown(plan)) > 1:
            number += 1
            write_article(folder, "_news/ants.md", title=f"Ants {number}")
            time.sleep(0.02)
            assert time.monotonic() - begun < 10


# --- Files that are written slowly


def in_two_parts(path: Path, text: str) -> None:
    path.write_text(text[: len(text) // 2])
    time.sleep(0.05)
    with path.open("a") as file:
        file.write(text[len(text) // 2 :])


def over_a_second(path: Path, text: str) -> None:
    with path.open("w") as file:
        for start in range(0, len(text), len(text) // 4):
            file.write(text[start : start + len(text) // 4])
            file.flush()
            time.sleep(0.3)


LONG = "A word and another one.\n\n" * 400 + "The end.\n"
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody knows who writes a file")


@pytest.mark.parametrize("write", [in_two_parts, pytest.param(over_a_second, marks=linux)])
def test_a_file_is_not_shown_before_it_is_whole(
    plan: Plan, folder: Path, write: Callable[[Path, str], None]
) -> None:
    write_article(folder, "_news/ants.md", title="Ants")
    known = write_article(folder, "_news/wasps.md", title="Wasps", mtime=LONG_AGO)
    with running(plan), observed(plan) as states:
        wait_for(lambda: shown(plan) == {"Ants", "Wasps"})
        write(folder / "_news/bees.md", article_text(LONG, title="Bees", publishedDateTime=PUBLISHED))
        write(known, article_text(LONG, title="Wasps"))
        wait_for(lambda: BEES in states[-1] and "The end." in states[-1][id_of("news/wasps")].body)
    bees = {state[BEES] for state in states if BEES in state}
    assert len(bees) == 1
    assert bees.pop().updated == datetime.fromisoformat(PUBLISHED).timestamp()
    assert len({state[id_of("news/wasps")] for state in states if len(state) == 3}) == 2


def test_a_retraction_does_not_wait_for_a_program_that_keeps_its_file_open(plan: Plan, folder: Path) -> None:
    path = write_article(folder)
    with running(plan):
        wait_for(lambda: shown(plan) == {"Bees"})
        with path.open("w") as file:
            file.write(article_text(draft=True))
            file.flush()
            assert wait_for(lambda: shown(plan) == set()) < 4


def test_what_a_program_keeps_open_is_published_all_the_same(
    plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedserver.indexing.settling.OPEN_STILL_SECONDS", 0.5)
    with running(plan), (folder / "bees.md").open("w") as file:
        file.write(article_text())
        file.flush()
        wait_for(lambda: shown(plan) == {"Bees"})


def test_a_scan_does_not_publish_what_is_half_written_either(
    plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedserver.indexing.settling.OPEN_STILL_SECONDS", 3600.0)
    write_article(folder, "_news/ants.md", title="Ants", mtime=LONG_AGO)
    with closing(Indexer(plan)) as indexer:
        indexer.refresh()
        indexer.be_patient()
        with (folder / "bees.md").open("w") as file:
            file.write(article_text())
            file.flush()
            indexer.refresh()
            assert shown(plan) == {"Ants"}
        (folder / "_news/ants.md").unlink()
        indexer.refresh()
        assert "Ants" in shown(plan)
        wait_for(lambda: indexer.look_again() >= 0 and shown(plan) == {"Bees"})
        assert indexer.patience() > 0


# --- Links


def test_an_edit_of_what_a_link_leads_to_is_seen_without_a_scan(plan: Plan, folder: Path) -> None:
    write_article(folder, "_drafts/text.txt", title="First")
    (folder / "bees.md").symlink_to("_drafts/text.txt")
    with running(plan):
        wait_for(lambda: shown(plan) == {"First"})
        write_article(folder, "_drafts/text.txt", title="Second")
        wait_for(lambda: shown(plan) == {"Second"})
        (folder / "_drafts/text.txt").unlink()
        wait_for(lambda: contents(Path(plan.state_dir)).findings[0, "bees.md"][0] == Verdict.BROKEN)
        write_article(folder, "_drafts/text.txt", title="Third")
        wait_for(lambda: shown(plan) == {"Third"})
        (folder / "bees.md").unlink()
        wait_for(lambda: shown(plan) == set())


# --- Bursts


@contextmanager
def patient(plan: Plan) -> Iterator[Indexer]:
    """An indexer without a loop, which is called as the loop does."""
    with closing(Indexer(plan)) as indexer:
        indexer.refresh()
        indexer.be_patient()
        yield indexer


def test_edits_and_retractions_do_not_wait_for_a_burst(
    plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexers, "FEW_FILES", 5)
    for name in ("ants", "bees"):
        write_article(folder, f"_news/{name}.md", title=name, mtime=LONG_AGO)
    with patient(plan) as indexer:
        for number in range(50):
            write_article(folder, f"burst/{number}.md", title=f"T{number}", mtime=LONG_AGO)
        write_article(folder, "_news/ants.md", title="Edited", mtime=LONG_AGO + 1)
        write_article(folder, "_news/bees.md", published=False, mtime=LONG_AGO + 1)
        write_article(folder, "other/wasps.md", title="New elsewhere", mtime=LONG_AGO)
        indexer.look_at(0, ["burst", "_news/ants.md", "_news/bees.md", "other"])
        assert {"Edited", "New elsewhere"} <= shown(plan)
        assert "bees" not in shown(plan)
        assert indexer.has_waiting()
        assert indexer.patience() == 0


def test_a_burst_pauses_for_what_happens_meanwhile(
    plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexers, "FEW_FILES", 0)
    monkeypatch.setattr("feedserver.indexing.jobs.STEP_SECONDS", 0.0)
    monkeypatch.setattr("feedserver.indexing.storing.BATCH_FILES", 10)
    with patient(plan) as indexer:
        paths = [
            write_article(folder, f"burst/{one:02}.md", title=f"T{one}", mtime=LONG_AGO) for one in range(30)
        ]
        indexer.look_at(0, ["burst"])
        rewritten: list[int] = []

        def meanwhile() -> None:
            if not rewritten and "T5" in shown(plan):
                rewritten.extend((5, 15))
                monkeypatch.setattr(indexers, "FEW_FILES", 50)
                for number in rewritten:
                    paths[number].unlink()
                    write_article(folder, f"burst/{number:02}.md", title=f"New {number}", mtime=LONG_AGO + 1)
                indexer.look_at(0, [f"burst/{number:02}.md" for number in rewritten])
                assert {"New 5", "New 15"} <= shown(plan)
                assert "T25" not in shown(plan)

        catching_up = indexer.catch_up()
        for _ in catching_up:
            meanwhile()
        assert catching_up.result >= 27
        assert rewritten
        assert shown(plan) == {f"New {one}" if one in rewritten else f"T{one}" for one in range(30)}
        assert not indexer.has_waiting()


def test_a_file_that_moves_to_the_end_of_a_burst_is_not_retracted_before_it_is_read(
    plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexers, "FEW_FILES", 0)
    path = write_article(folder, mtime=LONG_AGO)
    with patient(plan) as indexer:
        text = path.read_text()
        path.unlink()
        indexer.look_at(0, ["_news/bees.md"])
        # From here on a file that is gone is due at once.
        monkeypatch.setattr("feedserver.indexing.settling.GONE_MOST_SECONDS", 0.0)
        moved = folder / "_archive/_news/bees.md"
        moved.parent.mkdir(parents=True)
        moved.write_text(text)
        indexer.look_at(0, ["_archive"])
        indexer.look_again()
        assert shown(plan) == {"Bees"}
        wait_for(lambda: indexer.catch_up().finish() + indexer.look_again() > 0)
        assert shown(plan) == {"Bees"}
        assert files_of(plan) == {"_archive/_news/bees.md"}


def test_another_users_files_are_followed_too(open_folder: Path) -> None:
    folder = open_folder / "articles"
    write_article(folder, title="Bees")
    plan = a_plan(open_folder / "state", folder, rescan_interval=1000.0)
    Path(plan.state_dir).chmod(0o777)
    with unprivileged(), running(plan):
        wait_for(lambda: shown(plan) == {"Bees"})
