"""Carries out a history: what happens to files, and an indexer that follows, dies and is followed by another.

After each look the index must equal one that is built anew from the same files over a copy of the same
history, in all that readers can ask, and the history must have nothing to learn from that. After each sudden
death another process must come to what it would have come to without: the same versions, the same `updated`.
"""

from __future__ import annotations

import difflib
import os
import pprint
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import msgspec
import sudden_death
from builders import Clock, a_plan, contents
from history_disk import Disk
from stores import address_of
from sudden_death import Death

from feedserver.index import candidates, transactions
from feedserver.index.archives import ArchiveDocument, closed_archives
from feedserver.index.reader import IndexReader
from feedserver.index.sqlite import builds
from feedserver.index.stores import open_store
from feedserver.index.values import Selected
from feedserver.indexing import judging, removals, storing
from feedserver.indexing.follower import Follower
from feedserver.indexing.indexer import Indexer
from feedserver.indexing.lock import IndexerLock
from feedserver.model import Kind, ListingKey, Selection

SHARED_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a folder of our own in it

# Long after the files are written, so that each is settled when it is read.
YEAR_2100 = 4_102_444_800

SELECTIONS = (
    Selection(name="hot", title="Hot", min_heat=2),
    Selection(name="good-ai", title="Good AI", topics=("ai",), min_quality=2),
    Selection(name="gazette", title="The Gazette", providers=("gazette.example",)),
)

# How long the live indexer may take to follow on a machine that others use, too. It takes less than one.
PATIENCE = 30.0
LIVE_UNSETTLED = 0.3


class Step(NamedTuple):
    """One thing that happens: a method of `Disk`, or one of `_Run` that begins with `do_`."""

    action: str
    arguments: dict[str, Any]

    def __repr__(self) -> str:
        return f"{self.action}({', '.join(f'{key}={value!r}' for key, value in self.arguments.items())})"


class History(NamedTuple):
    """All that happens, and under which circumstances.

    `mode` is `settled` (files are older than two seconds when they are read), `fresh` (they are not), or
    `live` (the real loop with its watcher, in a process of its own). Without `batch` batches are as large as
    they are.
    """

    seed: int
    mode: str
    roots: int
    from_mtime: bool
    batch: int | None
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        names = ("mode", "roots", "from_mtime", "batch")
        about = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return "\n".join([f"history {self.seed}: {about}", *(f"  {step}" for step in self.steps)])


def carry_out(history: History) -> int:
    """Let all of a history happen; how often the indexer was killed.

    Raises:
        AssertionError: if the index was ever another than it should be.
    """
    base = Path(tempfile.mkdtemp(prefix="feedserver-", dir=SHARED_MEMORY))
    base.chmod(0o777)
    run = _Live(history, base) if history.mode == "live" else _Run(history, base)
    try:
        with batches_of(history.batch):
            for step in history.steps:
                run.do(step)
            run.end()
        return run.deaths
    finally:
        run.close()
        _remove(base)


@contextmanager
def batches_of(size: int | None) -> Iterator[None]:
    """Let few files make many batches, and never time."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(storing, "BATCH_SECONDS", 1e9))
        if size is not None:
            sizes = (
                (storing, "BATCH_FILES"),
                (removals, "PIECE_FILES"),
                (transactions, "PIECE"),
                (candidates, "PIECE"),
            )
            for module, name in sizes:
                stack.enter_context(mock.patch.object(module, name, size))
        yield


def _remove(base: Path) -> None:
    for folder, names, _ in os.walk(base):
        for path in (Path(folder, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o755)  # before it is listed
    shutil.rmtree(base, ignore_errors=True)


class _Run:
    """A history with an indexer that looks when it is told."""

    def __init__(self, history: History, base: Path) -> None:
        self._mode = history.mode
        self._batch = history.batch
        self._base = base
        self._clock = Clock(YEAR_2100 if history.mode == "settled" else time.time())
        self._disk = Disk(base, history.roots, self._clock.now)
        rules = {"date_from_mtime": history.from_mtime}
        self._plan = a_plan(base / "state", *self._disk.roots, rules=rules, selections=SELECTIONS)
        self._state = base / "state"
        self._indexer: Indexer | None = None
        self.deaths = 0

    def do(self, step: Step) -> None:
        own = getattr(self, f"do_{step.action}", None)
        if own is not None:
            own(**step.arguments)
            return
        with suppress(OSError):  # what the file system refuses, as in a locked folder, does not happen
            getattr(self._disk, step.action)(**step.arguments)

    def end(self) -> None:
        """Look at what is left."""
        self._disk.make_complete()
        self.do_look("scan")
        if self._mode == "fresh":
            self._clock.now = time.time() + 3
            self._look("scan")
            self._check()

    def close(self) -> None:
        if self._indexer is not None:
            self._indexer.close()
            self._indexer = None

    # --- what the indexer does --------------------------------------------------------------------

    def do_wait(self, seconds: float) -> None:
        """Time goes by."""
        if self._mode == "settled":
            self._clock.now += seconds

    def do_restart(self) -> None:
        """The indexer ends as it should, and another one begins."""
        self.close()

    def do_renew(self) -> None:
        """The index is dropped, as by other settings: the next look builds it anew beside the old one."""
        self.close()
        self._plan = msgspec.structs.replace(self._plan, fingerprint=self._plan.fingerprint + "+")

    def do_look(self, how: str) -> None:
        """The indexer looks: at everything by a `scan`, or where `events` say."""
        was_everything = self._look(how)
        if was_everything or not self._disk.has_links:
            self._check_if_settled()

    def do_die(self, how: str, deaths: Sequence[Death], is_followed: bool) -> None:
        """The indexer is killed while it looks, maybe repeatedly; another one follows at once, or later."""
        self.close()
        self._let_time_tick()
        twin = self._base / "twin"
        shutil.copytree(self._state, twin)
        # If two files have one id, the result of two batches depends on the first of them.
        is_comparable = how == "scan"
        touched = sorted(self._disk.touched)
        try:
            whole = sudden_death.counted(partial(self._work, twin, how, touched))
            self._work(twin, "scan", [])
            calm = observed(twin)
        finally:
            shutil.rmtree(twin)
        for death in deaths:
            self.deaths += sudden_death.killed(partial(self._work, self._state, how, touched), death, whole)
            self._assert_usable()
        if is_followed:
            self._look("scan")
            if is_comparable:
                assert_equal("after sudden death", observed(self._state), "without it", calm)
            self._check_if_settled()

    def _look(self, how: str) -> bool:
        """Look; whether that was at everything."""
        self._let_time_tick()
        if self._indexer is None:
            lock = IndexerLock.acquire(self._state)
            assert lock is not None, "the lock outlived its holder"
            lock.release()
            self._indexer = Indexer(self._plan, self._clock)
            how = "scan"
        if builds.serving_build(self._state) is None or any(path == "." for _, path in self._disk.touched):
            how = "scan"
        _look(self._indexer, how, sorted(self._disk.touched))
        self._disk.touched.clear()
        return how == "scan"

    def _work(self, state: Path, how: str, touched: Sequence[tuple[int, str]]) -> None:
        """The work of one process, from its start to its end."""
        lock = IndexerLock.acquire(state)
        assert lock is not None, "the lock outlived its holder"
        indexer = Indexer(msgspec.structs.replace(self._plan, store=address_of(state)), self._clock)
        _look(indexer, how if builds.serving_build(state) is not None else "scan", touched)
        indexer.close()
        lock.release()

    def _let_time_tick(self) -> None:
        """Wait until another change would leave another ctime, where the program has no second look."""
        if self._mode == "fresh":
            return
        probe = self._base / "probe"
        probe.touch()
        first = probe.stat().st_ctime_ns
        while probe.stat().st_ctime_ns == first:
            time.sleep(0.0005)
            probe.touch()

    # --- what must hold ---------------------------------------------------------------------------

    def _check_if_settled(self) -> None:
        # Files that cannot be looked at stay as they were, which a rebuild could not know.
        if self._mode == "settled" and self._disk.is_complete():
            self._check()

    def _check(self) -> None:
        shown = observed(self._state)
        rebuilt = self._rebuilt()
        assert_equal("the index", shown, "built anew", rebuilt)

    def _rebuilt(self) -> dict[str, Any]:
        state = self._base / "again"
        state.mkdir()
        try:
            copy_history(self._state, state)
            indexer = Indexer(msgspec.structs.replace(self._plan, store=address_of(state)), self._clock)
            indexer.refresh()
            indexer.close()
            return observed(state)
        finally:
            shutil.rmtree(state)

    def _assert_usable(self) -> None:
        """Check that readers see a whole index after the death of a process."""
        if builds.serving_build(self._state) is not None:
            assert_whole(self._state)


class _Live(_Run):
    """A history with the real loop, which follows by itself in a process of its own."""

    def __init__(self, history: History, base: Path) -> None:
        super().__init__(history, base)
        self._child = 0

    def end(self) -> None:
        self._disk.make_complete()
        self._start()
        begun = time.monotonic()
        while True:
            self._clock.now = time.time()
            difference = self._difference()
            if not difference:
                return
            assert time.monotonic() - begun < PATIENCE, difference
            time.sleep(0.1)

    def _difference(self) -> str:
        if builds.serving_build(self._state) is None:
            return "there is no index yet"
        try:
            self._check()
        except AssertionError as error:
            return str(error)
        return ""

    def close(self) -> None:
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            sudden_death.ended(self._child)
            self._child = 0

    def do_wait(self, seconds: float) -> None:
        """Time goes by on its own."""

    def do_restart(self) -> None:
        self._start()

    def do_renew(self) -> None:
        self.close()
        super().do_renew()

    def do_look(self, how: str) -> None:
        """Leave the indexer some time."""
        self._start()
        time.sleep(0.02 if how == "scan" else 0.15)

    def do_die(self, how: str, deaths: Sequence[Death], is_followed: bool) -> None:
        for death in deaths:
            self._start()
            time.sleep(0.1 * death.share)
            self.close()
            self.deaths += 1
            self._assert_usable()
        if is_followed:
            self._start()

    def _start(self) -> None:
        if not self._child:
            self._child = sudden_death.forked(self._run)

    def _run(self) -> None:
        lock = IndexerLock.acquire(self._state)
        assert lock is not None, "the lock outlived its holder"
        with mock.patch.object(judging, "UNSETTLED_SECONDS", LIVE_UNSETTLED):
            plan = msgspec.structs.replace(self._plan, rescan_interval=3600.0)
            Follower(Indexer(plan, time.time), plan, threading.Event()).run()


def _look(indexer: Indexer, how: str, touched: Sequence[tuple[int, str]]) -> None:
    if how == "scan":
        indexer.refresh()
    else:
        for root in sorted({root for root, _ in touched}):
            indexer.look_at(root, [path for position, path in touched if position == root])
    # Time alone changes what is published, too, and the loop of the indexer follows it.
    indexer.publish_due()


# --- what an index is -----------------------------------------------------------------------------


def observed(state_dir: Path) -> dict[str, Any]:
    """All that readers can ask of the serving build, what it holds of files, and what the history holds."""
    found: dict[str, Any] = {
        "history": history_of(state_dir),
        "index": contents(state_dir)._asdict(),
    }
    reader = IndexReader(open_store(address_of(state_dir)))
    try:
        keys = [_key(name) for name in sorted(found["index"]["listings"])]
        found["listings"] = {f"{key.kind}/{key.slug}": _listing(reader, key) for key in keys}
        found["directory"] = {kind.value: reader.summaries(kind) for kind in Kind}
        found["counts"] = reader.counts()
        found["verdicts"] = reader.verdicts()
        found["findings"] = [(key.root, key.path, finding) for key, finding in reader.findings()]
        found["open month"] = reader.open_month()
        return found
    finally:
        reader.close()


def _key(name: str) -> ListingKey:
    kind, _, slug = name.partition("/")
    return ListingKey(kind=Kind(kind), slug=slug)


def _listing(reader: IndexReader, key: ListingKey) -> dict[str, Any]:
    newest = reader.select(key, 50)
    assert newest is not None
    parts = [
        ArchiveDocument(month=month, number=number)
        for month in sorted(newest.months)
        for number in range(1, 1 + closed_archives(newest.months, month, newest.open_month))
    ]
    return {
        "newest": _shown(newest),
        **{str(archive): _shown(reader.select_archive(key, archive)) for archive in parts},
        "are in": reader.are_in(key, [entry.article.id for entry in newest.entries]),
    }


def _shown(selected: Selected | None) -> tuple[Any, ...]:
    """All but what numbers rows, commits and builds."""
    assert selected is not None
    state = msgspec.structs.asdict(selected.state)
    facts = {
        name: value for name, value in state.items() if name not in ("id", "changed", "retracted", "build")
    }
    return facts, selected.entries, selected.months, selected.open_month


def history_of(state_dir: Path) -> dict[str, Any]:
    """The rows of the publication history for articles, broken files and listings."""
    with closing(sqlite3.connect(state_dir / builds.HISTORY_FILE)) as connection:
        return {
            table: {row[:keys]: row[keys:] for row in connection.execute(f"SELECT * FROM {table}")}  # noqa: S608  our own names
            for table, keys in (("article", 1), ("last_good", 1), ("listing", 2))
        }


def copy_history(source: Path, target: Path) -> None:
    """A consistent copy, also while somebody writes."""
    with (
        closing(sqlite3.connect(source / builds.HISTORY_FILE)) as old,
        closing(sqlite3.connect(target / builds.HISTORY_FILE)) as new,
    ):
        old.backup(new)


def assert_whole(state_dir: Path) -> None:
    """Nothing is torn: every listing is the sum of its members, and each of them has its article."""
    index = contents(state_dir)
    sums: dict[str, list[int]] = {name: [0, 0] for name in index.listings}
    for kind, slug, published, article, updated in index.members:
        _, _, *times, digest, _, _ = index.entries[article]
        assert times == [published, updated], f"{article} is listed with other times than it has"
        sums[f"{kind}/{slug}"][0] += int.from_bytes(digest, "big")
        sums[f"{kind}/{slug}"][1] += 1
    for name, (version, entries, *_) in index.listings.items():
        assert (int(version, 16), entries) == (sums[name][0] % (1 << 128), sums[name][1]), f"{name} is torn"


def assert_equal(one: str, left: dict[str, Any], other: str, right: dict[str, Any]) -> None:
    """Fail with the lines in which two values differ."""
    if left == right:
        return
    was, shall = (pprint.pformat(value, width=160).splitlines() for value in (left, right))
    difference = [line[:600] for line in difflib.unified_diff(was, shall, one, other, n=0, lineterm="")]
    raise AssertionError("\n".join(["not equal:", *difference[:40]]))
