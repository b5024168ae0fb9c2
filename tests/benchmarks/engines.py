"""Measures a cached feed in each way to serve it, in one run: both engines, nginx's cache, exported files.

    python tests/benchmarks/engines.py FOLDER               # a folder of articles, such as samples/articles
    python tests/benchmarks/engines.py FOLDER --rounds 24   # and more rounds

gunicorn and granian are `feedserver serve` with one worker. nginx is config/nginx.conf with one worker:
before the engine gunicorn, and before the exported folder. wrk asks for the feed of everything in gzip, as
feed readers do, by 8 connections that stay open, for a second at a time, without an ETag and with the one
that the client holds. All servers are asked in each round, in an order that turns. Rates and the CPU of the
worker are those of the best quarter of rounds: what other programs of the machine do can only lower the rate.
The last lines tell how busy the machine was before, and the size of the answer. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from index import FEEDSERVER, children, free_port, index_once, is_indexer, quiet, resident
from serving import FEED, SITE, Answer, Contender, Load, ask, load, must, quarter, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nginx_config import NGINX, configured

ENGINES = ("gunicorn", "granian")
# The content encoding that nearly all feed readers accept.
GZIP = {"Accept-Encoding": "gzip"}


class Way(NamedTuple):
    """A way to serve the feed, and what was measured of it."""

    name: str
    server: Contender
    whole: list[Load]
    unchanged: list[Load]


@contextlib.contextmanager
def engine(name: str, articles: Path, state: Path) -> Iterator[Contender]:
    """`feedserver serve` with one worker, that has the feed in its memory."""
    port = free_port()
    place = ("--state-dir", str(state), "--base-url", SITE, "--port", str(port))
    command = (*FEEDSERVER, "serve", str(articles), *place, "--workers", "1", "--engine", name)
    with quiet(*command) as process:
        wait_for(lambda: has_feed(port))
        yield Contender(port, next(pid for pid in children(process.pid) if not is_indexer(pid)))


@contextlib.contextmanager
def proxies(folder: Path, backend: int, exported: Path) -> Iterator[list[Contender]]:
    """nginx's one worker: before a server, whose answers it caches, and before the exported files."""
    ports = free_port(), free_port()
    configuration = configured(folder, ports=ports, backend=backend, exported=exported)
    folder.chmod(0o755)
    with quiet(str(NGINX), "-p", str(folder), "-c", str(configuration)) as process:
        wait_for(lambda: all(has_feed(port) for port in ports))
        # The worker is the first child; others fill the cache.
        yield [Contender(port, children(process.pid)[0]) for port in ports]


def has_feed(port: int) -> bool:
    """Whether a server answers with the feed and its ETag."""
    answer = ask(port, FEED, GZIP)
    return answer is not None and answer.status == 200 and "etag" in names(answer)


def names(answer: Answer) -> dict[str, str]:
    """The headers of an answer, by their names in lower case."""
    return {name.lower(): value for name, value in answer.headers}


def in_gzip(port: int) -> Answer:
    """The feed in gzip: what measures another answer is worth nothing."""
    answer = must(ask(port, FEED, GZIP), 200)
    if names(answer).get("content-encoding") != "gzip":
        raise SystemExit(f"not in gzip: {answer.headers}")
    return answer


def measure(ways: list[Way], rounds: int) -> None:
    """Ask all servers in turn."""
    for number in range(rounds):
        turn = number % len(ways)
        for way in ways[turn:] + ways[:turn]:
            held = {**GZIP, "If-None-Match": names(in_gzip(way.server.port))["etag"]}
            must(ask(way.server.port, FEED, held), 304)
            way.whole.append(load(way.server, headers=GZIP))
            way.unchanged.append(load(way.server, headers=held))


def rows(ways: list[Way]) -> Iterator[str]:
    """The table: rates, their ratio to the first way, CPU, and the worker's share of memory."""
    yield "| | 200, requests/s | ratio | CPU | 304, requests/s | ratio | CPU | memory |"
    yield "|---|---|---|---|---|---|---|---|"
    first = ways[0]
    for way in ways:
        cells = [way.name]
        for mine, its in ((way.whole, first.whole), (way.unchanged, first.unchanged)):
            ratio = rate(mine) / rate(its)
            cells += [
                f"{rate(mine):,.0f}",
                f"{ratio:.1f} ×",
                f"{quarter([one.cpu_micros for one in mine]):.0f} µs",
            ]
        cells.append(f"{resident(way.server.worker) / 1e6:.0f} MB")
        yield "| " + " | ".join(cells) + " |"


def rate(loads: list[Load]) -> float:
    """Requests per second in the best quarter of rounds."""
    return -quarter([-one.per_second for one in loads])


def main() -> None:
    """Print the table."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its modules compiled
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="articles to serve")
    parser.add_argument("--rounds", type=int, default=12, help="of 8 seconds each, [12]")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        work = Path(name)
        work.chmod(0o755)
        state, exported = work / "state", work / "out"
        index_once(chosen.folder, state, "--base-url", SITE)
        export = [*FEEDSERVER, "export", str(exported), str(chosen.folder), "--state-dir", str(state)]
        subprocess.run([*export, "--base-url", SITE], check=True, stdout=subprocess.DEVNULL)
        ways = [Way(one, stack.enter_context(engine(one, chosen.folder, state)), [], []) for one in ENGINES]
        if NGINX is not None:
            (work / "nginx").mkdir()
            before, files = stack.enter_context(proxies(work / "nginx", ways[0].server.port, exported))
            ways.append(Way("nginx, proxy_cache", before, [], []))
            ways.append(Way("nginx, exported folder", files, [], []))
        busy = ", ".join(f"{part:.1f}" for part in os.getloadavg())
        measure(ways, chosen.rounds)
        found = [*rows(ways), f"\nLoad of the machine before: {busy}"]
        found += [f"{way.name}: {len(in_gzip(way.server.port).body):,} bytes" for way in ways]
    for row in found:
        print(row)  # noqa: T201  a table is what this prints


if __name__ == "__main__":
    main()
