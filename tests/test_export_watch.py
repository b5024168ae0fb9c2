"""The exported site under watch: it follows the articles, whoever indexes, until it is told to stop."""

from __future__ import annotations

import contextlib
import gc
import re
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders import write_file
from servers import BASE_URL, Server, feedserver, index, serve, settings_of, started, write_story
from test_export import LONG, damage, files

from feedserver.export import run, watch
from feedserver.export.site import ExportSite, Scope, Unit
from feedserver.export.target import OWN, Made
from feedserver.export.watch import ExportWatch
from feedserver.index.sqlite import builds
from feedserver.settings.sources import Settings
from feedserver.wiring.exporting import make_export_plan

SETTINGS = f"site: {{base_url: '{BASE_URL}', title: Example}}\nserver: {{workers: 1}}\n"
EXPORTED = r"export: \d+ documents in [\d.]+ s: \d+ written, \d+ removed\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder to start commands in: settings, and three articles."""
    (tmp_path / "feedserver.yaml").write_text(SETTINGS, encoding="utf-8")
    articles = tmp_path / "articles"
    write_story(articles, "_news/one", title="First", topics=["AI", "C++"], body=LONG)
    write_story(articles, "_news/two", title="Second", date="2024-03-02T10:00:00Z", body=LONG)
    write_story(
        articles, "_news/three", title="Third", topics=["Bees"], provider=("Herald", "herald.example")
    )
    return tmp_path


@contextlib.contextmanager
def watching(site: Path, out: str = "out", **environ: str) -> Iterator[Server]:
    """`feedserver export --watch`, with a log of its own."""
    folder = site / "watch"
    folder.mkdir(exist_ok=True)
    command = [
        *(sys.executable, "-m", "feedserver", "export", str(site / out), str(site / "articles"), "--watch"),
        *("--config", str(site / "feedserver.yaml"), "--state-dir", str(site / ".feedserver")),
    ]
    with started(command, 0, folder, environ) as process:
        yield process


def the_settings(site: Path) -> Settings:
    """The settings that the commands have, for this process."""
    return settings_of(site / ".feedserver", site / "articles")


def plain(site: Path) -> dict[str, bytes]:
    """The files that an export to a new folder writes now."""
    fresh = site / f"fresh-{time.monotonic_ns()}"
    run.export(make_export_plan(the_settings(site), Scope()), fresh)
    return files(fresh)


def shows(site: Path, text: str, document: str = "articles.json") -> Callable[[], bool]:
    """Whether a document on disk holds a text."""
    path = site / "out" / document
    return lambda: path.exists() and text in path.read_text(encoding="utf-8")


def wait_until_equal(process: Server, site: Path) -> None:
    """Wait until the folder is what an export writes now."""
    expected = plain(site)
    process.wait_for(lambda: files(site / "out") == expected)


# --- What changes ---------------------------------------------------------------------------------


def test_the_files_follow_the_articles(site: Path) -> None:
    articles = site / "articles"
    with watching(site) as process:
        process.wait_for(shows(site, "First"))
        wait_until_equal(process, site)

        write_story(articles, "_news/one", title="First, again", topics=["AI", "C++"], body=LONG)
        process.wait_for(shows(site, "First, again"))
        wait_until_equal(process, site)
        assert {"articles.rss.gz", "topics/ai.atom.br"} <= files(site / "out").keys()

        write_story(articles, "_news/new", title="New", topics=["Wasps"])
        process.wait_for(shows(site, "New", "topics/wasps.rss"))
        (articles / "_news/one.md").unlink()
        process.wait_for(lambda: not shows(site, "First")())
        wait_until_equal(process, site)
        assert not list((site / "out").glob("topics/c-plus-plus/2024-05*"))
    assert len(re.findall(EXPORTED, process.said())) >= 4


def test_an_article_appears_when_its_time_comes(site: Path) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=6)
    write_story(site / "articles", "_news/later", title="Not yet", date=f"{moment:%Y-%m-%dT%H:%M:%SZ}")
    with watching(site) as process:
        process.wait_for(shows(site, "First"))
        if datetime.now(UTC) < moment - timedelta(seconds=1):  # else the machine was too slow to see it
            assert not any(b"Not yet" in content for content in files(site / "out").values())
        process.wait_for(shows(site, "Not yet"))
        wait_until_equal(process, site)


def test_what_is_committed_during_an_export_is_in_the_next_one(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, documents = the_settings(site), ExportSite.documents
    index(settings)
    changes = ["Meanwhile", "Once more"]

    def changing(one: ExportSite, *arguments: Any) -> Iterator[Any]:
        if changes:
            write_story(site / "articles", "_news/one", title=changes.pop(), topics=["AI"], body=LONG)
            index(settings)
        yield from documents(one, *arguments)

    monkeypatch.setattr(ExportSite, "documents", changing)
    deadline = time.monotonic() + 20

    def is_stopped() -> bool:
        is_done = shows(site, "Meanwhile")() and shows(site, "Meanwhile", "topics/ai.rss")()
        return is_done or time.monotonic() > deadline

    with ExportWatch(make_export_plan(settings, Scope()), site / "out", is_stopped) as one:
        one.run()

    assert time.monotonic() < deadline


def test_each_export_gives_its_connections_back(site: Path) -> None:
    settings, opened = the_settings(site), []
    gc.disable()  # which would hide what is forgotten
    try:
        for number in range(3):
            write_story(site / "articles", "_news/one", title=f"Number {number}", body=LONG)
            index(settings)
            run.export(make_export_plan(settings, Scope()), site / "out")
            opened.append(len(list(Path("/proc/self/fd").iterdir())))
    finally:
        gc.enable()

    assert len(set(opened)) == 1


# --- Who indexes ------------------------------------------------------------------------------------


def test_it_follows_the_indexer_of_a_server_and_takes_over_when_that_ends(site: Path) -> None:
    with serve(site) as server, watching(site) as process:
        process.wait_for(shows(site, "First"))
        write_story(site / "articles", "_news/new", title="New", topics=["Wasps"])
        process.wait_for(shows(site, "New", "topics/wasps.json"))
        assert (site / "out/topics/wasps.json").read_bytes() == server.ask("/topics/wasps.json").body
        assert "indexer:" not in process.said()

        server.stop()
        write_story(site / "articles", "_news/newer", title="Newer", topics=["Ants"])
        process.wait_for(shows(site, "Newer", "topics/ants.json"))
        wait_until_equal(process, site)
        assert "indexer:" in process.said()


def test_a_folder_under_watch_is_refused_to_others(site: Path) -> None:
    with watching(site) as process:
        process.wait_for(shows(site, "First"))
        for options in ([], ["--watch"]):
            other = feedserver(site, "export", "out", *options)
            assert other.returncode == 1
            assert re.fullmatch(r"feedserver: out: another export is writing to it\n", other.stderr)
        elsewhere = feedserver(site, "export", "elsewhere")
        assert (elsewhere.returncode, elsewhere.stderr) == (0, "")
        assert files(site / "elsewhere") == files(site / "out")


def test_an_indexer_with_other_settings_is_named(site: Path) -> None:
    command = [sys.executable, "-m", "feedserver", "index", "--watch"]
    with started(command, 0, site, {"FEEDSERVER_SCAN__MAX_FILE_SIZE": "5000"}) as indexer:
        indexer.wait_for(lambda: builds.serving_build(site / ".feedserver") is not None)
        done = feedserver(site, "export", "out", "--watch")
    assert done.returncode == 1
    assert f"is in use by process {indexer.process.pid}" in done.stderr


# --- How it ends ------------------------------------------------------------------------------------


def many_topics(site: Path) -> None:
    """Articles whose export takes a while."""
    for number in range(100):
        write_story(site / "articles", f"_news/{number}", topics=[f"Topic {number}"], body=LONG)


def is_under_way(site: Path) -> Callable[[], bool]:
    """Whether some of many topics are exported."""
    return lambda: len(list((site / "out/topics").glob("topic-*.rss"))) > 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_told_to_and_leaves_nothing_to_repair(site: Path, number: signal.Signals) -> None:
    with watching(site) as process:
        process.wait_for(shows(site, "First"))
        process.wait_for(lambda: re.search(EXPORTED, process.said()) is not None)
        assert process.stop(number, group=number == signal.SIGINT) == 0
        assert process.family() == set()
    assert "Traceback" not in process.said()
    assert list((site / "out" / OWN / "incoming").iterdir()) == []
    expected = files(site / "out")
    done = feedserver(site, "export", "out")
    assert re.fullmatch(r"\d+ documents in [\d.]+ s: 0 written, 0 removed\n", done.stdout)
    assert files(site / "out") == expected


def test_it_stops_in_the_middle_of_an_export_and_nothing_is_written_twice(site: Path) -> None:
    many_topics(site)
    with watching(site) as process:
        process.wait_for(is_under_way(site))
        assert process.stop() == 0
    assert list((site / "out" / OWN / "incoming").iterdir()) == []
    written = {name: (site / "out" / name).stat().st_ino for name in files(site / "out")}

    run.export(make_export_plan(the_settings(site), Scope()), site / "out")

    assert files(site / "out") == plain(site)
    assert {name: (site / "out" / name).stat().st_ino for name in written} == written


def test_what_a_sudden_death_left_is_repaired_by_the_next_one(site: Path) -> None:
    many_topics(site)
    with watching(site) as process:
        process.wait_for(is_under_way(site))
        process.stop(signal.SIGKILL)
    # An export that had begun may be overtaken by the next one.
    (site / "articles/_news/50.md").unlink()
    assert feedserver(site, "index", "articles").returncode == 0
    with watching(site) as process:
        wait_until_equal(process, site)
        assert not list((site / "out/topics").glob("topic-50/*.rss"))
        # An indexer that lost its parent ends, and the lock is free for the next one.
        write_story(site / "articles", "_news/new", title="New", topics=["Wasps"])
        process.wait_for(shows(site, "New", "topics/wasps.rss"))


# --- What goes wrong --------------------------------------------------------------------------------


def test_a_damaged_row_costs_a_plain_export_only_what_holds_it(site: Path) -> None:
    # Late enough for no file to be so young that the next scan reads it once more.
    index(the_settings(site), lambda: time.time() + 10)
    damage(site / ".feedserver", "Third")

    done = feedserver(site, "export", "plain")

    assert done.returncode == 1
    assert re.fullmatch(
        # The index was made by a clock that was ahead, which is said as well.
        r"(?:the clock was set back .*\n)?"
        r"feedserver: plain: /\S+ cannot be written: the index is damaged: .* \(\d+ more like this\)\n",
        done.stderr,
    )
    assert (site / "plain/topics/ai.rss").exists()


def test_a_damaged_row_that_an_export_met_is_made_again_and_exported(site: Path) -> None:
    index(the_settings(site), lambda: time.time() + 10)
    damage(site / ".feedserver", "Third")

    with watching(site) as process:
        process.wait_for(shows(site, "First", "topics/ai.json"))
        process.wait_for(shows(site, "Third", "topics/bees.json"))
        assert "DecodeError" in process.said()
        assert process.said().count("/topics/bees cannot be written: ") == 1
        wait_until_equal(process, site)


def test_what_cannot_be_made_is_said_once_and_costs_only_itself(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = the_settings(site)
    index(settings)
    documents = ExportSite.documents

    def failing(one: ExportSite, unit: Unit, known: Collection[str]) -> Iterator[Made | str]:
        if unit.name == "/topics/bees":
            raise ValueError("nothing can be made of it")
        yield from documents(one, unit, known)

    def mend() -> None:
        monkeypatch.setattr(ExportSite, "documents", documents)

    monkeypatch.setattr(ExportSite, "documents", failing)
    monkeypatch.setattr(watch, "FIRST_RETRY_SECONDS", 0.05)
    deadline = time.monotonic() + 20
    steps: list[
        tuple[Callable[[], bool], Callable[[], None]]
    ] = [  # what the folder shows before the next thing happens
        (shows(site, "First", "topics/ai.json"), partial(change, site, settings)),
        (shows(site, "Changed", "topics/ai.json"), mend),
        (shows(site, "Third", "topics/bees.json"), lambda: None),
    ]

    def is_done() -> bool:
        if steps and steps[0][0]():
            assert len(steps) == 1 or not (site / "out/topics/bees.json").exists()
            steps.pop(0)[1]()
        return not steps or time.monotonic() > deadline

    with ExportWatch(make_export_plan(settings, Scope()), site / "out", is_done) as one:
        one.run()

    assert not steps
    [said] = [text for text in caplog.messages if "cannot be written" in text]
    assert said.startswith("/topics/bees cannot be written: ValueError: nothing can be made of it\nTraceback")


def change(site: Path, settings: Settings) -> None:
    """Another title for the first article, and an index that has it."""
    write_story(site / "articles", "_news/one", title="Changed", topics=["AI"], body=LONG)
    index(settings)


def test_what_nobody_expects_is_said_once_and_tried_again(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index(the_settings(site))
    units, failures = ExportSite.units, [1, 2]

    def failing(one: ExportSite) -> list[Unit]:
        if failures:
            failures.pop()
            raise ValueError("a damaged row")
        return units(one)

    monkeypatch.setattr(ExportSite, "units", failing)
    monkeypatch.setattr(watch, "FIRST_RETRY_SECONDS", 0.05)
    deadline = time.monotonic() + 20
    plan = make_export_plan(the_settings(site), Scope())

    with ExportWatch(
        plan, site / "out", lambda: shows(site, "First")() or time.monotonic() > deadline
    ) as one:
        one.run()

    assert time.monotonic() < deadline
    [said] = caplog.messages
    assert said.startswith("ValueError: a damaged row\nTraceback")


def test_a_file_that_is_in_the_way_is_named_and_written_when_it_is_gone(site: Path) -> None:
    with watching(site) as process:
        process.wait_for(shows(site, "First"))
        obstacle = site / "out/topics/wasps.rss"
        obstacle.write_text("mine", encoding="utf-8")
        write_story(site / "articles", "_news/new", title="New", topics=["Wasps"])
        process.wait_for(lambda: "topics/wasps.rss: is in the way" in process.said())
        process.wait_for(shows(site, "New"))
        assert obstacle.read_text(encoding="utf-8") == "mine"

        obstacle.unlink()
        process.wait_for(shows(site, "New", "topics/wasps.rss"))
        wait_until_equal(process, site)
    assert process.said().count("is in the way") == 1


def test_a_folder_that_is_removed_is_written_again(site: Path) -> None:
    with watching(site) as process:
        process.wait_for(shows(site, "First"))
        process.wait_for(lambda: re.search(EXPORTED, process.said()) is not None)
        (site / "out").rename(site / "moved")
        write_story(site / "articles", "_news/new", title="New", topics=["Wasps"])
        process.wait_for(shows(site, "New", "topics/wasps.rss"))
        wait_until_equal(process, site)
        assert "Traceback" not in process.said()


def test_an_export_that_replaces_the_folder_is_brought_up_to_date_whole(site: Path) -> None:
    with watching(site) as process:
        process.wait_for(shows(site, "First"))
        process.wait_for(lambda: re.search(EXPORTED, process.said()) is not None)
        (site / "out").rename(site / "moved")
        # A copy that was made before, say: it lacks what did not change since.
        assert feedserver(site, "export", "out", "--only", "rss").returncode == 0
        write_story(site / "articles", "_news/new", title="New", topics=["Wasps"])
        process.wait_for(shows(site, "New"))
        wait_until_equal(process, site)
        assert (site / "out/topics/bees.json").exists()
        other = feedserver(site, "export", "out")
        assert "another export is writing to it" in other.stderr
    assert "[ERROR]" not in process.said()


def test_a_process_that_is_killed_is_named_and_the_export_tried_again(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index(the_settings(site))
    deadline = time.monotonic() + 20
    failures = [BrokenProcessPool("a process was terminated abruptly")]

    def failing(*arguments: Any, **options: Any) -> run.ExportSummary:
        if failures:
            raise failures.pop()
        return run.bring_up_to_date(*arguments, **options)

    monkeypatch.setattr(watch, "bring_up_to_date", failing)
    plan = make_export_plan(the_settings(site), Scope())

    with ExportWatch(
        plan, site / "out", lambda: shows(site, "First", "topics/ai.rss")() or time.monotonic() > deadline
    ) as one:
        one.run()

    assert time.monotonic() < deadline
    [said] = caplog.messages
    assert re.fullmatch(rf"{site}/out: a process of the export died \(it was killed.*\)", said)


def test_news_do_not_put_off_what_failed(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index(the_settings(site))
    write_file(site / "out", f"{OWN}/incoming/none.paths", "")
    write_file(site / "out", "topics/ai.rss", "mine")
    monkeypatch.setattr(watch, "FIRST_RETRY_SECONDS", 1.0)
    monkeypatch.setattr(watch, "LONGEST_RETRY_SECONDS", 10_000.0)
    caplog.set_level("INFO")
    titles, obstacle = [f"Number {number}" for number in range(6)], site / "out/topics/ai.rss"
    deadline = time.monotonic() + 30

    def is_stopped() -> bool:
        exported = len(re.findall("documents in", caplog.text))
        if titles and exported >= 7 - len(titles):
            write_story(site / "articles", "_news/two", title=titles.pop(), body=LONG)
            index(the_settings(site))
        elif not titles and exported >= 7 and obstacle.exists() and obstacle.read_text() == "mine":
            obstacle.unlink()
        is_mended = exported >= 7 and obstacle.exists() and obstacle.read_text() != "mine"
        return is_mended or time.monotonic() > deadline

    with ExportWatch(make_export_plan(the_settings(site), Scope()), site / "out", is_stopped) as one:
        one.run()

    assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--watch"], 2, "Missing argument 'DIR'"),
        (["articles/public", "--watch"], 1, "lies in the folder of articles"),
        (["feedserver.yaml/out", "--watch"], 1, "feedserver.yaml/out"),
        (["articles/..", "--watch"], 1, "holds something else than an export"),
    ],
)
def test_what_cannot_be_watched_is_said_at_once(
    site: Path, arguments: list[str], status: int, message: str
) -> None:
    done = feedserver(site, "export", *arguments)

    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr
