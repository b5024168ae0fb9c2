"""Ten processes that begin with an empty cache in Redis and are asked for the same documents at one moment.

Tests use it, and one command measures it and prints a table; it needs redis-server:

    python tests/cold_start.py FOLDER [--processes 10]

Each process has a publisher of its own over one state folder, and a document cache of its own, as a machine
has. All are asked for the subscription and archive documents of all listings, in the same order or each in an
order of its own. Every rendering leaves a line in a file when it begins, so that those of a process that was
killed count too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, NamedTuple

from redis_servers import SECRET, RedisServer, redis_server
from servers import index, settings_of

from feedserver.feeds.cache import open_cache
from feedserver.feeds.document import Document
from feedserver.feeds.feed_renderer import FeedRenderer, Fitted
from feedserver.feeds.publisher import Publisher
from feedserver.feeds.render_lock import LIFETIME, WAIT, RenderLock
from feedserver.index.archives import ArchiveDocument, closed_archives
from feedserver.index.catalogue import CatalogueReader
from feedserver.index.stores import open_store
from feedserver.index.values import Selected
from feedserver.model import PUBLIC_KINDS, Feed, Format
from feedserver.settings.sources import Settings
from feedserver.wiring.planning import store_address
from feedserver.wiring.publishing import feed_limits, site_facts


@dataclass(frozen=True)
class Job:
    """The work of one process.

    Attributes:
        state: the state folder, of which the index is up to date.
        articles: the folder of articles.
        url: of the cache.
        begun: the file to which each rendering adds a line.
        lifetime: of locks, in seconds; 0 for no locks.
        wait: for them, in seconds.
        seed: of the order of the documents; 0 for the same order in each process.
        fatal: the address at whose rendering the first process that comes to it kills itself.
    """

    state: str
    articles: str
    url: str
    begun: str
    lifetime: float = LIFETIME
    wait: float = WAIT
    seed: int = 0
    fatal: str = ""


class Report(NamedTuple):
    """The digests that a process got by address, its longest request and CPU in seconds, and its failures."""

    etags: dict[str, str]
    longest: float
    cpu: float
    failures: int


def site_of(job: Job) -> Settings:
    """The settings of the site that all processes publish."""
    return settings_of(Path(job.state), Path(job.articles), cache={"url": job.url, "secret": SECRET})


# --- One process ----------------------------------------------------------------------------------------


def documents_of(settings: Settings) -> Iterator[Document]:
    """The subscription and archive documents of all listings."""
    with closing(CatalogueReader(open_store(store_address(settings)))) as reader:
        public = [state for state in reader.states() if state.key.kind in PUBLIC_KINDS]
        for state in sorted(public, key=lambda one: one.key.address):
            selected = reader.select(state.key, 1)
            months, last = (selected.months, selected.open_month) if selected else ({}, 0)
            archives: list[ArchiveDocument | None] = [None]
            for month in sorted(months):
                count = closed_archives(months, month, last)
                archives += [ArchiveDocument(month, number) for number in range(1, count + 1)]
            yield from (Document(state.key, fmt, archive) for fmt in Format for archive in archives)


class CountedRenderer:
    """Adds a line to a file when the rendering of a document begins, and perhaps dies there."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._address = ""
        self._file = os.open(job.begun, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def patch(self) -> None:
        """Let all renderers of this process be counted."""
        fit, write = FeedRenderer.fit, FeedRenderer.write

        def counted_fit(renderer: FeedRenderer, selected: Selected, fmt: Format) -> Fitted:
            self._begin()
            return fit(renderer, selected, fmt)

        def counted_write(renderer: FeedRenderer, feed: Feed, fmt: Format) -> bytes:
            self._begin()
            return write(renderer, feed, fmt)

        methods = {"fit": counted_fit, "write": counted_write}
        for name, counted in methods.items():
            setattr(FeedRenderer, name, counted)

    def ask(self, publisher: Publisher, document: Document) -> str:
        """The digest of a document."""
        self._address = document.address
        return publisher.feed_document(document).etag

    def _begin(self) -> None:
        address, self._address = self._address, ""
        if not address:  # a subscription document may be written several times
            return
        os.write(self._file, f"{address}\n".encode())
        if address == self._job.fatal:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(f"{self._job.begun}.fatal", os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), signal.SIGKILL)


def run(job: Job, gate: int, ends: Sequence[int], reports: Connection) -> None:
    """Ask for all documents when the gate ends, and send the report.

    Args:
        job: of this process.
        gate: a pipe that nobody writes to.
        ends: copies of its other end that this process inherited.
        reports: takes a word when the process is ready, and the report.
    """
    for end in ends:
        os.close(end)
    settings = site_of(job)
    documents = list(documents_of(settings))
    if job.seed:
        random.Random(job.seed).shuffle(documents)  # noqa: S311  an order, not a secret
    publisher = _publisher(job, settings)
    renderer = CountedRenderer(job)
    renderer.patch()
    reports.send("ready")
    os.read(gate, 1)
    before, longest, etags = _cpu(), 0.0, {}
    for document in documents:
        begin = time.monotonic()
        etags[document.address] = renderer.ask(publisher, document)
        longest = max(longest, time.monotonic() - begin)
    reports.send(Report(etags, longest, _cpu() - before, publisher.cache.failures))
    publisher.close()


def _publisher(job: Job, settings: Settings) -> Publisher:
    folder, options = Path(job.state), settings.cache
    cache = open_cache(job.url, folder, lambda: SECRET, max_age=options.max_age, max_size=options.max_size)
    # A cache without locks leaves out the lock alone.
    locks = cache if job.lifetime else open_cache("null://", folder, lambda: "", max_age=1, max_size=1)
    store = open_store(store_address(settings))
    lock = RenderLock(locks, lifetime=job.lifetime, wait=job.wait)
    return Publisher(store, site_facts(settings), feed_limits(settings), cache, lock=lock)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# --- All of them ----------------------------------------------------------------------------------------


def run_all(jobs: Sequence[Job]) -> None:
    """Fork a process for each job; release them when a line comes on standard input; print their reports.

    This program has imported everything by then, which ten programs would do for longer than they render.
    """
    context = multiprocessing.get_context("fork")
    gate, end = os.pipe()
    receivers = []
    for job in jobs:
        receiver, sender = context.Pipe(duplex=False)
        context.Process(target=run, args=(job, gate, [end], sender), daemon=True).start()
        sender.close()
        receivers.append(receiver)
    for receiver in receivers:
        assert receiver.recv() == "ready"
    print("ready", flush=True)  # noqa: T201  for the process that started this one
    sys.stdin.readline()
    os.close(end)
    reports: list[Report] = []
    for receiver in receivers:
        with contextlib.suppress(EOFError):  # the process was killed
            reports.append(receiver.recv())
    print(json.dumps(reports), flush=True)  # noqa: T201


class Fleet:
    """The processes, ready to begin."""

    def __init__(self, process: subprocess.Popen[str], begun: Path) -> None:
        self._process = process
        self._begun = begun

    def release(self) -> None:
        """Let all begin."""
        _pipe(self._process.stdin).write("\n")
        _pipe(self._process.stdin).flush()

    def renderings(self) -> Counter[str]:
        """How often the rendering of each document has begun so far."""
        return Counter(self._begun.read_text().split()) if self._begun.exists() else Counter()

    def reports(self) -> list[Report]:
        """The reports of all processes that were not killed, when they have ended."""
        text, _ = self._process.communicate()
        assert self._process.returncode == 0
        return [Report(*report) for report in json.loads(text)]


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


@contextmanager
def fleet(jobs: Sequence[Job]) -> Iterator[Fleet]:
    """Processes that have started and wait; none is left afterwards."""
    command = [sys.executable, __file__, "run", json.dumps([asdict(job) for job in jobs])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = _pipe(process.stdout).readline()
            assert line == "ready\n", line
            yield Fleet(process, Path(jobs[0].begun))
        finally:
            process.kill()


# --- The measurement ------------------------------------------------------------------------------------


def measure(folder: Path, articles: Path, server: RedisServer, processes: int) -> None:
    """Print a row for each order, without locks and with them."""
    state = folder / "state"
    index(settings_of(state, articles))
    for order, seed in (("the same", 0), ("its own", 1)):
        for lifetime in (0.0, LIFETIME):
            server.flush()
            place = (str(state), str(articles), server.url, str(folder / f"begun-{seed}-{lifetime}"))
            jobs = [
                Job(*place, lifetime=lifetime, seed=seed and seed + number) for number in range(processes)
            ]
            with fleet(jobs) as started:
                begin = time.monotonic()
                started.release()
                reports = started.reports()
                seconds = time.monotonic() - begin
                _row(f"{order} | {'yes' if lifetime else 'no'}", started.renderings(), reports, seconds)


def _row(title: str, counts: Counter[str], reports: list[Report], seconds: float) -> None:
    documents = len(reports[0].etags)
    assert all(report.etags == reports[0].etags for report in reports)
    cpu, longest = sum(report.cpu for report in reports), max(report.longest for report in reports)
    failures = sum(report.failures for report in reports)
    print(  # noqa: T201  a command
        f"| {title} | {documents} | {counts.total()} | {max(counts.values())} | {cpu:.1f} s"
        f" | {longest * 1000:.0f} ms | {seconds:.1f} s | {failures} |"
    )


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    if arguments[:1] == ["run"]:
        run_all([Job(**job) for job in json.loads(arguments[1])])
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=10)
    wanted = parser.parse_args(arguments)
    scratch = Path(tempfile.mkdtemp())
    print("| order | locks | documents | renderings | of one | CPU | longest | all | failures |")  # noqa: T201
    print("|---|---|---|---|---|---|---|---|---|")  # noqa: T201
    try:
        with redis_server(scratch) as server:
            measure(scratch, wanted.folder.resolve(), server, wanted.processes)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main(sys.argv[1:])
