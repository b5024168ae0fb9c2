"""Carries out a history: what happens to files, and an indexer that follows, dies and is followed by another.

After each look the index must equal one that is built anew from the same files over a copy of the same
history, in all that readers can ask, and the history must have nothing to learn from that. After each sudden
death another process must come to what it would have come to without: the same versions, the same `updated`.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import msgspec
import sudden_death
from builders import Clock, a_plan, a_selection
from history_disk import Disk
from history_stores import PATIENCE, Place, places
from history_views import assert_equal, assert_whole, copy_history, dates_of, observed
from sqlalchemy.exc import DBAPIError
from sudden_death import Death

from feedserver.articles.selections.values import ListingRules
from feedserver.index import candidates, transactions
from feedserver.index.keeper import BuildKeeper
from feedserver.index.stores import open_store
from feedserver.indexing import judging, removals, storing
from feedserver.indexing.follower import Follower
from feedserver.indexing.indexer import Indexer
from feedserver.indexing.lock import IndexerLock
from feedserver.indexing.plan import Plan

SHARED_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a folder of our own in it

# Long after the files are written, so that each is settled when it is read.
YEAR_2100 = 4_102_444_800

RULES = ListingRules(
    feeds=(
        a_selection("hot", "Hot", min_heat=2),
        a_selection("good-ai", "Good AI", topics=("ai",), min_quality=2),
        a_selection("gazette", "The Gazette", providers=("gazette.example",)),
    ),
    has_terms=True,
    is_searched=True,
)

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
    run = _run_of(history, base)
    try:
        with batches_of(history.batch):
            for step in history.steps:
                run.do(step)
            run.end()
        return run.deaths
    finally:
        run.remove()
        _remove(base)


def _run_of(history: History, base: Path) -> _Run | _SideBySide:
    if len(places()) > 1:
        return _SideBySide(history, base, places())
    (place,) = places()
    return (_Live if history.mode == "live" else _Run)(history, base, place)


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

    def __init__(self, history: History, base: Path, place: Place, disk: Disk | None = None) -> None:
        self._mode = history.mode
        self._place = place
        self._base = base / place.name
        self._base.mkdir()
        self._clock = Clock(YEAR_2100 if history.mode == "settled" else time.time())
        self._disk = disk or Disk(base, history.roots, self._clock.now)
        self._state = self._base / "site"
        self.address = place.address(self._state)
        self._plan = a_plan(
            self._state,
            *self._disk.roots,
            rules={"date_from_mtime": history.from_mtime},
            listing_rules=RULES,
            store=self.address,
        )
        self._indexer: Indexer | None = None
        self.deaths = 0

    def do(self, step: Step) -> None:
        own = getattr(self, f"do_{step.action}", None)
        if own is not None:
            own(**step.arguments)
            return
        happen(self._disk, step)

    def end(self) -> None:
        """Look at what is left."""
        self._disk.make_complete()
        self.do_look("scan")
        if self._mode == "fresh":
            self._clock.now = time.time() + 3
            self._look("scan")
            self._check()

    def close(self) -> None:
        """End the indexer as it should end."""
        if self._indexer is not None:
            self._indexer.close()
            self._indexer = None

    def remove(self) -> None:
        """End the indexer, and remove the store."""
        self.close()
        self._place.drop(self._state)

    @property
    def now(self) -> float:
        """The time of this history."""
        return self._clock.now

    @property
    def is_indexed(self) -> bool:
        """Whether a build serves."""
        return open_store(self.address).is_indexed()

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
        self._place.copy(self._state, twin)
        # If two files have one id, the result of two batches depends on the first of them.
        is_comparable = how == "scan"
        touched = sorted(self._disk.touched)
        try:
            whole = sudden_death.counted(partial(self._work, twin, how, touched))
            self._work(twin, "scan", [])
            calm = observed(self._place.address(twin))
        finally:
            self._place.drop(twin)
        for death in deaths:
            work = partial(self._work, self._state, how, touched)
            self.deaths += sudden_death.killed(work, death, whole, self._ending(death))
            self._assert_usable()
        if is_followed:
            self._look("scan")
            if is_comparable:
                assert_equal("after sudden death", observed(self.address), "without it", calm)
            self._check_if_settled()

    def _ending(self, death: Death) -> Callable[[], object] | None:
        """What dies: a third each the process, its connections, and the database, if there is one."""
        # Not drawn, so that the history of a seed is the same for all stores.
        others = {1: self._place.cut, 2: self._place.crash}
        return None if death.measure == "seconds" else others.get(int(death.share * 1000) % 3)

    def _look(self, how: str) -> bool:
        """Look; whether that was at everything."""
        self._let_time_tick()
        if self._indexer is None:
            lock = IndexerLock.acquire(self._state)
            assert lock is not None, "the lock outlived its holder"
            lock.release()
            self._indexer = self._opened(self._plan)
            how = "scan"
        if not self.is_indexed or any(path == "." for _, path in self._disk.touched):
            how = "scan"
        _look(self._indexer, how, sorted(self._disk.touched))
        self._disk.touched.clear()
        return how == "scan"

    def _work(self, state: Path, how: str, touched: Sequence[tuple[int, str]]) -> None:
        """The work of one process, from its start to its end."""
        lock = IndexerLock.acquire(state)
        assert lock is not None, "the lock outlived its holder"
        address = self._place.address(state)
        indexer = self._opened(msgspec.structs.replace(self._plan, store=address))
        try:
            _look(indexer, how if open_store(address).is_indexed() else "scan", touched)
        except DBAPIError as error:
            indexer.replace(error)  # as `follower` does
            indexer.refresh()
        indexer.close()
        lock.release()

    def _opened(self, plan: Plan) -> Indexer:
        with ExitStack() as stack:
            if not self._place.recovers:
                recovery = mock.patch.object(BuildKeeper, "_recover", side_effect=AssertionError("recovery"))
                stack.enter_context(recovery)
            return Indexer(plan, self._clock)

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
        shown = observed(self.address)
        rebuilt = self._rebuilt()
        assert_equal("the index", shown, "built anew", rebuilt)

    def _rebuilt(self) -> dict[str, Any]:
        state = self._base / "again"
        state.mkdir()
        address = self._place.address(state)
        try:
            copy_history(self.address, address)
            indexer = Indexer(msgspec.structs.replace(self._plan, store=address), self._clock)
            indexer.refresh()
            indexer.close()
            return observed(address)
        finally:
            self._place.drop(state)

    def _assert_usable(self) -> None:
        """Check that readers see a whole index after the death of a process."""
        self._place.wait_until_usable(self._state)
        if self.is_indexed:
            assert_whole(self.address)
            self._place.check_after_death(self._state, self._plan.fingerprint)


class _Live(_Run):
    """A history with the real loop, which follows by itself in a process of its own."""

    def __init__(self, history: History, base: Path, place: Place) -> None:
        super().__init__(history, base, place)
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
        if not self.is_indexed:
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
            self._place.wait_until_usable(self._state)

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


class _SideBySide:
    """One history on several stores: the same files, and an indexer for each."""

    def __init__(self, history: History, base: Path, kinds: Sequence[Place]) -> None:
        # Neither the mtime nor the clock of this machine may make a difference.
        settled = history._replace(mode="settled")
        self._disk = Disk(base, history.roots, YEAR_2100)
        self._runs = [_Run(settled, base, place, self._disk) for place in kinds]

    @property
    def deaths(self) -> int:
        """How often any of the indexers was killed."""
        return sum(run.deaths for run in self._runs)

    def do(self, step: Step) -> None:
        """Let a step happen to the files once, or to each indexer."""
        if not hasattr(_Run, f"do_{step.action}"):
            happen(self._disk, step)
            return
        if step.action == "die":
            # Otherwise the one that died earlier may have published what the other one never did.
            step = step._replace(arguments={**step.arguments, "how": "scan", "is_followed": True})
        touched = set(self._disk.touched)
        for run in self._runs:
            self._disk.touched = set(touched)
            run.do(step)
        self._compare()

    def end(self) -> None:
        """Look at what is left."""
        for run in self._runs:
            run.end()
        self._compare()

    def remove(self) -> None:
        """Remove the stores."""
        for run in self._runs:
            run.remove()

    def _compare(self) -> None:
        first, *others = self._runs
        if not first.is_indexed:
            return
        shown, dates = observed(first.address), dates_of(first.address, first.now)
        for other in others:
            assert_equal("in files", shown, "in the database", observed(other.address))
            assert_equal("dates of files", dates, "of the database", dates_of(other.address, other.now))


def happen(disk: Disk, step: Step) -> None:
    """Let a step happen to the files."""
    with suppress(OSError):  # what the file system refuses, as in a locked folder, does not happen
        getattr(disk, step.action)(**step.arguments)


def _look(indexer: Indexer, how: str, touched: Sequence[tuple[int, str]]) -> None:
    if how == "scan":
        indexer.refresh()
    else:
        for root in sorted({root for root, _ in touched}):
            indexer.look_at(root, [path for position, path in touched if position == root])
    # Time alone changes what is published, too, and the loop of the indexer follows it.
    indexer.publish_due()
