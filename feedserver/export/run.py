"""`feedserver export`: finds the changed units, has them made, and removes those that are gone.

Many units are made in a pool of processes, each with a site of its own; few are made in this process, because
starting the others takes as long as making some hundred documents. An unchanged unit costs one comparison. A
unit that cannot be made keeps its files as they were (promise 5), without those of before an article left it
(promise 6). Does not keep the index up to date.
"""

from __future__ import annotations

import ctypes
import traceback
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import cache, partial
from itertools import islice, takewhile
from multiprocessing import get_context
from pathlib import Path

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import ExportError, FeedserverError, IndexMovedError, UnknownAddressError
from feedserver.export.notes import named_errors
from feedserver.export.site import ExportPlan, ExportSite, Unit
from feedserver.export.target import Target, UnitRecord, Written, left_over
from feedserver.export.targets import open_target, open_writer
from feedserver.index.transactions import damaged_value
from feedserver.model import Value
from feedserver.system.processes import cores, spawned_pool

# Until two processes are ready each takes most of a second of CPU: 7,000 entries were made in 1.5 s here and
# in 1.8 s in a pool, 10,900 in 2.9 and 2.4 s (measured).
LEAST_FOR_POOL = 8000

# About how many entries the units have that a process makes at a time, and how many such pieces wait.
PIECE_WEIGHT = 400
PIECES_AHEAD = 3

MOST_PROCESSES = 8

# How often it is asked whether to stop, while pieces are made in a pool.
_ASK_SECONDS = 0.1

# The cost of a unit beside its entries, counted in entries.
_UNIT_WEIGHT = 10

# Of a listing that was exported before hardly more than the feed itself is made again.
_AGAIN_WEIGHT = 100


class ExportProgress(Value, frozen=True):
    """How far an export is: units that are made, and how many have to be."""

    done: int
    total: int


class Failure(Value, frozen=True):
    """Why a unit could not be made, in one sentence; and where the program failed, if it did."""

    unit: str
    reason: str
    trace: str = ""

    def __str__(self) -> str:
        return f"{self.unit} cannot be written: {self.reason}"


class ExportSummary(Value, frozen=True):
    """The result of an export, in documents: how many there are, were written, and were removed.

    `failures` are of units that were not made anew; the next export tries them again.
    """

    documents: int
    written: int
    removed: int
    failures: tuple[Failure, ...] = ()


class UnitJob(msgspec.Struct, frozen=True, array_like=True):
    """A unit to make, and its documents in the target."""

    unit: Unit
    known: tuple[Written, ...]


class Done(msgspec.Struct, frozen=True, array_like=True):
    """A unit that was made."""

    record: UnitRecord
    written: int = 0
    removed: int = 0
    failure: Failure | None = None


class Start(msgspec.Struct, frozen=True):
    """The arguments for the start of a process of the pool."""

    plan: ExportPlan
    target: str
    strays: frozenset[str]
    session: str
    revision: str


def export(
    plan: ExportPlan, address: Path | str, progress: Callable[[ExportProgress], None] | None = None
) -> ExportSummary:
    """Bring a target up to date with the index, once.

    Args:
        plan: the site, and the parts of it to export.
        address: of a new or empty target, or of one that was made by this.
        progress: called as units are made.

    Raises:
        ExportError: if the target holds something that is no export, or a process of the pool dies; or, when
            all else is written, if something in it is in the way, or something cannot be made.
        StorageError: if object storage cannot be used.
        IndexNotReadyError: before the first index is complete.
    """
    with closing(ExportSite(plan)) as site, open_target(str(address), plan) as target:
        try:
            summary = bring_up_to_date(target, site, progress)
        except BrokenProcessPool as error:
            raise ExportError(address, f"{death(error)}; export again") from error
    if summary.failures:
        others = f" ({len(summary.failures) - 1} more like this)" if len(summary.failures) > 1 else ""
        raise ExportError(address, f"{summary.failures[0]}{others}")
    return summary


def bring_up_to_date(
    target: Target,
    site: ExportSite,
    progress: Callable[[ExportProgress], None] | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> ExportSummary:
    """Bring an open target up to date with the index.

    Args:
        target: to write to. After an error it must be opened anew, which reads its records again.
        site: the site that the target is to hold.
        progress: as for `export`.
        is_stopped: asked between documents; the next export writes the rest.

    Raises:
        ExportError: if the records of the target cannot be read or written.
        OSError: if the target cannot be written.
        StorageError: if object storage cannot be used.
        BrokenProcessPool: if a process of the pool dies; `death` says how.
        IndexNotReadyError: before the first index is complete.
    """
    with named_errors(target.notes):
        start = Start(site.plan, target.address, target.strays, target.session, site.revision())
        units, known = site.units(), target.signatures()
        removed = sum(target.forget(name) for name in known.keys() - {unit.name for unit in units})
        due = [unit for unit in units if known.get(unit.name) != unit.signature]
        pieces = takewhile(lambda _: not is_stopped(), _pieces(due))
        jobs = ([UnitJob(unit, target.written(unit.name)) for unit in piece] for piece in pieces)
        written = done = 0
        failures: list[Failure] = []
        for piece in _made(jobs, site, start, _pool_size(due, known), is_stopped):
            target.record([one.record for one in piece])
            written += sum(one.written for one in piece)
            removed += sum(one.removed for one in piece)
            failures += [one.failure for one in piece if one.failure is not None]
            done += len(piece)
            if progress is not None:
                progress(ExportProgress(done=done, total=len(due)))
        target.finish(is_complete=done == len(due) and not is_stopped())
        return ExportSummary(
            documents=target.documents(), written=written, removed=removed, failures=tuple(failures)
        )


def _pool_size(due: Sequence[Unit], known: Collection[str]) -> int:
    """How many processes are worth their start, for units some of which were exported before; 0 for none."""
    weights = (min(one.weight, _AGAIN_WEIGHT) if one.key and one.name in known else one.weight for one in due)
    processes = min(cores(), MOST_PROCESSES)
    return processes if processes > 1 and sum(weights) + _UNIT_WEIGHT * len(due) >= LEAST_FOR_POOL else 0


def _made(
    jobs: Iterator[list[UnitJob]],
    site: ExportSite,
    start: Start,
    processes: int,
    is_stopped: Callable[[], bool],
) -> Iterator[list[Done]]:
    if processes:
        yield from _made_in_pool(jobs, start, processes, is_stopped)
        return
    with closing(_Maker(site, start, is_stopped)) as maker:
        yield from map(maker.make, jobs)


def _made_in_pool(
    jobs: Iterator[list[UnitJob]], start: Start, processes: int, is_stopped: Callable[[], bool]
) -> Iterator[list[Done]]:
    """Hand out pieces, never many more than are consumed."""
    waiting: deque[Future[bytes]] = deque()
    # A shared byte and not an event: a process that is killed while it asks an event would keep its lock.
    stop = get_context("spawn").RawValue(ctypes.c_bool, False)
    with spawned_pool(processes, partial(_start, stop), msgspec.json.encode(start)) as pool:
        try:
            while True:
                for piece in islice(jobs, processes * PIECES_AHEAD - len(waiting)):
                    waiting.append(pool.submit(_make_piece, msgspec.msgpack.encode(piece)))
                if not waiting:
                    return
                first = waiting.popleft()
                while not first.done():
                    stop.value = is_stopped()
                    wait([first], timeout=_ASK_SECONDS)
                yield _DONE.decode(first.result())
        finally:
            stop.value = True  # after an error: the remaining results are not used
            pool.shutdown(cancel_futures=True)


def death(error: BrokenProcessPool) -> str:
    """The last line of the traceback with which a pool ended; a killed process has none."""
    lines = str(error.__cause__ or "").strip("'\" \n").splitlines()
    why = lines[-1] if lines else "it was killed; memory may be short"
    return f"a process of the export died ({why})"


def _pieces(units: Iterable[Unit]) -> Iterator[list[Unit]]:
    piece: list[Unit] = []
    weight = 0
    for unit in units:
        piece.append(unit)
        weight += unit.weight + _UNIT_WEIGHT
        if weight >= PIECE_WEIGHT:
            yield piece
            piece, weight = [], 0
    if piece:
        yield piece


def _failure(unit: Unit, error: Exception, *, is_index_same: bool) -> Failure | None:
    """Why a unit was not made; the error itself is raised if it is not about this unit alone."""
    if isinstance(error, IndexMovedError) and is_index_same:
        return Failure(unit.name, f"the index is damaged: {error}, and yet nothing was committed")
    if isinstance(error, UnknownAddressError | IndexMovedError):
        return None  # the next export removes it, or has it whole
    if isinstance(error, ExportError):
        return Failure(unit.name, str(error))
    damaged = damaged_value(error)
    if isinstance(error, FeedserverError | OSError | SQLAlchemyError) and damaged is None:
        raise error
    # A renderer may raise any exception.
    reason = f"the index is damaged: {damaged}" if damaged else f"{type(error).__name__}: {error}"
    return Failure(unit.name, reason, "".join(traceback.format_exception(error)))


class _Maker:
    """Makes units, and writes their new documents, until it is stopped."""

    def __init__(self, site: ExportSite, start: Start, is_stopped: Callable[[], bool]) -> None:
        self._revision = start.revision
        self._is_stopped = is_stopped
        self._site = site
        self._writer = open_writer(start.target, start.plan, start.strays, start.session)

    def close(self) -> None:
        self._writer.close()

    def make(self, piece: Sequence[UnitJob]) -> list[Done]:
        """The units that were made; a stop cuts the last one short, whose files are noted as well."""
        done = [self._make_unit(job) for job in takewhile(lambda _: not self._is_stopped(), piece)]
        self._writer.settle()
        if self._site.revision() == self._revision:
            return done
        return [self._doubted(job, one) for job, one in zip(piece, done, strict=False)]

    def _make_unit(self, job: UnitJob) -> Done:
        known = {one.path: one for one in job.known}
        before = self._writer.written
        after, failure = None, None
        try:
            after = self._put_all(job.unit, known)
        except Exception as error:
            is_same = self._site.revision() == self._revision
            failure = _failure(job.unit, error, is_index_same=is_same)
        if after is None:
            kept = list(known.values())
            if failure is not None:
                kept = [one for one in kept if one.retraction == job.unit.retraction]
                self._writer.remove(left_over(known.values(), kept))
            record = UnitRecord(job.unit.name, "", tuple(kept))
            return Done(record, self._writer.written - before, len(known) - len(kept), failure)
        self._writer.remove(left_over([*job.known, *known.values()], after))
        record = UnitRecord(job.unit.name, job.unit.signature, tuple(after))
        return Done(record, self._writer.written - before, len(known) - len(after))

    def _put_all(self, unit: Unit, known: dict[str, Written]) -> list[Written] | None:
        """Write new documents; `known` is kept up to date. None if it was stopped before the end."""
        by_source = {one.source: one for one in known.values() if one.source}
        after = []
        for made in self._site.documents(unit, by_source):
            if self._is_stopped():
                return None
            one = (
                by_source[made]
                if isinstance(made, str)
                else self._writer.put(unit.name, made, known.get(made.path))
            )
            one = msgspec.structs.replace(one, retraction=unit.retraction)
            known[one.path] = one
            after.append(one)
        return after

    def _doubted(self, job: UnitJob, done: Done) -> Done:
        """The same; to be looked at again if the index moved on while the unit was made."""
        if self._site.signature(job.unit) == job.unit.signature:
            return done
        written = tuple(msgspec.structs.replace(one, source="") for one in done.record.written)
        return msgspec.structs.replace(done, record=UnitRecord(job.unit.name, "", written))


# --- In a process of the pool -------------------------------------------------------------------

_JOBS = msgspec.msgpack.Decoder(list[UnitJob])
_DONE = msgspec.msgpack.Decoder(list[Done])
_maker: Callable[[], _Maker] | None = None


def _start(stop: ctypes.c_bool, start: bytes) -> None:
    global _maker  # noqa: PLW0603  an initializer has no other way to pass a value to the calls
    # Opened with the first piece, whose errors are passed on; those of an initializer are not.
    _maker = cache(partial(_opened, msgspec.json.decode(start, type=Start), lambda: stop.value))


def _opened(start: Start, is_stopped: Callable[[], bool]) -> _Maker:
    return _Maker(ExportSite(start.plan), start, is_stopped)


def _make_piece(piece: bytes) -> bytes:
    if _maker is None:
        raise AssertionError("the pool was not started")
    return msgspec.msgpack.encode(_maker().make(_JOBS.decode(piece)))
