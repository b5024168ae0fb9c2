"""Measures the export: the feeds that Hugo would write, the whole site, and what one changed article costs.

One command prints a table of ratios to Hugo's builds of the same articles, in the same run:

    python tests/benchmarks/export.py                       # 10,000 generated articles; or: … 1000 100000

Hugo and feedserver take turns, and the shortest of several times counts. Hugo writes RSS feeds of topics and
providers; so does feedserver for the comparison, and besides in gzip and Brotli. Seconds are of whole
commands, starts of interpreters included, unless the line says otherwise. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corpus import write_corpus
from index import build_hugo_site, index_once, write_hugo_site

ROUNDS = 3
SITE = "https://feeds.example"
LIKE_HUGO = ("--only", "rss", "--kinds", "topics,providers")

# With compiled modules, as an installation has them; without, each command would compile a hundred of them.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


class Export(NamedTuple):
    """One run of the command: seconds of the whole, seconds by its own account of the export, counts."""

    whole: float
    own: float
    documents: int
    written: int


def export(corpus: Path, state: Path, out: Path, *options: str) -> Export:
    """Run `feedserver export`."""
    command = [
        *(sys.executable, "-m", "feedserver", "export", str(out), str(corpus)),
        *("--state-dir", str(state), "--base-url", SITE, *options),
    ]
    begun = time.perf_counter()
    done = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    whole = time.perf_counter() - begun
    match = re.match(r"(\d+) documents in ([\d.]+) s: (\d+) written", done.stdout)
    if match is None:
        raise SystemExit(f"feedserver export said: {done.stdout}")
    return Export(whole, float(match[2]), int(match[1]), int(match[3]))


def change(corpus: Path, number: int) -> None:
    """Give one of the newest articles, which are in every feed of theirs, another title."""
    path = sorted(corpus.rglob("*.md"), key=lambda path: path.name)[-1 - number]
    text = re.sub(
        r'^title: ".*"$', f'title: "Changed {number}"', path.read_text(encoding="utf-8"), flags=re.M
    )
    fresh = path.with_name(".fresh")
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(path)


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
