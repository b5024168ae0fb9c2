"""Measures the export: the feeds that Hugo would write, the whole site, what one changed article costs, and
how soon its documents are on disk where the export goes on.

One command prints a table of ratios to Hugo's builds of the same articles, in the same run:

    python tests/benchmarks/export.py                       # 10,000 generated articles; or: … 1000 100000

Hugo and feedserver take turns, and the shortest of several times counts. Hugo writes RSS feeds of topics and
providers; so does feedserver for the comparison, and besides in gzip and Brotli. Seconds are of whole
commands, starts of interpreters included, unless the line says otherwise. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from corpus import write_corpus
from index import build_hugo_site, index_once, write_hugo_site

ROUNDS = 3
SITE = "https://feeds.example"
CHANGES_UNDER_WATCH = 10
POLL_SECONDS = 0.002
LIKE_HUGO = ("--only", "rss", "--kinds", "topics,providers")

# With compiled modules, as an installation has them; without, each command would compile a hundred of them.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


class Export(NamedTuple):
    """One run of the command: seconds of the whole, seconds by its own account of the export, counts."""

    whole: float
    own: float
    documents: int
    written: int


class Change(NamedTuple):
    """A changed article: its provider's feed below an export, what that is to show, when it was renamed."""

    feed: str
    title: str
    moment: float


def command(corpus: Path, state: Path, out: Path, *options: str) -> list[str]:
    """`feedserver export`, as it is measured."""
    return [
        *(sys.executable, "-m", "feedserver", "export", str(out), str(corpus)),
        *("--state-dir", str(state), "--base-url", SITE, *options),
    ]


def export(corpus: Path, state: Path, out: Path, *options: str) -> Export:
    """Run the command once."""
    begun = time.perf_counter()
    done = subprocess.run(
        command(corpus, state, out, *options), env=ENVIRONMENT, check=True, capture_output=True, text=True
    )
    whole = time.perf_counter() - begun
    match = re.match(r"(\d+) documents in ([\d.]+) s: (\d+) written", done.stdout)
    if match is None:
        raise SystemExit(f"feedserver export said: {done.stdout}")
    return Export(whole, float(match[2]), int(match[1]), int(match[3]))


def change(corpus: Path, number: int) -> Change:
    """Give one of the newest articles, which are in every feed of theirs, another title."""
    path = sorted(corpus.rglob("*.md"), key=lambda path: path.name)[-1 - number]
    title = f"Changed {number} at {time.time_ns()}"
    text = re.sub(r'^title: ".*"$', f'title: "{title}"', path.read_text(encoding="utf-8"), flags=re.M)
    provider = re.search(r"^provider:\n  name: (.*)$", text, re.M)
    if provider is None:
        raise SystemExit(f"{path} has no provider")
    fresh = path.with_name(".fresh")
    fresh.write_text(text, encoding="utf-8")
    moment = time.perf_counter()
    fresh.rename(path)
    return Change(f"providers/{provider[1].lower().replace(' ', '-')}.rss", title, moment)


@contextlib.contextmanager
def watching(corpus: Path, state: Path, out: Path, log: Path, *options: str) -> Iterator[None]:
    """The command with --watch, from its first export on; what it says is in a log."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command(corpus, state, out, *options, "--watch"), env=ENVIRONMENT, stderr=file
        )
    try:
        wait_until(lambda: exports_of(log) > 0)
        time.sleep(3)  # the indexer has looked at all files by then
        yield
    finally:
        process.terminate()
        process.wait(60)


def exports_of(log: Path) -> int:
    """How many exports a log tells of."""
    return log.read_bytes().count(b" documents in ")


def wait_until(condition: Callable[[], bool], patience: float = 600) -> None:
    """Wait, but not for ever."""
    begun = time.perf_counter()
    while not condition():
        if time.perf_counter() - begun > patience:
            raise SystemExit("the export did not follow")
        time.sleep(POLL_SECONDS)


def latency(corpus: Path, out: Path, log: Path, number: int) -> float:
    """Seconds from the renaming of an article into place until an export has written all that shows it."""
    before = exports_of(log)
    made = change(corpus, number)
    wait_until(
        lambda: exports_of(log) > before and made.title in (out / made.feed).read_text(encoding="utf-8")
    )
    return time.perf_counter() - made.moment


def measure(size: int, work: Path) -> Iterator[tuple[str, str]]:
    """The rows for one size: what, figure."""
    corpus, state, site = work / "articles", work / "state", work / "hugo"
    write_corpus(corpus, size)
    write_hugo_site(corpus, site)
    index_once(corpus, state, "--base-url", SITE)
    time.sleep(3)  # files that were just written are read once more
    os.sync()

    hugo, first = [], []
    for _ in range(ROUNDS):
        hugo.append(build_hugo_site(site))
        shutil.rmtree(work / "feeds", ignore_errors=True)
        first.append(export(corpus, state, work / "feeds", *LIKE_HUGO))
    rebuild = min(hugo)
    feeds = sum(1 for _ in (site / "public").rglob("index.xml"))
    best = min(first)
    yield "Hugo's build", f"{rebuild:.2f} s, {feeds} feeds"
    yield "the same feeds", f"{best.whole:.2f} s, {best.documents} feeds: {best.whole / rebuild:.2f} × Hugo"

    for what, options in (("the same feeds", LIKE_HUGO), ("the whole site", ())):
        out = work / ("feeds" if options else "site")
        if not options:
            made = export(corpus, state, out)
            per = made.own / made.documents * 1e3
            yield "the whole site", f"{made.own:.1f} s, {made.documents} documents: {per:.2f} ms each"
        still = min(export(corpus, state, out, *options) for _ in range(ROUNDS))
        yield f"{what}, nothing changed", f"{still.own:.3f} s in the export, {still.whole:.2f} s in all"
        changed = []
        for number in range(ROUNDS):
            change(corpus, number + (0 if options else ROUNDS))
            changed.append(export(corpus, state, out, *options))
        one = min(changed, key=lambda run: run.own)
        for part, seconds in (("the export alone", one.own), ("the command", one.whole)):
            ratio = f"{seconds:.3f} s, {one.written} documents: {rebuild / seconds:.1f} × as fast as Hugo"
            yield f"{what}, one article changed, {part}", ratio
        # Hugo takes turns with the changes, and is measured with the watch beside it, which waits.
        beside, seen = [], []
        with watching(corpus, state, out, work / "log", *options):
            for number in range(CHANGES_UNDER_WATCH):
                seen.append(latency(corpus, out, work / "log", number))
                if number % ROUNDS == 0:
                    beside.append(build_hugo_site(site))
        middle, last, build = statistics.median(seen), max(seen), min(beside)
        ratios = f"{build / middle:.1f} and {build / last:.1f} × as fast as Hugo's {build:.2f} s"
        what_for = f"{what}, under --watch, one article renamed into place → its documents on disk"
        yield what_for, f"p50 {middle:.3f} s, max {last:.3f} s: {ratios}"


def main() -> None:
    """Print the table, row by row as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="*", type=int, default=(10_000,), help="numbers of articles")
    if shutil.which("hugo") is None:
        raise SystemExit("needs hugo: apt-get install hugo")
    print("| articles | what | figure |\n|---|---|---|")  # noqa: T201  a table is what this prints
    for size in parser.parse_args().sizes:
        with tempfile.TemporaryDirectory() as folder:
            for what, figure in measure(size, Path(folder)):
                print(f"| {size:,} | {what} | {figure} |", flush=True)  # noqa: T201  as above


if __name__ == "__main__":
    main()
