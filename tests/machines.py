"""Several machines on one: what web machines serve while database, cache, network or indexer fail.

One command makes hosts in network namespaces (it needs root, iproute2 and redis-server), prints a table, and
ends with 1 if something happened that must not:

    python tests/machines.py samples/articles
    python tests/machines.py FOLDER --edits 200 --clients 50 --cut 20 --kills 3

A host has PostgreSQL, one has Redis, two serve (real gunicorn, `index.role: web`, without articles), and two
have an indexer, of which one stands by. While something fails, clients poll feeds that both web machines have
cached. After each failure an article is added, and both must serve it: 200 for clients that hold the feed
before, 304 for others.
"""

from __future__ import annotations

import argparse
import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg
import redis_servers
from databases import DatabaseServer
from psycopg import sql
from redis_servers import SECRET, RedisServer
from servers import PATIENCE, REPOSITORY, descendants

NETWORK = "10.77.0"
EVERYWHERE = "0.0.0.0"  # noqa: S104  of a host that only the other ones reach
PORT = 8000
SCHEMA = "site"
WAIT_SECONDS = 30.0
HONEST_SECONDS = 2.0  # without an untrue answer, after which none is expected
_LOOKS = 4

Row = tuple[str, str]


class Hosts:
    """Network namespaces on one bridge; all are gone afterwards."""

    def __init__(self) -> None:
        self._prefix = f"fs{os.getpid() % 10_000}"
        self._names: list[str] = []
        self._ip("netns", "add", self.namespace("switch"))
        self._in("switch", "ip", "link", "add", "bridge", "type", "bridge")
        self._in("switch", "ip", "link", "set", "bridge", "up")

    def add(self, name: str) -> str:
        """Make a host. Returns its address."""
        self._names.append(name)
        number = len(self._names)
        port = f"{self._prefix}p{number}"
        self._ip("netns", "add", self.namespace(name))
        self._ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.namespace(name))
        self._ip("link", "set", port, "netns", self.namespace("switch"))
        self._in("switch", "ip", "link", "set", port, "master", "bridge", "up")
        self._in(name, "ip", "address", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            self._in(name, "ip", "link", "set", device, "up")
        return f"{NETWORK}.{number}"

    def command(self, name: str, *command: str) -> list[str]:
        """A command that runs on a host."""
        return ["ip", "netns", "exec", self.namespace(name), *command]

    @contextmanager
    def cut(self, name: str) -> Iterator[None]:
        """A host without its network: packets are lost, and nothing is told of it."""
        port = f"{self._prefix}p{self._names.index(name) + 1}"
        self._in("switch", "ip", "link", "set", port, "down")
        try:
            yield
        finally:
            self._in("switch", "ip", "link", "set", port, "up")

    def close(self) -> None:
        """Remove all of them."""
        for name in ("switch", *self._names):
            with suppress(subprocess.CalledProcessError):
                self._ip("netns", "delete", self.namespace(name))

    def namespace(self, name: str) -> str:
        """The name of a host's namespace."""
        return f"{self._prefix}-{name}"

    def _in(self, name: str, *command: str) -> None:
        subprocess.run(self.command(name, *command), check=True, capture_output=True)

    @staticmethod
    def _ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Machine:
    """A process of feedserver on a host, with a home folder of its own."""

    def __init__(self, hosts: Hosts, name: str, work: Path, arguments: Sequence[str], url: str) -> None:
        self.name = name
        self.address = hosts.add(name)
        self._hosts = hosts
        self._home = work / name
        self._home.mkdir()
        self._arguments = [*arguments]
        self.variables = {
            **{key: value for key, value in os.environ.items() if not key.startswith("FEEDSERVER_")},
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(self._home),
            "FEEDSERVER_INDEX__URL": url,
            "FEEDSERVER_INDEX__SITE_SCHEMA": SCHEMA,
            "FEEDSERVER_SITE__BASE_URL": "https://feeds.example",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        command = self._hosts.command(self.name, sys.executable, "-m", "feedserver", *self._arguments)
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._home, env=self.variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """Kill it and all its processes."""
        process, self._process = self._process, None
        if process is None:
            return
        for pid in {process.pid, *descendants(process.pid)}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(PATIENCE)

    def said(self) -> str:
        """Its log."""
        return (self._home / "log").read_text(errors="replace")

    def waits(self) -> bool:
        """Whether an indexer said last that it waits."""
        log = self.said()
        return log.rfind("this indexer waits") > log.rfind("this indexer goes on")


class Answer(NamedTuple):
    """What a web machine answered; status 0 if it did not."""

    status: int
    etag: str
    body: bytes


def ask(address: str, path: str, etag: str = "") -> Answer:
    """Ask a web machine, by a connection of its own."""
    connection = http.client.HTTPConnection(address, PORT, timeout=10)
    try:
        connection.request("GET", path, headers={"If-None-Match": etag} if etag else {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers.get("ETag", ""), answer.read())
    except OSError:
        return Answer(0, "", b"")
    finally:
        connection.close()


class Load:
    """Clients that poll feeds of all web machines conditionally, until they are stopped.

    Attributes:
        counts: of answers by status.
    """

    def __init__(self, addresses: Sequence[str], feeds: Sequence[str], clients: int) -> None:
        self.counts: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._poll, args=(addresses, feeds, number)) for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def _poll(self, addresses: Sequence[str], feeds: Sequence[str], number: int) -> None:
        held: dict[tuple[str, str], str] = {}
        turn = number
        while not self._stop.is_set():
            turn += 1
            address, feed = addresses[turn % len(addresses)], feeds[turn // len(addresses) % len(feeds)]
            etag = held.get((address, feed), "")
            answer = ask(address, feed, etag)
            self.counts["no answer" if not answer.status else f"{answer.status // 100}xx"] += 1
            if answer.status == 200:
                held[address, feed] = answer.etag
            self.counts["304"] += answer.status == 304
            time.sleep(0.02)

    def stop(self) -> Counter[str]:
        """End the clients. Returns the counts."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.counts


def wait_until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> float:
    """Wait until a condition holds. Returns the seconds that it took; infinite if it never did."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if condition():
            return time.monotonic() - begun
        time.sleep(0.005)
    return float("inf")


class Recovery(NamedTuple):
    """How long it took until an edit was served, and how many conditional requests were answered wrongly."""

    seconds: float
    lies: int


class Site:
    """The hosts and what runs on them. All must be well so many seconds after a disturbance."""

    def __init__(self, hosts: Hosts, folder: Path, work: Path, patience: float) -> None:
        self.hosts = hosts
        self._patience = patience
        self.articles = work / "articles"
        shutil.copytree(folder, self.articles)
        enter(hosts, "clients")
        address = hosts.add("database")
        options = {"listen_addresses": f"127.0.0.1,{address}"}
        self.database = DatabaseServer(
            work / "postgresql", options, prefix=hosts.command("database"), network=f"{NETWORK}.0/24"
        )
        self.url = f"postgresql://feedserver@{address}:{self.database.port}/postgres"
        cache = hosts.add("cache")
        open_to_hosts = ("--protected-mode", "no")
        self.cache = RedisServer(work, *open_to_hosts, port=6379, host=cache, prefix=hosts.command("cache"))
        serve = ["serve", "--host", EVERYWHERE, "--port", str(PORT)]
        index = ["index", "--watch", str(self.articles)]
        self.webs = [Machine(hosts, f"web{number}", work, serve, self.url) for number in (1, 2)]
        self.indexers = [Machine(hosts, f"indexer{number}", work, index, self.url) for number in (1, 2)]
        for web in self.webs:
            web.variables["FEEDSERVER_INDEX__ROLE"] = "web"
            web.variables["FEEDSERVER_CACHE__URL"] = self.cache.url
            web.variables["FEEDSERVER_CACHE__SECRET"] = SECRET
        self._edits = 0

    def start(self) -> None:
        """Start all of them, and wait until both web machines serve."""
        self.database.start()
        self.cache.start()
        for machine in (*self.indexers, *self.webs):
            machine.start()
        took = wait_until(lambda: all(self.ask(web, "/articles.rss").status == 200 for web in self.webs))
        if took == float("inf"):
            raise SystemExit("\n".join(machine.said()[-2000:] for machine in (*self.indexers, *self.webs)))

    def close(self) -> None:
        """End everything."""
        for machine in (*self.indexers, *self.webs):
            machine.kill()
        self.cache.stop()
        self.database.stop(signal.SIGKILL)

    @staticmethod
    def ask(web: Machine, path: str, etag: str = "") -> Answer:
        """Ask one web machine."""
        return ask(web.address, path, etag)

    def edit(self) -> str:
        """Add an article, renamed into place. Returns its title."""
        self._edits += 1
        title = f"Edit number {self._edits} of the machines"
        published = datetime(2024, 5, 1, tzinfo=UTC) + timedelta(seconds=self._edits)
        text = (
            f"---\ntitle: {title}\npublishedDateTime: {published:%Y-%m-%dT%H:%M:%SZ}\n"
            f"webUrl: https://gazette.example/edits/{self._edits}\ntopics: [Machines]\n---\nText.\n"
        )
        aside = self.articles / f".edit-{self._edits}"
        aside.write_text(text)
        os.utime(aside, (time.time() - 10, time.time() - 10))
        aside.rename(self.articles / f"edit-{self._edits}.md")
        return title

    def shows(self, title: str) -> Callable[[], bool]:
        """Whether both web machines serve an article: several times in turn, because each has two workers."""
        looks = dict.fromkeys((web.name for web in self.webs), 0)

        def look() -> bool:
            for web in self.webs:
                is_there = title.encode() in self.ask(web, "/topics/machines.json").body
                looks[web.name] = looks[web.name] + 1 if is_there else 0
            return min(looks.values()) >= _LOOKS

        return look

    def recovers(self) -> Recovery:
        """Add an article, and wait until both web machines serve it to clients with and without the feeds."""
        feeds = [f"/articles.{fmt}" for fmt in ("rss", "atom", "json")]
        held = {(web.name, feed): self.ask(web, feed).etag for web in self.webs for feed in feeds}
        seconds = wait_until(self.shows(self.edit()))

        def lies() -> int:
            answers = (
                (self.ask(web, feed, held[web.name, feed]), web, feed) for web in self.webs for feed in feeds
            )
            return sum(
                now.status != 200 or self.ask(web, feed, now.etag).status != 304 for now, web, feed in answers
            )

        # A worker that answers nobody just now may learn later than the others that the database is back.
        last_lie = time.monotonic()

        def is_honest() -> bool:
            nonlocal last_lie
            if lies():
                last_lie = time.monotonic()
            return time.monotonic() - last_lie > HONEST_SECONDS

        wait_until(is_honest, self._patience)
        return Recovery(seconds, lies())

    def uses_cache(self) -> bool:
        """Whether a feed that changed is in Redis now."""
        wait_until(self.shows(self.edit()))
        return self.cache.ask("DBSIZE") != ["0"]

    def active(self) -> Machine:
        """The indexer that writes, once the other one has said that it waits."""
        wait_until(lambda: [one.waits() for one in self.indexers].count(True) == 1)
        return next(one for one in self.indexers if not one.waits())


# --- Rows -----------------------------------------------------------------------------------------


def rows(site: Site, *, edits: int, clients: int, cut: float, kills: int) -> Iterator[Row]:
    """The rows of the table. Names of rows in bold are of what must be 0."""
    yield from _same_bytes(site)
    delays = [wait_until(site.shows(site.edit())) for _ in range(edits)]
    yield f"{edits} edits on the indexer's host → both web machines", in_ms(delays)
    yield "**edits that were never served**", str(delays.count(float("inf")))
    feeds = _feeds(site)[:20]
    for _ in range(_LOOKS):  # cached from now on, by each of the workers
        for web in site.webs:
            for feed in feeds:
                site.ask(web, feed)
    for host in ("database", "cache"):
        yield from _outage(site, host, feeds, clients, cut)
    yield from _cache_rows(site, feeds, clients, kills)
    for what, disturb in (("PostgreSQL", _kill_database), ("the active indexer", _kill_indexer)):
        load, recoveries = Load([web.address for web in site.webs], feeds, clients), []
        for _ in range(kills):
            disturb(site)
            recoveries.append(site.recovers())
        yield from _recovery_rows(f"{what} killed {kills} times", recoveries, load.stop())
    yield from _split(site)


def _feeds(site: Site) -> list[str]:
    """The feeds that the list of topics names, and those of everything."""
    listed = json.loads(site.ask(site.webs[0], "/topics.json").body)
    slugs = sorted(set(re.findall(r"/topics/([a-z0-9-]+)\.(?:rss|atom|json)", json.dumps(listed))))
    names = ["/articles", *(f"/topics/{slug}" for slug in slugs)]
    return [f"{name}.{fmt}" for name in names for fmt in ("rss", "atom", "json")]


def _same_bytes(site: Site) -> Iterator[Row]:
    feeds = _feeds(site)
    differing = 0
    for feed in feeds:
        first, second = (site.ask(web, feed) for web in site.webs)
        differing += first != second or first.status != 200
    yield "feeds asked of both web machines", f"{len(feeds):,}"
    yield "**feeds with other bytes or ETags**", str(differing)


def _outage(site: Site, host: str, feeds: Sequence[str], clients: int, cut: float) -> Iterator[Row]:
    load = Load([web.address for web in site.webs], feeds, clients)
    with site.hosts.cut(host):
        time.sleep(cut)
    recovery = site.recovers()
    yield from _recovery_rows(f"the network of the {host} cut for {cut:g} s", [recovery], load.stop())


def _cache_rows(site: Site, feeds: Sequence[str], clients: int, kills: int) -> Iterator[Row]:
    """Kill Redis under load, edit while it is gone, and start it empty."""
    load = Load([web.address for web in site.webs], feeds, clients)
    delays, recoveries, unused = [], [], 0
    for _ in range(kills):
        site.cache.kill()
        delays.append(wait_until(site.shows(site.edit())))
        site.cache.start()
        recoveries.append(site.recovers())
        unused += wait_until(site.uses_cache) == float("inf")
    counts = load.stop()
    what = f"Redis killed {kills} times"
    yield f"{what}: until an edit is served without it", in_seconds(delays)
    yield f"**{what}: edits that were never served without it**", str(delays.count(float("inf")))
    yield from _recovery_rows(what, recoveries, counts)
    yield f"**{what}: how often no machine used it again**", str(unused)


def _recovery_rows(what: str, recoveries: Sequence[Recovery], counts: Counter[str]) -> Iterator[Row]:
    yield f"{what}: until an edit is served", in_seconds([one.seconds for one in recoveries])
    yield f"{what}: answers", f"{counts['2xx']:,} × 200, {counts['304']:,} × 304"
    yield f"**{what}: 5xx for cached feeds**", str(counts["5xx"])
    yield f"**{what}: no answer**", str(counts["no answer"])
    yield f"**{what}: untrue validators after some seconds**", str(sum(one.lies for one in recoveries))


def _kill_database(site: Site) -> None:
    site.database.stop(signal.SIGKILL)
    time.sleep(1)
    site.database.start()


def _kill_indexer(site: Site) -> None:
    victim = site.active()
    victim.kill()
    victim.start()


def _split(site: Site) -> Iterator[Row]:
    """Cut the active indexer off, let the other one take over, and bring the first one back."""
    active = site.active()
    other = next(one for one in site.indexers if one is not active)
    with site.hosts.cut(active.name):
        title = site.edit()
        yield (
            "the active indexer cut off: until the other one serves an edit",
            in_seconds([wait_until(site.shows(title))]),
        )
    yield "until the first one, back again, waits for the other", in_seconds([wait_until(active.waits)])
    last = site.edit()
    yield "**edits lost after that**", str(int(wait_until(site.shows(last)) == float("inf")))
    yield "**the indexer that took over was replaced**", str(int(site.active() is not other))
    rebuilt = _rebuilt(site)
    served = {feed: site.ask(site.webs[0], feed).etag for feed in _feeds(site)}
    yield "feeds compared with a rebuild from the files and the history", f"{len(served):,}"
    yield (
        "**feeds that differ from a rebuild**",
        str(sum(rebuilt.get(feed) != served[feed] for feed in served)),
    )


def _rebuilt(site: Site) -> dict[str, str]:
    """The ETags of all feeds after both indexers made the index anew with the same history."""
    for indexer in site.indexers:
        indexer.kill()
    with psycopg.connect(site.url, autocommit=True) as connection:
        table = sql.Identifier(SCHEMA, "serving")
        connection.execute(sql.SQL("UPDATE {} SET build = NULL").format(table))
    for indexer in site.indexers:
        indexer.start()
    wait_until(lambda: all(site.ask(web, "/readyz").status == 200 for web in site.webs))
    wait_until(site.shows(site.edit()))
    return {feed: site.ask(site.webs[1], feed).etag for feed in _feeds(site)}


def in_ms(delays: Sequence[float]) -> str:
    """Percentiles of delays in seconds."""
    ordered = sorted(delays)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return (
        f"p50 {statistics.median(ordered) * 1000:.0f}, p99 {p99 * 1000:.0f}, max {ordered[-1] * 1000:.0f} ms"
    )


def in_seconds(delays: Sequence[float]) -> str:
    """Delays in seconds."""
    return ", ".join(f"{delay:.1f}" for delay in delays) + " s"


def enter(hosts: Hosts, name: str) -> None:
    """Move this thread, and those that it starts, to a host."""
    hosts.add(name)
    with Path(f"/run/netns/{hosts.namespace(name)}").open() as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), 0):
            raise OSError(ctypes.get_errno(), "setns")


def write(line: str) -> None:
    """Show a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def can_run() -> bool:
    """Whether this machine lets us make hosts, and has Redis for one of them."""
    return os.geteuid() == 0 and shutil.which("ip") is not None and redis_servers.is_installed()


def run(
    folder: Path, *, edits: int, clients: int, cut: float, kills: int, patience: float
) -> tuple[list[Row], bool]:
    """The table, and whether all is as it must be. In a process of its own: it moves to another host."""
    with ExitStack() as stack:
        work = Path(tempfile.mkdtemp(prefix="feedserver-machines-"))
        work.chmod(0o711)  # PostgreSQL is another user
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        hosts = Hosts()
        stack.callback(hosts.close)
        site = Site(hosts, folder, work, patience)
        stack.callback(site.close)
        site.start()
        table = []
        for row in rows(site, edits=edits, clients=clients, cut=cut, kills=kills):
            write(f"| {row[0]} | {row[1]} |")
            table.append(row)
    return table, all(figure == "0" for name, figure in table if name.startswith("**"))


def main() -> int:
    """Print the table. 1 if something happened that must not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of articles")
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--cut", type=float, default=20.0, help="seconds without the database's network")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--patience", type=float, default=5.0, help="seconds until all must be well again")
    options = parser.parse_args()
    write("\n| what | figure |\n|---|---|")
    _, is_well = run(**vars(options))
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
