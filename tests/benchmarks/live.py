"""Measures a server that lives: are its feeds what the files say, how soon, and do readers notice the work.

One command makes a corpus, starts `feedserver serve` with two workers, and prints a table:

    python tests/benchmarks/live.py                        # 100,000 articles, two minutes of changes
    python tests/benchmarks/live.py --articles 10000 --seconds 60

For a time a script changes files: it creates, edits in place and by renaming, touches, hides, moves and
deletes them, and now and then 500 arrive at once. It knows what each feed must hold, and asks every worker,
over a connection that stays with it, until the feed is that. The delay of a change is the time from the file
operation until the last worker serves it. Then `rsync` brings 10,000 files at once, and the latency of
requests meanwhile is compared with that when nothing happens: of all, and of those alone for documents that
are new or have changed since they were asked for last, which have to be made in both. On a machine with few
cores `--free-core` keeps one free, as a larger machine has it: indexer and `rsync` run on the last core, all
else on the others. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from corpus import articles, write_corpus
from index import (
    FEEDSERVER,
    children,
    descendants,
    feed_paths,
    free_port,
    is_indexer,
    quiet,
    wait_until_ready,
)

BASE_URL = "http://feeds.example"
WORKERS = 2
TOPICS = 12
FIRST_ARTICLES = 30  # of each topic, before anything changes
FEED_LIMIT = 50  # entries of a feed; all months of these articles have ended
SURGE = 500
LATE_SECONDS = 0.3
GIVE_UP_SECONDS = 20.0
POLL_SECONDS = 0.003
IDLE_SECONDS = 20.0
SETTLING_SECONDS = 5.0  # for the first rescan, and for what was written last to be read once more
FORMATS = ("json", "atom", "rss")
MARCH_2024 = 1_709_251_200


# --- the server -----------------------------------------------------------------------------------


class Answer(NamedTuple):
    """A response: its status, its validator, its body, and how long it took in seconds."""

    status: int
    etag: str
    body: bytes
    seconds: float


class Worker:
    """One worker of a server, and a connection that stays with it. Counts failed answers."""

    def __init__(self, pid: int, port: int, counts: Counter[str]) -> None:
        self.pid = pid
        self._port = port
        self._counts = counts
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, path: str, etag: str = "") -> Answer:
        """One request, on condition if there is an ETag."""
        for _ in range(2):
            connection = self._connection or self._connected()
            begun = time.perf_counter()
            try:
                connection.request("GET", path, headers={"If-None-Match": etag} if etag else {})
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException):
                # A connection that was idle for some seconds is closed by the server.
                connection.close()
                self._connection = None
                continue
            self._counts["requests"] += 1
            self._counts["5xx"] += response.status >= 500
            seconds = time.perf_counter() - begun
            return Answer(response.status, response.headers.get("ETag", ""), body, seconds)
        self._counts["5xx"] += 1
        return Answer(599, "", b"", GIVE_UP_SECONDS)

    def _connected(self) -> http.client.HTTPConnection:
        """A connection that this worker has accepted."""
        for _ in range(500):
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            if connection.sock is not None and self._owns(connection.sock.getsockname()[1]):
                self._connection = connection
                return connection
            connection.close()
        raise SystemExit(f"worker {self.pid} accepts no connection")

    def _owns(self, client_port: int) -> bool:
        """Whether the server's end of a connection is an open file of this worker."""
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            ends = tuple(int(end.rpartition(":")[2], 16) for end in fields[1:3])
            if ends == (self._port, client_port):
                sockets = {os.readlink(handle) for handle in _open_files(self.pid)}  # noqa: PTH115  text
                return f"socket:[{fields[9]}]" in sockets
        return False


def _open_files(pid: int) -> list[str]:
    folder = f"/proc/{pid}/fd"
    return [f"{folder}/{name}" for name in os.listdir(folder)]  # noqa: PTH208  as above


# --- what the files say ---------------------------------------------------------------------------


class Live(NamedTuple):
    """An article of the script: where it is, and what a feed shows of it."""

    path: str
    topic: int
    title: str
    published: int

    @property
    def id(self) -> str:
        """As the server makes it of the path."""
        return f"tag:feeds.example,2025:{self.path.removesuffix('.md').replace('/_', '/')}"

    @property
    def text(self) -> str:
        """The file."""
        date = datetime.fromtimestamp(self.published, UTC)
        return (
            f"---\ntitle: {self.title}\ndate: {date:%Y-%m-%dT%H:%M:%SZ}\nprovider: Live\n"
            f"webUrl: https://live.example/{self.published}\ntopics: [Live {self.topic}]\n---\n{TEXT}\n"
        )


TEXT = "What is written here is of the length that a short article has. " * 12

Shown = list[tuple[str, str]]


class Model:
    """The articles that are there, and the feeds that follow from them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aside = folder.with_name("aside.md")
        self._numbers = 0
        self.articles: dict[str, Live] = {}

    def expected(self, feed: str) -> Shown:
        """Ids and titles of a feed, in its order."""
        topic = re.match(r"/topics/live-(\d+)\.", feed)
        chosen = [one for one in self.articles.values() if topic is None or one.topic == int(topic[1])]
        chosen.sort(key=lambda one: (one.published, one.id), reverse=True)
        return [(one.id, one.title) for one in chosen[:FEED_LIMIT]]

    # Each change returns the moment of its file operation.

    def create(self, topic: int) -> float:
        self._numbers += 1
        path = f"live/_news/a-{self._numbers}.md"
        return self.put(Live(path, topic, f"New {self._numbers}", MARCH_2024 + self._numbers))

    def put(self, article: Live) -> float:
        """Write a file aside and rename it into place."""
        target = self._folder / article.path
        target.parent.mkdir(parents=True, exist_ok=True)
        self._aside.write_text(article.text, encoding="utf-8")
        self._aside.replace(target)
        self.articles[article.path] = article
        return time.perf_counter()

    def edit(self, article: Live) -> float:
        return self.put(self._edited(article))

    def edit_in_place(self, article: Live) -> float:
        edited = self._edited(article)
        (self._folder / article.path).write_text(edited.text, encoding="utf-8")
        self.articles[article.path] = edited
        return time.perf_counter()

    def _edited(self, article: Live) -> Live:
        self._numbers += 1
        return article._replace(title=f"Edited {self._numbers}")

    def touch(self, article: Live) -> float:
        os.utime(self._folder / article.path)
        return time.perf_counter()

    def hide(self, article: Live) -> float:
        text = article.text.replace("---\n", "---\npublished: false\n", 1)
        self._aside.write_text(text, encoding="utf-8")
        self._aside.replace(self._folder / article.path)
        del self.articles[article.path]
        return time.perf_counter()

    def delete(self, article: Live) -> float:
        (self._folder / article.path).unlink()
        del self.articles[article.path]
        return time.perf_counter()

    def move(self, article: Live) -> float:
        self._numbers += 1
        moved = article._replace(path=f"live/_moved/b-{self._numbers}.md")
        (self._folder / moved.path).parent.mkdir(parents=True, exist_ok=True)
        (self._folder / article.path).rename(self._folder / moved.path)
        del self.articles[article.path]
        self.articles[moved.path] = moved
        return time.perf_counter()

    def surge(self, topic: int) -> float:
        for _ in range(SURGE):
            moment = self.create(topic)
        return moment


_ENTRIES = {
    "atom": re.compile(rb"<entry><id>(?P<id>[^<]*)</id><title[^>]*>(?P<title>[^<]*)</title>"),
    "rss": re.compile(rb"<item><title>(?P<title>[^<]*)</title>.*?<guid[^>]*>(?P<id>[^<]*)</guid>", re.S),
}


def shown(feed: str, body: bytes) -> Shown:
    """Ids and titles of a document, in its order."""
    fmt = feed.rpartition(".")[2]
    if fmt == "json":
        return [(item["id"], item["title"]) for item in json.loads(body)["items"]]
    return [(found["id"].decode(), found["title"].decode()) for found in _ENTRIES[fmt].finditer(body)]


# --- the checker ----------------------------------------------------------------------------------


class Held(NamedTuple):
    """The copy of a feed that a client holds."""

    etag: str
    entries: Shown


class Checker:
    """Compares what every worker serves with the model. Holds what a client of each would hold."""

    def __init__(self, workers: Sequence[Worker], model: Model, counts: Counter[str]) -> None:
        self._workers = workers
        self._model = model
        self._counts = counts
        self._held: dict[tuple[int, str], Held] = {}

    def wait(self, feeds: Mapping[str, Shown | None]) -> dict[str, float]:
        """Ask until all workers serve some feeds as the model says; when the last worker served each.

        They are asked in turn: one that may take longer, such as that of a deleted article, delays no other.
        Until then the workers may serve what was before, and nothing else; None allows everything. A file
        that moves is two articles, and may be at both places for a moment, never at none.
        """
        olds = {feed: {one.pid: self._held.get((one.pid, feed)) for one in self._workers} for feed in feeds}
        waiting = [(feed, worker) for feed in feeds for worker in self._workers]
        done: dict[str, float] = {}
        give_up = time.perf_counter() + GIVE_UP_SECONDS
        while waiting and time.perf_counter() < give_up:
            for feed, worker in list(waiting):
                before, after = feeds[feed], self._model.expected(feed)
                entries = self._ask(worker, feed).entries
                if entries == after:
                    waiting.remove((feed, worker))
                    done[feed] = time.perf_counter()
                elif before is not None and not is_between(entries, before, after):
                    self._counts["other entries than the files say"] += 1
            time.sleep(POLL_SECONDS if waiting else 0)
        late = {feed for feed, _ in waiting}
        self._counts["changes never served"] += len(late)
        for feed in feeds.keys() - late:
            self._ask_for_lies(feed, olds[feed])
        return done | dict.fromkeys(late, time.perf_counter())

    def _ask(self, worker: Worker, feed: str) -> Held:
        """The copy that a polling client holds then."""
        held = self._held.get((worker.pid, feed), Held("", []))
        answer = worker.ask(feed, held.etag)
        if answer.status == 200:
            held = self._held[worker.pid, feed] = Held(answer.etag, shown(feed, answer.body))
        return held

    def _ask_for_lies(self, feed: str, olds: Mapping[int, Held | None]) -> None:
        """Check that a client of the present state gets 304 from every worker, and others get 200."""
        current = {self._held[worker.pid, feed].etag for worker in self._workers}
        self._counts["workers that disagree"] += len(current) > 1
        for worker in self._workers:
            for etag in current:
                self._counts["200 to who holds the content"] += worker.ask(feed, etag).status != 304
            old = olds[worker.pid]
            if old is not None and old.etag not in current:
                self._counts["304 that lie"] += worker.ask(feed, old.etag).status != 200

    def check(self, feed: str) -> None:
        """Check that an unchanged feed is served as it was, also to clients that hold it."""
        for worker in self._workers:
            before = self._held.get((worker.pid, feed))
            now = self._ask(worker, feed)
            expected = self._model.expected(feed)
            self._counts["other entries than the files say"] += now.entries != expected
            was_current = before is not None and before.entries == expected
            self._counts["changes of what did not change"] += was_current and before != now


def is_between(entries: Shown, before: Shown, after: Shown) -> bool:
    """Whether a feed is what it was, or shows a file that moves at both of its places."""
    both = {*before, *after}
    return entries == before or (set(entries) <= both and len(entries) >= min(len(before), len(after)))


def follow(model: Model, checker: Checker, seconds: float, counts: Counter[str]) -> dict[str, list[float]]:
    """Change files for some seconds; the delays of changes by what they were."""
    chance = random.Random(1)  # noqa: S311  no secret
    delays: dict[str, list[float]] = {}
    end = time.monotonic() + seconds
    next_surge = time.monotonic() + seconds / 8
    while time.monotonic() < end:
        is_surge = time.monotonic() > next_surge
        if is_surge:
            next_surge += seconds / 5
        topics = chance.sample(range(TOPICS), 1 if is_surge else chance.choice((1, 1, 1, 2, 5)))
        feeds = [f"/topics/live-{topic}.{chance.choice(FORMATS)}" for topic in topics]
        for feed in feeds:
            checker.check(feed)
        before = [model.expected(feed) for feed in feeds]
        made = [change(model, topic, chance, is_surge) for topic in topics]
        olds = zip(feeds, before, strict=True)
        done = checker.wait({feed: None if is_surge else old for feed, old in olds})
        for feed, old, (name, moment) in zip(feeds, before, made, strict=True):
            if old != model.expected(feed):
                delays.setdefault(name, []).append(done[feed] - moment)
            counts["changes"] += 1
        unchanged = chance.sample([topic for topic in range(TOPICS) if topic not in topics], 2)
        for topic in unchanged:
            checker.check(f"/topics/live-{topic}.{chance.choice(FORMATS)}")
        time.sleep(chance.random() * 0.2)
    return delays


def change(model: Model, topic: int, chance: random.Random, is_surge: bool) -> tuple[str, float]:
    """Change a file that a topic's feed shows, or let one or many appear; what it was, and when."""
    if is_surge:
        return f"{SURGE} files at once", model.surge(topic)
    there = sorted(one for one in model.articles.values() if one.topic == topic)
    there.sort(key=lambda one: one.published)
    changes: dict[str, Callable[[Live], float]] = {
        "edited by renaming": model.edit, "edited in place": model.edit_in_place, "touched": model.touch,
        "hidden": model.hide, "deleted": model.delete, "moved": model.move,
    }  # fmt: skip
    name = chance.choice(["created", "created", *changes])
    if name == "created" or len(there) < FIRST_ARTICLES // 2:
        return "created by renaming", model.create(topic)
    return name, changes[name](chance.choice(there[-FEED_LIMIT:]))


# --- latency --------------------------------------------------------------------------------------


class Taken(NamedTuple):
    """How long a request took, in seconds, and whether its document was another one than before."""

    seconds: float
    has_changed: bool


def latencies(workers: Sequence[Worker], feeds: Sequence[str], is_over: Callable[[], bool]) -> list[Taken]:
    """Requests, one at a time, every other one on condition, until it is over."""
    chance = random.Random(2)  # noqa: S311  no secret
    held: dict[tuple[int, str], str] = {}
    taken = []
    while not is_over():
        for _ in range(50):
            feed, worker = chance.choice(feeds), chance.choice(workers)
            before = held.get((worker.pid, feed), "")
            answer = worker.ask(feed, before if chance.random() < 0.5 else "")
            held[worker.pid, feed] = answer.etag or before
            taken.append(Taken(answer.seconds, held[worker.pid, feed] != before))
            time.sleep(0.004)
    return taken


def keep_to(cores: set[int], pid: int) -> None:
    """Let a process, its threads and what it starts from now on run on some cores only."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def bring(folder: Path, aside: Path, size: int, cores: set[int]) -> subprocess.Popen[bytes]:
    """Let many files arrive as from another machine, by a process on some cores."""
    for path, text in articles(size, seed=2):
        target = aside / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    copy = ["rsync", "-a"] if shutil.which("rsync") else ["cp", "-a"]
    process = subprocess.Popen([*copy, f"{aside}/.", f"{folder / 'arrived'}/"])
    keep_to(cores, process.pid)
    return process


def published(worker: Worker) -> int:
    """How many articles are served."""
    count: int = json.loads(worker.ask("/status.json").body)["articles"]
    return count


# --- the table ------------------------------------------------------------------------------------


def measure(
    size: int, seconds: float, burst: int, work: Path, *, keeps_free: bool
) -> Iterator[tuple[str, str]]:
    """All rows; with a core that is free of requests, if that is wanted."""
    cores = os.sched_getaffinity(0)
    last = {max(cores)} if keeps_free else cores
    others = cores - last or cores
    folder, state, port = work / "articles", work / "state", free_port()
    write_corpus(folder, size)
    model, counts = Model(folder), Counter[str]()
    for number in range(FIRST_ARTICLES * TOPICS):
        model.create(number % TOPICS)
    options = (str(folder), "--state-dir", str(state), "--base-url", BASE_URL)
    subprocess.run([*FEEDSERVER, "index", *options], stdout=subprocess.DEVNULL, check=True)
    with quiet(*FEEDSERVER, "serve", *options, "--workers", str(WORKERS), "--port", str(port)) as server:
        wait_until_ready(port)
        time.sleep(SETTLING_SECONDS)
        pids = [pid for pid in children(server.pid) if not is_indexer(pid)]
        for pid in (os.getpid(), *pids):
            keep_to(others, pid)
        for pid in filter(is_indexer, descendants(server.pid)):
            keep_to(last, pid)
        workers = [Worker(pid, port, counts) for pid in pids]
        yield "articles, workers", f"{size:,}, {len(workers)}"
        checker = Checker(workers, model, counts)
        feeds = [f"/topics/live-{topic}.{fmt}" for topic in range(TOPICS) for fmt in FORMATS]
        every = [*feeds, *(f"/articles.{fmt}" for fmt in FORMATS)]
        for feed in every:
            checker.wait({feed: None})
        yield from changing_rows(model, checker, seconds, counts)
        for feed in every:
            checker.wait({feed: None})
        yield from zero_rows(counts)
        yield from burst_rows(workers, [*feeds, *list(feed_paths(port))[:60]], folder, burst, last)
        for feed in every:
            checker.wait({feed: None})
        yield "5xx, with the burst", f"{counts['5xx']} of {counts['requests']:,} requests"


def changing_rows(
    model: Model, checker: Checker, seconds: float, counts: Counter[str]
) -> Iterator[tuple[str, str]]:
    """The delays, of all changes and by kind."""
    delays = follow(model, checker, seconds, counts)
    singles = [delay for name, some in delays.items() if not name.startswith(str(SURGE)) for delay in some]
    yield "changes in so many seconds", f"{counts['changes']:,} in {seconds:.0f}"
    yield "file operation → every worker serves it", in_ms(singles)
    for name, some in sorted(delays.items()):
        yield f"… {name}", in_ms(some)
    late = sum(delay > LATE_SECONDS for delay in singles)
    yield f"changes later than {LATE_SECONDS * 1e3:.0f} ms", f"{late} of {len(singles)}"


def zero_rows(counts: Counter[str]) -> Iterator[tuple[str, str]]:
    """Counts of faults, which must stay zero."""
    for name in (
        "5xx", "304 that lie", "200 to who holds the content", "other entries than the files say",
        "changes of what did not change", "workers that disagree", "changes never served",
    ):  # fmt: skip
        yield (
            name,
            f"{counts[name]} of {counts['requests']:,} requests" if name == "5xx" else str(counts[name]),
        )


def burst_rows(
    workers: Sequence[Worker], feeds: Sequence[str], folder: Path, burst: int, cores: set[int]
) -> Iterator[tuple[str, str]]:
    """The latency of requests while many files arrive, beside the one when nothing happens."""
    end = time.monotonic() + IDLE_SECONDS
    idle = latencies(workers, feeds, lambda: time.monotonic() > end)
    wanted = published(workers[0]) + burst
    with bring(folder, folder.with_name("brought"), burst, cores) as copy:
        begun = time.monotonic()
        give_up = begun + 30 * GIVE_UP_SECONDS
        busy = latencies(
            workers, feeds, lambda: published(workers[0]) >= wanted or time.monotonic() > give_up
        )
        taken = time.monotonic() - begun
        copy.wait()
    for name, kinds in (("a request", (True, False)), ("… for a document that has to be made", (True,))):
        before, meanwhile = (
            [one.seconds for one in some if one.has_changed in kinds] for some in (idle, busy)
        )
        yield f"{name}, nothing happens", in_ms(before)
        yield f"{name}, while {burst:,} files arrive", in_ms(meanwhile)
        ratios = [percentile(meanwhile, share) / percentile(before, share) for share in (0.5, 0.99)]
        yield "… of the one when nothing happens", "p50 × {:.1f}, p99 × {:.1f}".format(*ratios)
    yield f"first of {burst:,} files → all are served", f"{taken:.1f} s"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of all values lies."""
    return sorted(values)[int(len(values) * share)]


def in_ms(values: Sequence[float]) -> str:
    """Median, 99th percentile and maximum."""
    if not values:
        return "–"
    figures = (statistics.median(values), percentile(values, 0.99), max(values))
    return (
        "p50 {:.1f}, p99 {:.1f}, max {:.1f} ms".format(*(1e3 * one for one in figures))
        + f" (n = {len(values):,})"
    )


def main() -> int:
    """Print the table, row by row as it is measured."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its modules compiled
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--articles", type=int, default=100_000, help="size of the corpus")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long files are changed")
    parser.add_argument("--burst", type=int, default=10_000, help="files that arrive at once")
    parser.add_argument("--free-core", action="store_true", help="keep the last core free of requests")
    options = parser.parse_args()
    print("| what | figure |\n|---|---|")  # noqa: T201  a table is what this prints
    with tempfile.TemporaryDirectory() as work:
        rows = measure(
            options.articles, options.seconds, options.burst, Path(work), keeps_free=options.free_core
        )
        for what, figure in rows:
            print(f"| {what} | {figure} |", flush=True)  # noqa: T201  as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
