"""A file at which reading fails, or ends its process, costs itself: in a pool and alone, in every command."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from builders import a_plan, wait_for, write_article
from hostile_files import DEADLY, FAILING, harmful_environment, write_harmful
from servers import REPOSITORY, alive, descendants, feedserver, serve

from feedserver.findings import Severity
from feedserver.indexing import reader_pool, reader_values, reading_queue, readings
from feedserver.indexing.plan import Plan
from feedserver.indexing.reader_pool import (
    Reader,
    ReaderDiedError,
    ReaderPool,
    close_process_pool,
    process_pool,
)
from feedserver.indexing.reader_values import Bounds, FileReading, Wanted
from feedserver.indexing.reading_queue import ReadingQueue
from feedserver.indexing.scanner import Scan, ScanRules
from feedserver.model import Verdict

GOOD = 25


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of good articles, where those of `write_harmful` do harm; the bounds are small."""
    for name, value in harmful_environment(tmp_path / "customize").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(reader_values, "CPU_SECONDS", 0.3)
    monkeypatch.setattr(reader_values, "CPU_SECONDS_AGAIN", 0.6)
    monkeypatch.setattr(reader_values, "MEMORY_BYTES", 200_000_000)
    monkeypatch.setattr(reader_pool, "PATIENCE", 10)  # a loaded machine gives little CPU
    for number in range(GOOD):
        write_article(tmp_path / "articles", f"m{number:02}.md", title=f"Good {number}")
    close_process_pool()  # one that was started elsewhere does no harm
    yield tmp_path / "articles"
    close_process_pool()


@pytest.fixture
def plan(folder: Path, tmp_path: Path) -> Plan:
    return a_plan(tmp_path / "state", folder)


def read(plan: Plan) -> dict[str, FileReading | None]:
    """The readings of all files, by their paths."""
    rules = ScanRules.of(plan.extensions, plan.skip, plan.max_file_size)
    with closing(ReadingQueue(plan)) as queue:
        for found in Scan(Path(plan.roots[0].path), rules).walk():
            queue.put(Wanted.of(0, found))
        return {wanted.path: reading for wanted, reading in filter(None, queue.readings())}


@pytest.fixture(params=["alone", "pool"])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The readers: one process for few files, or a pool for many."""
    if request.param == "pool":
        use_pool(monkeypatch)


def use_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_queue, "LEAST_FOR_POOL", 1)
    monkeypatch.setattr(reading_queue, "cores", lambda: 2)
    monkeypatch.setattr(reading_queue, "PIECE_FILES", 8)


def assert_good_ones_are_read(found: dict[str, FileReading | None]) -> None:
    good = [one for path, one in found.items() if path.startswith("m")]
    assert len(good) == GOOD
    assert all(one is not None and one.content.verdict is Verdict.ARTICLE for one in good)


@pytest.mark.parametrize("harm", DEADLY)
def test_a_file_that_ends_its_reader_twice_is_set_aside_and_the_others_are_read(
    plan: Plan, folder: Path, harm: str, processes: None, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_harmful(folder, harm)
    found = read(plan)
    reading = found[path.name]

    assert_good_ones_are_read(found)
    assert reading is not None
    assert reading.content.verdict is Verdict.BROKEN
    [finding] = reading.content.findings
    assert (finding.severity, finding.code) == (Severity.ERROR, "set-aside")
    assert DEADLY[harm] in finding.message
    # A scan compares this stamp: the file is not read until it changes.
    assert (reading.is_found, reading.stamp.inode) == (True, path.stat().st_ino)
    told = [record.message for record in caplog.records if path.name in record.message]
    assert ["once more" in one for one in told] == [True, False]
    assert DEADLY[harm] in told[-1]


@pytest.mark.parametrize("harm", FAILING)
def test_whatever_is_raised_while_a_file_is_read_is_a_finding_of_it(
    plan: Plan, folder: Path, harm: str, processes: None, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_harmful(folder, harm)
    found = read(plan)
    reading = found[path.name]

    assert_good_ones_are_read(found)
    assert reading is not None
    assert reading.content.verdict is Verdict.BROKEN
    [finding] = reading.content.findings
    assert (finding.severity, finding.code) == (Severity.ERROR, "internal-error")
    assert FAILING[harm] in finding.message
    assert "secret" not in finding.message
    read(plan)  # as after a moment, because it was just written
    [told] = [record.message for record in caplog.records if path.name in record.message]
    assert "Traceback" in told
    assert FAILING[harm] in told


@pytest.mark.parametrize("harm", ["FAIL", "KILL"])
def test_a_file_that_cannot_be_read_is_hidden_where_a_line_hides_it(
    plan: Plan, folder: Path, harm: str, processes: None
) -> None:
    write_article(folder, "hidden.md", title="A secret", draft=True, body=harm)
    reading = read(plan)["hidden.md"]
    assert reading is not None
    assert reading.content.verdict is Verdict.HIDDEN
    assert [finding.code for finding in reading.content.findings] == [
        "internal-error" if harm == "FAIL" else "set-aside"
    ]


def test_many_files_that_end_their_readers_cost_themselves(
    plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        for harm in ("KILL", "EXIT", "FAIL"):
            write_harmful(folder, harm, f"{harm}-{number}.md")
    use_pool(monkeypatch)
    found = read(plan)

    assert_good_ones_are_read(found)
    codes = [
        finding.code.value for one in found.values() if one is not None for finding in one.content.findings
    ]
    assert (codes.count("set-aside"), codes.count("internal-error")) == (10, 5)


def test_one_death_alone_costs_no_file(plan: Plan, caplog: pytest.LogCaptureFixture) -> None:
    """The system may end any process, and not for what it reads."""
    with closing(ReadingQueue(plan)) as queue:
        queue.put(Wanted(0, "m00.md"))
        process_pool().warm_up()
        [reader] = readers()
        os.kill(reader, signal.SIGSTOP)
        results = queue.readings()
        assert next(results) is None  # nothing has come
        os.kill(reader, signal.SIGKILL)
        [(_, reading)] = list(filter(None, results))

    assert reading is not None
    assert reading.content.verdict is Verdict.ARTICLE
    assert "set aside" not in caplog.text


def test_a_process_that_ended_after_its_answer_was_reading_nothing(plan: Plan) -> None:
    with closing(Reader(is_background=False)) as reader:
        bounds = Bounds.of(plan.max_file_size)
        reader.read(plan, [Wanted(0, "m00.md"), Wanted(0, "m01.md")], bounds)
        reader.kill()
        reader._mark[0] = 1  # noqa: SLF001  as where it is killed before it takes its mark back
        with pytest.raises(ReaderDiedError) as death:
            reader.read(plan, [Wanted(0, "m02.md")], bounds)
    assert death.value.position is None


def test_ctrl_c_ends_a_reading_without_a_process_of_its_own(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(readings, "read_article", interrupt)
    with pytest.raises(KeyboardInterrupt):
        readings.read_wanted(plan, Wanted(0, "m00.md"))


def readers() -> list[int]:
    return [
        pid
        for pid in alive(descendants(os.getpid()))
        if b"feedserver.indexing.reader_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def test_a_process_stays_at_hand_and_one_that_has_grown_does_not(plan: Plan, folder: Path) -> None:
    read(plan)
    [first] = readers()
    read(plan)
    assert readers() == [first]
    (folder / "customize.py").unlink(missing_ok=True)
    custom = Path(os.environ["PYTHONPATH"]) / "sitecustomize.py"
    custom.write_text(
        custom.read_text(encoding="utf-8") + "\n    held = b'x' * 250_000_000\n", encoding="utf-8"
    )
    close_process_pool()
    assert_good_ones_are_read(read(plan))


def test_where_no_process_can_be_started_files_are_read_all_the_same(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader_pool, "module_command", lambda *_: ["/nowhere/python"])
    assert_good_ones_are_read(read(plan))
    assert "without a process of their own" in caplog.text


def test_where_processes_end_before_they_read_files_are_read_all_the_same(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader_pool, "module_command", lambda *_: ["/bin/false"])
    assert_good_ones_are_read(read(plan))
    assert "without a process of their own from here on: exit status 1" in caplog.text


def test_a_pool_that_is_closed_in_the_middle_leaves_no_process(plan: Plan, folder: Path) -> None:
    write_harmful(folder, "SLEEP", "a.md")
    pool = ReaderPool(spare=1)
    queue = ReadingQueue(plan)
    queue.put(Wanted(0, "a.md"))
    assert next(queue.readings()) is None
    wait_for(lambda: len(readers()) == 1)
    close_process_pool()
    queue.close()
    pool.close()
    wait_for(lambda: readers() == [])


# --- The commands


def harmful_site(tmp_path: Path) -> dict[str, str]:
    """Articles of which some do harm; the environment."""
    environ = harmful_environment(tmp_path / "customize")
    for number in range(3):
        write_article(tmp_path / "articles", f"m{number}.md", title=f"Good {number}")
    for harm in ("KILL", "FAIL"):
        write_harmful(tmp_path / "articles", harm)
    return {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{environ['PYTHONPATH']}"}


def test_check_and_index_name_the_file_and_go_on(tmp_path: Path) -> None:
    environ = harmful_site(tmp_path)
    checked = feedserver(tmp_path, "check", "articles", "--format", "json", environ=environ)
    codes = {Path(one["path"]).name: one["code"] for one in json.loads(checked.stdout)}
    assert codes == {"kill.md": "set-aside", "fail.md": "internal-error"}
    assert checked.returncode == 1
    assert checked.stderr.count("Traceback") == 1

    indexed = feedserver(tmp_path, "index", "articles", environ=environ)
    assert "3 articles are live" in indexed.stdout
    assert "2 problems" in indexed.stdout
    assert indexed.returncode == 0
    assert indexed.stderr.count("Traceback") == 1
    assert "articles/fail.md cannot be read because of a defect" in indexed.stderr

    again = feedserver(tmp_path, "index", "articles", environ=environ)
    assert "0 read" in again.stdout or "set aside" not in again.stderr


def test_a_server_goes_on_and_keeps_the_last_good_version_up(tmp_path: Path) -> None:
    environ = harmful_site(tmp_path)
    with serve(tmp_path, "articles", environ=environ) as server:
        articles = tmp_path / "articles"

        def codes() -> dict[str, str]:
            problems = json.loads(server.ask("/status.json").body)["problems"]
            return {Path(one["path"]).name: one["finding"]["code"] for one in problems}

        assert codes() == {"kill.md": "set-aside", "fail.md": "internal-error"}
        for harm in ("SPIN", "SEGV", "PANIC"):
            write_article(articles, "victim.md", title=f"Good before {harm}")
            server.wait_for(lambda: f"Good before {harm}".encode() in server.ask("/articles.rss").body)  # noqa: B023
            write_harmful(articles, harm, "victim.md")
            write_article(articles, "other.md", title=f"Another after {harm}")
            server.wait_for(lambda: f"Another after {harm}".encode() in server.ask("/articles.rss").body)  # noqa: B023
            server.wait_for(lambda: "victim.md" in codes(), patience=60)
            assert f"Good before {harm}".encode() in server.ask("/articles.rss").body
        # It is read again when it changes.
        write_article(articles, "kill.md", title="Mended at last")
        server.wait_for(lambda: b"Mended at last" in server.ask("/articles.rss").body)
        assert "kill.md" not in codes()
        assert server.said().count("the indexer died") == 0
        family = server.family()
    wait_for(lambda: not alive(family))
