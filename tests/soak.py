"""A server that is attacked while it runs: what it serves, and what it never may.

One command runs it and prints a table; it ends with 1 if something happened that must not:

    python tests/soak.py                                  # 8 minutes, 50 clients
    python tests/soak.py --minutes 1 --clients 12 --seed 7
    python tests/soak.py --without hostile clock          # to find out which of them a fault comes from

Real gunicorn with three workers serves a folder. Clients poll its feeds in all formats, conditionally, by
connections that stay and by new ones. Meanwhile articles are created, edited, hidden and deleted; workers,
the indexer and gunicorn's master are killed; gunicorn is told to reload; hostile files arrive; silent and
slow clients hold connections (those of `benchmarks/slow_clients.py`); and the clock of workers and indexer
jumps 400 days ahead and back (`clock.c`, where there is a C compiler). Each answer is compared with the
states that the files had: one that never was is wrong, one that ended too long ago is late.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import math
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from typing import NamedTuple

from builders import write_article
from servers import PATIENCE, REPOSITORY, Answer, Server, alive, free_port, started

WORKERS = 3
TOPICS = 8
ARTICLES = 12  # of each topic at the start
FORMATS = ("rss", "atom", "json")
CONFIG = str(REPOSITORY / "config" / "gunicorn.conf.py")
HOLDER = REPOSITORY / "tests" / "benchmarks" / "slow_clients.py"
SLOW_CLIENTS = 60
SLOW_KINDS = ("silent", "half a request line", "drips", "half a body", "idle", "reads nothing")

# Stresses that can be left out; changes of articles, signals and polling clients cannot.
EXTRAS = ("hostile", "slow", "clock")

# Seconds after a disturbance until the server has recovered. Workers and indexer may have to start anew, on a
# machine with other work; from then on an answer may be as late.
LATE = 20.0
AHEAD = timedelta(days=400)
AHEAD_SECONDS = 3.0
EMBARGO = timedelta(days=100)
EDIT_PAUSE = 0.25  # seconds between two edits; a topic has its turn every two seconds
HOSTILE_PAUSE = 2.0
HOSTILE_BYTES = 200_000
POLL_PAUSE = 0.04
PEACE = 2.0  # seconds between two disturbances, beside the time that the server needs to recover
FRESH = 1.5  # seconds

_TOKEN = re.compile(rb"Story-\d+-\d+-v\d+")
_HIDDEN = b"Embargoed"

Tokens = tuple[bytes, ...]


# --- What the files say ---------------------------------------------------------------------------


class State(NamedTuple):
    """How an article is shown, None if it is not, and the moment when its file said so at the latest."""

    token: bytes | None
    known: float


class Truth:
    """The articles, and all states that each of them went through.

    What a feed shows is judged article by article: after the indexer was killed several changes wait for the
    next one, which reads them in the order of their paths and publishes them in batches.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = random.Random(seed)  # noqa: S311  no secret
        self._numbers = itertools.count()
        self._there: dict[int, list[int]] = {topic: [] for topic in range(TOPICS)}
        self._lock = threading.Lock()
        self._states: dict[int, dict[int, list[State]]] = {topic: {} for topic in range(TOPICS)}
        for topic in range(TOPICS):
            for _ in range(ARTICLES):
                self._create(topic)

    def change(self, topic: int) -> None:
        """Change one article of a topic in some way."""
        there = self._there[topic]
        number = self._chance.choice(there)
        kind = self._chance.choices(("edit", "hide", "create", "delete"), (6, 2, 2, 1))[0]
        if kind == "create" or len(there) < ARTICLES:
            self._create(topic)
        elif kind == "delete" or len(there) > 2 * ARTICLES:
            there.remove(number)
            self._path(topic, number).unlink()
            self._note(topic, number, None)
        else:
            self._write(topic, number, is_hidden=kind == "hide")

    def lateness(self, topic: int, tokens: Tokens, asked: float) -> float | None:
        """For how long what is shown had ended when somebody asked; None if it never was, or not so."""
        shown = {int(token.split(b"-")[2]): token for token in tokens}
        if list(shown) != sorted(shown, reverse=True):
            return None
        with self._lock:
            states = {number: list(some) for number, some in self._states[topic].items()}
        late = [_lateness(some, shown.pop(number, None), asked) for number, some in states.items()]
        known = [one for one in late if one is not None]
        return max(known) if len(known) == len(late) and not shown else None

    def _create(self, topic: int) -> None:
        number = next(self._numbers)
        self._there[topic].append(number)
        with self._lock:
            self._states[topic][number] = [State(None, 0.0)]
        self._write(topic, number, is_hidden=False)

    def _path(self, topic: int, number: int) -> Path:
        return self._folder / "_news" / f"story-{topic}-{number}.md"

    def _write(self, topic: int, number: int, *, is_hidden: bool) -> None:
        """Write a file aside and rename it into place."""
        title = f"Story-{topic}-{number}-v{len(self._states[topic][number])}"
        published = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        aside = write_article(
            self._folder.with_name("aside"), "aside.md", body=f"Text of {title}. " * 40,
            title=title, publishedDateTime=published.isoformat(), draft=is_hidden,
            webUrl=f"https://example.org/{number}", topics=[f"Topic {topic}"], provider="Gazette",
        )  # fmt: skip
        self._path(topic, number).parent.mkdir(parents=True, exist_ok=True)
        aside.replace(self._path(topic, number))
        self._note(topic, number, None if is_hidden else title.encode())

    def _note(self, topic: int, number: int, token: bytes | None) -> None:
        with self._lock:
            self._states[topic][number].append(State(token, time.monotonic()))


def _lateness(states: list[State], token: bytes | None, asked: float) -> float | None:
    """For how long the newest state that looks so had ended; None if there is no such one."""
    following = None
    for state in reversed(states):
        if state.token == token:
            return 0.0 if following is None else max(0.0, asked - following.known)
        following = state
    return None


def hostile_files(chance: random.Random, largest: int) -> Iterator[tuple[str, bytes]]:
    """Files that readers have failed at, each of up to so many bytes or a little more, without an end."""
    head = b"---\ndate: 2024-05-01\nwebUrl: https://example.org/h\ntopics: [Hostile]\n"
    for number in itertools.count():
        size = chance.choice((1_000, largest // 10, largest))
        yield f"tab-{number}.md", head + b'title: "a\tb \\x41"\n---\nText.\n'
        yield f"nested-{number}.md", head + b"title: a\na:" + b" [" * (size // 4) + b"\n---\nText.\n"
        lists = b"".join(b" " * depth + b"- a:\n" for depth in range(min(size // 400, 400)))
        yield f"lists-{number}.md", head + b"title: a\ndeep:\n" + lists + b"---\nText.\n"
        yield (
            f"iframe-{number}.md",
            head + b"title: a\nfeaturedContent: '<iframe " + b"a" * size + b">'\n---\n",
        )
        keys = b",\n".join(b'"k": %d' % one for one in range(size // 10))
        yield f"keys-{number}.json", b"{" + keys + b"}"
        yield f"dots-{number}.md", b"+++\n" + b"a." * (size // 2) + b"a = 1\n+++\n"
        yield f"quotes-{number}.md", head + b"title: a\n---\n" + b"> " * (size // 2) + b"\n"
        yield f"ampersands-{number}.md", head + b"title: a\n---\n" + b"&" * size
        yield f"bold-{number}.html", head + b"title: a\n---\n" + b"<b title=1><p>x" * (size // 16)
        yield f"marks-{number}.md", head + "title: a{}\n---\n".format("\u0301" * (size // 2)).encode()
        yield f"bytes-{number}.md", chance.randbytes(size)


def tokens_of(document: bytes) -> Tokens:
    """The titles in a document, in their order, each once."""
    return tuple(dict.fromkeys(_TOKEN.findall(document)))


# --- What clients see -----------------------------------------------------------------------------


@dataclass
class Seen:
    """Counts of events. Those in `faults` must stay zero."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    latest: float = 0.0
    largest: Counter[str] = field(default_factory=Counter)
    growth: float = 0.0
    freed: float = 0.0
    recovery: float = 0.0

    def fault(self, name: str, example: object) -> None:
        """Count something that must not happen, and keep the first example."""
        self.faults[name] += 1
        self.examples.setdefault(name, str(example)[:400])


class Weather:
    """The stresses that the server is under now, which tell which failures are expected."""

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self.disturbed_until = 0.0
        self.calm_since = 0.0
        self.ahead_until = 0.0  # articles of the future may be shown

    def is_rough(self, since: float) -> bool:
        """Whether a process was killed since a moment, or shortly before it."""
        return since < self.disturbed_until


class Client(threading.Thread):
    """A reader that polls: conditionally, in all formats, every second one by a connection that stays."""

    def __init__(self, number: int, port: int, truth: Truth, weather: Weather, seen: Seen) -> None:
        super().__init__(name=f"client-{number}")
        self._stays = number % 2 == 0
        self._port = port
        self._truth = truth
        self._weather = weather
        self._seen = seen
        self._chance = random.Random(number)  # noqa: S311  no secret
        self._connection: http.client.HTTPConnection | None = None
        self._held: dict[str, tuple[str, Tokens, bool]] = {}

    def run(self) -> None:
        """Poll until it is over."""
        while not self._weather.is_over.wait(self._chance.random() * 2 * POLL_PAUSE):
            topic, fmt = self._chance.randrange(TOPICS), self._chance.choice(FORMATS)
            asked = time.monotonic()
            path = f"/topics/topic-{topic}.{fmt}"
            try:
                self._poll(topic, path, asked)
            except (OSError, http.client.HTTPException) as error:
                self._hang_up()
                self._seen.counts["cut off"] += 1
                if not self._weather.is_rough(asked):
                    self._seen.fault("failed requests", f"{path}: {error!r}")
            if not self._stays:
                self._hang_up()
        self._hang_up()

    def _poll(self, topic: int, path: str, asked: float) -> None:
        etag = self._held.get(path, ("", (), False))[0]
        status, headers, body = self._ask(path, {"If-None-Match": etag} if etag else {})
        self._seen.counts[f"answers {status}"] += 1
        if status == 200:
            self._held[path] = (headers["ETag"], tokens_of(body), _HIDDEN in body)
        elif status != 304 or not etag:
            if status < 500 or not self._weather.is_rough(asked):
                self._seen.fault(
                    "5xx" if status >= 500 else "other answers", f"{path}: {status} {body[:100]!r}"
                )
            return
        self._judge(topic, path, asked, status)

    def _judge(self, topic: int, path: str, asked: float, status: int) -> None:
        _, tokens, shows_future = self._held[path]
        if shows_future and asked > self._weather.ahead_until:
            self._seen.fault("articles of the future", path)
        late = self._truth.lateness(topic, tokens, asked)
        for _ in range(5):  # a file changes a moment before it is noted
            if late is not None:
                break
            time.sleep(0.1)
            late = self._truth.lateness(topic, tokens, asked)
        if late is None:
            self._seen.fault("wrong content", f"{path}: {status} {tokens}")
            return
        self._seen.latest = max(self._seen.latest, late)
        if min(late, asked - self._weather.calm_since) > LATE:
            self._seen.fault("304 that lie" if status == 304 else "late content", f"{path}: {late:.1f} s")

    def _ask(self, path: str, headers: Mapping[str, str]) -> tuple[int, Message, bytes]:
        """One request. One on a connection that was idle is repeated, since the server may have closed it."""
        if self._connection is not None:
            with contextlib.suppress(http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                return self._exchange(self._connection, path, headers)
            self._hang_up()
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        return self._exchange(self._connection, path, headers)

    @staticmethod
    def _exchange(
        connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]
    ) -> tuple[int, Message, bytes]:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


# --- What is done to the server -------------------------------------------------------------------


class Attack:
    """A server over a folder, and all that happens to it while clients poll."""

    def __init__(self, work: Path, seed: int, seen: Seen, *, moves_clock: bool) -> None:
        self._work = work
        self._chance = random.Random(seed)  # noqa: S311  no secret
        self._seen = seen
        self._clock = work / "clock"
        self.port = free_port()
        self.weather = Weather()
        self.truth = Truth(work / "articles", seed)
        self._servers = contextlib.ExitStack()
        self._server: Server | None = None
        self._sizes: dict[int, int] = {}
        self.clock_library = compiled_clock(work) if moves_clock else None
        future = datetime.now(UTC) + EMBARGO
        write_article(
            work / "articles", "_news/future.md", body="Text.", title=_HIDDEN.decode(),
            publishedDateTime=future.isoformat(), webUrl="https://example.org/future",
            topics=[f"Topic {number}" for number in range(TOPICS)], provider="Gazette",
        )  # fmt: skip

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The server, and whatever is left of it and of its successors ended."""
        with self._servers:
            self._start()
            yield

    def _start(self) -> None:
        self._set_clock(timedelta(0))
        environ = {
            "FEEDSERVER_ARTICLES": f"[{self._work / 'articles'}]",
            "FEEDSERVER_SITE__BASE_URL": "https://feeds.example",
            "FEEDSERVER_STATE__DIR": str(self._work / "state"),
        }
        if self.clock_library is not None:
            environ |= {"LD_PRELOAD": str(self.clock_library), "CLOCK_OFFSET_FILE": str(self._clock)}
        bind = ("--workers", str(WORKERS), "--bind", f"127.0.0.1:{self.port}")
        command = [sys.executable, "-m", "gunicorn", "-c", CONFIG, *bind, "wsgi:app"]
        self._server = self._servers.enter_context(started(command, self.port, self._work, environ))
        self._server.wait_for(self._is_ready, patience=3 * PATIENCE)

    def _ask(self, path: str) -> Answer:
        assert self._server is not None
        return self._server.ask(path)

    def _is_ready(self) -> bool:
        return self._ask("/readyz").status == 200

    def rage(self, seconds: float) -> None:
        """Disturb the server until the time is over, then let it come to rest."""
        kinds: list[tuple[Callable[[], None], int]] = [
            (self._kill_worker, 6), (self._kill_indexer, 3), (self._reload, 3), (self._kill_master, 1),
        ]  # fmt: skip
        if self.clock_library is not None:
            kinds.append((self._jump, 2))
        first = [action for action, _ in kinds]  # each of them at least once
        self._chance.shuffle(first)
        end = time.monotonic() + seconds
        while time.monotonic() < end or first:
            time.sleep(PEACE)
            self._weigh()
            action = first.pop() if first else self._chance.choices(*zip(*kinds, strict=True))[0]
            self.weather.calm_since = math.inf
            action()
            self.weather.calm_since = time.monotonic()
            self._recover()

    def _recover(self) -> None:
        """Wait until every feed is what the files say, or until clients have noticed that it is not."""
        begun = time.monotonic()
        waiting = set(range(TOPICS))
        while waiting and time.monotonic() - begun < 1.5 * LATE:
            for topic in sorted(waiting):
                asked = time.monotonic()
                with contextlib.suppress(OSError, http.client.HTTPException):
                    late = self.truth.lateness(
                        topic, tokens_of(self._ask(f"/topics/topic-{topic}.rss").body), asked
                    )
                    if late is not None and late < FRESH:
                        waiting.discard(topic)
            time.sleep(0.1)
        self._seen.recovery = max(self._seen.recovery, time.monotonic() - begun)

    def _kill_worker(self) -> None:
        workers, _ = self._processes()
        self._kill("workers killed", self._chance.choice(sorted(workers)) if workers else None)

    def _kill_indexer(self) -> None:
        _, indexers = self._processes()
        self._kill("indexers killed", self._chance.choice(sorted(indexers)) if indexers else None)

    def _kill(self, name: str, pid: int | None) -> None:
        if pid is None:
            return
        self._disturb(PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._seen.counts[name] += 1
        self._disturb(1.0)

    def _kill_master(self) -> None:
        """Kill gunicorn's master, and start another as soon as its port is free."""
        assert self._server is not None
        self._disturb(10 * PATIENCE)
        self._server.process.send_signal(signal.SIGKILL)
        self._server.process.wait()
        begun = time.monotonic()
        while True:
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", self.port)):
                break
            if time.monotonic() - begun > PATIENCE:
                self._seen.fault("ports kept by orphans", self.port)
                raise SystemExit("the port was not free again")
            time.sleep(0.02)
        self._seen.freed = max(self._seen.freed, time.monotonic() - begun)
        self._seen.counts["masters killed"] += 1
        self._start()
        self._disturb(1.0)

    def _reload(self) -> None:
        """Have all workers replaced, which must cost no request."""
        assert self._server is not None
        old = self._processes()[0]
        self._server.process.send_signal(signal.SIGHUP)
        self._server.wait_for(lambda: not alive(old), patience=3 * PATIENCE)
        self._seen.counts["reloads"] += 1

    def _jump(self) -> None:
        """Let the clock be 400 days ahead for a moment, as before a machine's time is set."""
        self.weather.ahead_until = time.monotonic() + 100 * PATIENCE
        self._set_clock(AHEAD)
        time.sleep(AHEAD_SECONDS)
        self._set_clock(timedelta(0))
        self.weather.ahead_until = time.monotonic() + LATE
        self._seen.counts["jumps of the clock"] += 1

    def _set_clock(self, ahead: timedelta) -> None:
        """In place, because processes have the file mapped."""
        self._clock.touch()
        with self._clock.open("r+b") as file:
            file.write(struct.pack("q", int(ahead.total_seconds())))

    def _disturb(self, seconds: float) -> None:
        self.weather.disturbed_until = time.monotonic() + seconds

    def _processes(self) -> tuple[set[int], set[int]]:
        """Workers and indexers (with the processes that these have read files)."""
        assert self._server is not None
        workers: set[int] = set()
        indexers: set[int] = set()
        for pid in self._server.family():
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                (workers if b"gunicorn" in command else indexers).add(pid)
        return workers, indexers

    def _weigh(self) -> None:
        """Note the memory of all processes, and how much each has grown since it was first weighed."""
        for name, pids in zip(("worker", "indexer"), self._processes(), strict=True):
            for pid in pids:
                with contextlib.suppress(OSError, IndexError):
                    status = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
                    size = int(status[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000
                    self._seen.largest[name] = max(self._seen.largest[name], size)
                    if name == "worker":
                        self._seen.growth = max(self._seen.growth, size - self._sizes.setdefault(pid, size))

    def edit(self) -> None:
        """Change articles of one topic after another until it is over."""
        for topic in itertools.cycle(range(TOPICS)):
            if self.weather.is_over.wait(EDIT_PAUSE):
                return
            self.truth.change(topic)
            self._seen.counts["edits"] += 1

    def infest(self, largest: int) -> None:
        """Let hostile files come and go until it is over."""
        folder = self._work / "articles" / "hostile"
        folder.mkdir()
        for name, content in hostile_files(self._chance, largest):
            if self.weather.is_over.wait(HOSTILE_PAUSE):
                return
            (folder / name).write_bytes(content)
            self._seen.counts["hostile files"] += 1
            for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-20]:
                old.unlink()

    @contextlib.contextmanager
    def pestered(self) -> Iterator[None]:
        """Slow and silent clients, in a process of their own."""
        command = [sys.executable, str(HOLDER), "--hold", str(self.port), str(SLOW_CLIENTS), *SLOW_KINDS]
        environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def compiled_clock(work: Path) -> Path | None:
    """The library that moves the clock of a process; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library, source = work / "clock.so", Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


def run(
    work: Path,
    seconds: float,
    clients: int,
    seed: int,
    *,
    without: Collection[str] = (),
    hostile_bytes: int = HOSTILE_BYTES,
) -> Seen:
    """Run a server and attack it; what was seen. `without` names those of `EXTRAS` that are left out."""
    seen = Seen()
    attack = Attack(work, seed, seen, moves_clock="clock" not in without)
    with attack.running():
        threads: list[threading.Thread] = [
            Client(number, attack.port, attack.truth, attack.weather, seen) for number in range(clients)
        ]
        threads.append(threading.Thread(target=attack.edit))
        if "hostile" not in without:
            threads.append(threading.Thread(target=attack.infest, args=(hostile_bytes,)))
        with contextlib.ExitStack() as stack:
            if "slow" not in without:
                stack.enter_context(attack.pestered())
            for thread in threads:
                thread.start()
            try:
                attack.rage(seconds)
            finally:
                attack.weather.is_over.set()
                for thread in threads:
                    thread.join()
    if attack.clock_library is None and "clock" not in without:
        seen.counts["jumps of the clock (there is no C compiler)"] = 0
    return seen


def rows(seen: Seen) -> Iterator[tuple[str, str]]:
    """The table."""
    for name, count in sorted(seen.counts.items()):
        yield name, f"{count:,}"
    yield "longest staleness", f"{seen.latest:.2f} s"
    yield "longest recovery, until every feed is what the files say", f"{seen.recovery:.2f} s"
    yield "longest time until a dead master's port was free", f"{seen.freed:.2f} s"
    yield "largest worker, largest indexer", f"{seen.largest['worker']} and {seen.largest['indexer']} MB"
    yield "largest growth of a worker", f"{seen.growth:.0f} MB"
    for name in (
        "5xx",
        "wrong content",
        "304 that lie",
        "late content",
        "articles of the future",
        "failed requests",
    ):
        yield f"**{name}**", str(seen.faults[name])
    for name in seen.faults:
        yield f"{name}: the first", seen.examples[name]


def main() -> int:
    """Print the table; 1 if something happened that must not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument(
        "--hostile-bytes", type=int, default=HOSTILE_BYTES, help="of the largest hostile file"
    )
    parser.add_argument("--without", nargs="+", default=(), choices=EXTRAS)
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}\n\n| what | figure |\n|---|---|")  # noqa: T201  a table is what this prints
    with tempfile.TemporaryDirectory() as name:
        seen = run(
            Path(name),
            chosen.minutes * 60,
            chosen.clients,
            chosen.seed,
            without=chosen.without,
            hostile_bytes=chosen.hostile_bytes,
        )
    for what, figure in rows(seen):
        print(f"| {what} | {figure} |")  # noqa: T201  as above
    return 1 if seen.faults else 0


if __name__ == "__main__":
    sys.exit(main())
