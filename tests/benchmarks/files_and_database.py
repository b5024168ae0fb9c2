"""Measures files and PostgreSQL as the store, one after the other in one run.

One command starts a PostgreSQL server of its own and prints a table:

    python tests/benchmarks/files_and_database.py 10000

First load and rescan, a file renamed into place until both of two servers serve it, first requests, and
repeated ones. Figures are of real processes on one machine; read the ratios. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from corpus import write_corpus
from databases import database_server
from index import (
    SETTLING_SECONDS,
    children,
    feed_paths,
    fetch,
    free_port,
    index_once,
    is_indexer,
    latency,
    resident,
    serving,
    wait_until_ready,
    wait_until_scanned,
)

SAMPLES = 60
REPEATED = 3000

Figures = dict[str, float]


def measured(corpus: Path, state: Path, size: int) -> Figures:
    """The figures of the store that the environment names."""
    figures: Figures = {"first load, files/s": size / index_once(corpus, state)[0]}
    figures["rescan, nothing changed, s"] = index_once(corpus, state)[0]
    ports = [free_port(), free_port()]
    started = datetime.now(UTC)
    with serving(corpus, state, ports) as servers:
        for port in ports:
            wait_until_ready(port)
        wait_until_scanned(ports[0], after=started)
        delays = sorted(latency(corpus, ports, number) for number in range(SAMPLES))
        figures["renamed into place → both servers, p50 ms"] = statistics.median(delays) * 1e3
        figures["renamed into place → both servers, p99 ms"] = delays[int(len(delays) * 0.99)] * 1e3
        paths = list(feed_paths(ports[1]))
        times = sorted(timed(ports[1], path) for path in paths)
        figures["first request, p50 ms"] = statistics.median(times) * 1e3
        figures["first request, p95 ms"] = times[int(len(times) * 0.95)] * 1e3
        worker = max(children(servers[1].pid), key=lambda pid: 0 if is_indexer(pid) else resident(pid))
        before = cpu_seconds(worker)
        for number in range(REPEATED):
            fetch(ports[1], paths[number % 20])
        figures["repeated request, CPU of the worker in µs"] = (cpu_seconds(worker) - before) / REPEATED * 1e6
    return figures


def timed(port: int, path: str) -> float:
    """Seconds until an answer is there."""
    begun = time.perf_counter()
    fetch(port, path)
    return time.perf_counter() - begun


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compared(size: int, work: Path) -> Iterator[tuple[str, float, float]]:
    """Each figure of files and of PostgreSQL."""
    stores: list[Figures] = []
    with database_server() as database:
        for name, url in (("files", ""), ("database", database.url)):
            corpus = work / name / "articles"
            write_corpus(corpus, size)
            os.sync()
            time.sleep(SETTLING_SECONDS)
            os.environ["FEEDSERVER_INDEX__URL"] = url
            stores.append(measured(corpus, work / name / "state", size))
    for what, figure in stores[0].items():
        yield what, figure, stores[1][what]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("size", type=int, nargs="?", default=10_000, help="number of articles")
    size = parser.parse_args().size
    print(f"| {size:,} articles | files | PostgreSQL | ratio |\n|---|---|---|---|")  # noqa: T201  a table is its answer
    with tempfile.TemporaryDirectory() as work:
        for what, files, database in compared(size, Path(work)):
            print(f"| {what} | {files:,.1f} | {database:,.1f} | {database / files:.2f} |")  # noqa: T201  the same


if __name__ == "__main__":
    main()
