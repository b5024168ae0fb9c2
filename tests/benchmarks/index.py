"""Measures the index: how fast it is built, kept and served, and how much it takes.

One command prints a table for corpora of 1,000, 10,000 and 100,000 generated articles:

    python tests/benchmarks/index.py                       # add sizes to choose: … 1000 1000000

Hugo's build of the same articles is measured beside it where Hugo is installed. Figures are of real
processes: `feedserver index`, and two `feedserver serve` of one worker each over one state folder, so
that each worker can be asked by itself. Nothing is asserted; read the ratios, not the times.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from corpus import write_corpus

SIZES = (1_000, 10_000, 100_000)
LATENCY_SAMPLES = 60
POLL_SECONDS = 0.001
FEEDSERVER = (sys.executable, "-m", "feedserver")


class Row(NamedTuple):
    """One figure of the table."""

    size: int
    what: str
    figure: str


# Files that were just written are read twice, which is not what a rescan costs.
SETTLING_SECONDS = 3.0


def measure(size: int, work: Path) -> Iterator[Row]:
    """All rows for one size of corpus."""
    corpus, state = work / "articles", work / "state"
    write_corpus(corpus, size)
    os.sync()
    time.sleep(SETTLING_SECONDS)
    seconds, peak = index_once(corpus, state)
    yield Row(size, "first index", f"{size / seconds:,.0f} files/s ({seconds:.2f} s)")
    yield Row(size, "process tree of the first index, peak", f"{peak / 1e6:,.0f} MB")
    yield Row(size, "index on disk, per article", f"{disk_bytes(state, 'index-*') / size:,.0f} bytes")
    yield Row(
        size,
        "publication history on disk, per article",
        f"{disk_bytes(state, 'history.sqlite*') / size:,.0f} bytes",
    )
    seconds, _ = index_once(corpus, state)
    yield Row(size, "rescan, nothing changed", f"{seconds / size * 1e5:.2f} s per 100,000 files")
    yield from serving_rows(size, corpus, state)
    hugo = hugo_seconds(corpus, work / "hugo")
    if hugo is not None:
        yield Row(size, "Hugo's build of the same articles", f"{size / hugo:,.0f} files/s ({hugo:.2f} s)")


def index_once(corpus: Path, state: Path, *options: str) -> tuple[float, int]:
    """Seconds that a scan takes, by its own account, and the peak of the memory of its processes in bytes.

    Args:
        corpus: the articles.
        state: the state folder.
        options: those of who uses the index next; another host makes other ids, and the index is built anew.
    """
    command = [*FEEDSERVER, "index", str(corpus), "--state-dir", str(state), *options]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        peak_memory(process.pid) as peak,
    ):
        summary = process.communicate()[0]
    match = re.search(r" files in ([\d.]+) s", summary)
    if match is None:
        raise SystemExit(f"feedserver index failed with status {process.returncode}")
    return float(match[1]), peak[0]


def serving_rows(size: int, corpus: Path, state: Path) -> Iterator[Row]:
    """Start, latency and memory of two serving processes over one state folder."""
    ports = [free_port(), free_port()]
    begun, started = time.perf_counter(), datetime.now(UTC)
    with serving(corpus, state, ports) as servers:
        wait_until_ready(ports[0])
        yield Row(size, "start with an index, ready after", f"{time.perf_counter() - begun:.2f} s")
        wait_until_ready(ports[1])
        wait_until_scanned(ports[0], after=started)
        latencies = sorted(latency(corpus, ports, number) for number in range(LATENCY_SAMPLES))
        median, last = statistics.median(latencies) * 1e3, latencies[int(len(latencies) * 0.99)] * 1e3
        yield Row(
            size, "renamed into place, served by every worker", f"p50 {median:.0f} ms, p99 {last:.0f} ms"
        )
        for path in list(feed_paths(ports[0]))[:100]:
            fetch(ports[0], path)
        worker = max(children(servers[0].pid), key=lambda pid: 0 if is_indexer(pid) else resident(pid))
        yield Row(size, "web worker after 100 requests", f"{resident(worker) / 1e6:.1f} MB")
        indexers = [pid for server in servers for pid in descendants(server.pid) if is_indexer(pid)]
        tree = sum(resident(pid) for top in indexers for pid in [top, *descendants(top)])
        yield Row(size, "indexer's process tree, serving", f"{tree / 1e6:.1f} MB")


def latency(corpus: Path, ports: list[int], number: int) -> float:
    """Seconds from renaming a file into place until both workers serve it."""
    mark = f"mark-{number}-{time.time_ns()}"
    target = corpus / "part-0" / "_news" / f"latency-{number % 7}.md"
    fresh = corpus.parent / "fresh.md"
    fresh.write_text(
        f"---\ntitle: {mark}\ndate: 2024-01-01\nwebUrl: https://example.org/{number}\n"
        f"topics: [AI, Latency]\nprovider: Provider 1\n---\n",
        encoding="utf-8",
    )
    begun = time.perf_counter()
    fresh.rename(target)
    waiting = list(ports)
    while waiting and time.perf_counter() - begun < 30:
        waiting = [port for port in waiting if mark.encode() not in fetch(port, "/topics/latency.json")]
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - begun


def hugo_seconds(corpus: Path, site: Path) -> float | None:
    """Seconds that Hugo takes for RSS feeds of all topics and providers; None without Hugo."""
    if shutil.which("hugo") is None:
        return None
    write_hugo_site(corpus, site)
    return build_hugo_site(site)


def write_hugo_site(corpus: Path, site: Path) -> None:
    """The same articles as a site of Hugo, which publishes nothing but those feeds."""
    (site / "content").mkdir(parents=True)
    (site / "config.toml").write_text(
        'baseURL = "https://example.org/"\ndisableKinds = ["home", "section", "sitemap", "404"]\n'
        '[taxonomies]\ntopic = "topics"\nprovider = "providers"\n'
        # Articles must not be disabled, or the feeds are empty and not written; but they have no output.
        '[outputs]\npage = []\ntaxonomy = []\nterm = ["RSS"]\n[services.rss]\nlimit = 50\n',
        encoding="utf-8",
    )
    for path in corpus.rglob("*.md"):
        text = path.read_text(encoding="utf-8").replace("publishedDateTime:", "date:", 1)
        text = re.sub(
            r"^provider:\n  name: (.*)$", r"providers: [\1]\nprovider:\n  name: \1", text, flags=re.M
        )
        (site / "content" / path.name).write_text(text, encoding="utf-8")


def build_hugo_site(site: Path) -> float:
    """Seconds of a build, all of it: Hugo has no other."""
    begun = time.perf_counter()
    subprocess.run(["hugo", "--quiet", "--source", str(site)], check=True)
    return time.perf_counter() - begun


# --- processes ----------------------------------------------------------------------------------


@contextlib.contextmanager
def quiet(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output is thrown away; ended by SIGTERM if it still runs."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@contextlib.contextmanager
def serving(corpus: Path, state: Path, ports: list[int]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Servers of one worker each over one state folder."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                quiet(
                    *(*FEEDSERVER, "serve", str(corpus), "--state-dir", str(state)),
                    *("--workers", "1", "--port", str(port), "--base-url", "http://127.0.0.1"),
                )
            )
            for port in ports
        ]


@contextlib.contextmanager
def peak_memory(pid: int) -> Iterator[list[int]]:
    """The largest sum of resident memory of a process and its descendants, looked at every 50 ms."""
    peak = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], sum(resident(one) for one in [pid, *descendants(pid)]))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def resident(pid: int) -> int:
    """The proportional share of memory of a process in bytes; 0 if it is gone."""
    with contextlib.suppress(OSError):
        match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
        return int(match[1]) * 1024 if match else 0
    return 0


def children(pid: int) -> list[int]:
    """The children of a process."""
    with contextlib.suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]
    return []


def descendants(pid: int) -> list[int]:
    """All processes below a process."""
    return [below for child in children(pid) for below in [child, *descendants(child)]]


def is_indexer(pid: int) -> bool:
    """Whether a process is an indexer."""
    with contextlib.suppress(OSError):
        return b"feedserver.indexing.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


# --- requests -----------------------------------------------------------------------------------


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetch(port: int, path: str) -> bytes:
    """The body of an answer; empty if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    except OSError:
        return b""
    finally:
        connection.close()


def wait_until_ready(port: int) -> None:
    """Wait for an answer of /readyz."""
    while fetch(port, "/readyz") != b"ready\n":
        time.sleep(0.005)


def wait_until_scanned(port: int, after: datetime) -> None:
    """Wait for the end of a scan that began after a moment; of a million files it takes a while."""
    while True:
        started = json.loads(fetch(port, "/status.json"))["last_scan"]["started"]
        if started is not None and datetime.fromisoformat(started) >= after:
            return
        time.sleep(0.1)


def feed_paths(port: int) -> Iterator[str]:
    """Feeds of topics and providers, the same ones for every corpus."""
    for number in range(34):
        for fmt in ("rss", "atom", "json"):
            yield f"/topics/topic-{number}.{fmt}" if number % 2 else f"/providers/provider-{number}.{fmt}"


def disk_bytes(folder: Path, pattern: str) -> int:
    """The size of files."""
    return sum(path.stat().st_size for path in folder.glob(pattern))


def main() -> None:
    """Print the table, row by row as it is measured."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its modules compiled
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, help="numbers of articles")
    print("| articles | what | figure |\n|---|---|---|")  # noqa: T201  a table is what this prints
    for size in parser.parse_args().sizes:
        with tempfile.TemporaryDirectory() as folder:
            for row in measure(size, Path(folder)):
                print(f"| {row.size:,} | {row.what} | {row.figure} |", flush=True)  # noqa: T201  as above


if __name__ == "__main__":
    main()
