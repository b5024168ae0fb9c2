"""Measures ad hoc selections: the first request of each, and the price of the index of words.

One command prints a table:

    python tests/benchmarks/selections.py 100000

Each request is for an address that was never asked for before, at a real server with one worker. The row of
a listing is measured twice, first and last: the two tell the noise. The rate of the first index is measured
with and without the words. Read the ratios. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote

from corpus import articles
from index import SETTLING_SECONDS, fetch, free_port, index_once, serving, wait_until_ready

from feedserver.articles.selections.parameters import parse_request
from feedserver.feeds.selection_feed import selection_address
from feedserver.model import Kind, ListingKey, with_suffix

REQUESTS = 60
PHRASE = quote('"of the river"')
FREQUENT = 10_000  # articles that have the frequent word


def write_marked_corpus(folder: Path, size: int) -> None:
    """The generated corpus, with a word that one article has, and one that 10,000 have."""
    every = max(1, size // FREQUENT)
    for number, (path, text) in enumerate(articles(size)):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        frequent = "frequent " if number % every == 0 else ""
        target.write_text(f"{text}\n{frequent}needle{number}\n", encoding="utf-8")


def an_age(number: int) -> str:
    """A date before all articles, so that the address is new and selects the same."""
    return (date(1990, 1, 1) + timedelta(days=number)).isoformat()


# Addresses by number. `C` and `Topic 0` are common, `Topic 700` and `Provider 3000` rare.
ROWS: dict[str, Callable[[int], str]] = {
    "a listing, asked for first": lambda n: f"/topics/topic-{100 + n}.rss",
    "rare topic and common topic": lambda n: (
        f"/articles.rss?topic=topic-{700 + n % 60}&topic=c&since={an_age(n)}"
    ),
    "common topic and common provider": lambda n: (
        f"/articles.rss?topic=c&provider=provider-0&since={an_age(n)}"
    ),
    "one of two common topics, not a third": lambda n: (
        f"/articles.rss?topic=c,ai&not_topic=r-d&since={an_age(n)}"
    ),
    "common topic, not another": lambda n: f"/articles.rss?topic=c&not_topic=ai&since={an_age(n)}",
    "common topic, heat of 250 at least": lambda n: f"/articles.rss?topic=c&min_heat=250&since={an_age(n)}",
    "common topic, by heat": lambda n: f"/articles.rss?topic=c&since={an_age(n)}&sort=heat",
    "rare topic, by quality": lambda n: f"/articles.rss?topic=topic-{700 + n}&sort=quality",
    "everything, by last change": lambda n: f"/articles.rss?since={an_age(n)}&sort=updated",
    "common topic, each story once": lambda n: f"/articles.rss?topic=c&since={an_age(n)}&fold=true",
    "a word with one hit": lambda n: f"/articles.rss?q=needle{n * 7 + 3}",
    "a word with 10,000 hits": lambda n: f"/articles.rss?q=frequent&since={an_age(n)}",
    "… and a common topic": lambda n: f"/articles.rss?topic=c&q=frequent&since={an_age(n)}",
    "… by relevance": lambda n: f"/articles.rss?q=frequent&since={an_age(n)}&sort=relevance",
    "a word that all have": lambda n: f"/articles.rss?q=the&since={an_age(n)}",
    "a phrase of common words": lambda n: f"/articles.rss?q={PHRASE}&since={an_age(n)}",
    "a listing again": lambda n: f"/topics/topic-{200 + n}.rss",
}


def measured(corpus: Path, state: Path) -> Iterator[tuple[str, list[float]]]:
    """The seconds of the first requests of each row."""
    ports = [free_port()]
    with serving(corpus, state, ports):
        wait_until_ready(ports[0])
        time.sleep(SETTLING_SECONDS)
        for what, address in ROWS.items():
            times = []
            for number in range(REQUESTS):
                begun = time.perf_counter()
                answer = fetch(ports[0], canonical(address(number)))
                times.append(time.perf_counter() - begun)
                if not answer.startswith(b"<?xml"):
                    sys.exit(f"{address(number)}: {answer[:200]!r}")
            yield what, sorted(times)


def canonical(address: str) -> str:
    """The address in the form that the server has it in, so that no redirect is measured."""
    path, mark, query = address.partition("?")
    if not mark:
        return address
    asked = parse_request(ListingKey(kind=Kind.ARTICLES), query, 50)
    return with_suffix(selection_address(asked), path.rpartition(".")[2])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("size", type=int, nargs="?", default=100_000, help="number of articles")
    parser.add_argument("--no-rates", action="store_true", help="index once only, with the words")
    options = parser.parse_args()
    size = options.size
    print(f"| {size:,} articles | p50 | p95 |\n|---|---|---|")  # noqa: T201  a table is its answer
    with tempfile.TemporaryDirectory() as work:
        corpus = Path(work) / "articles"
        write_marked_corpus(corpus, size)
        os.sync()
        time.sleep(SETTLING_SECONDS)
        rates = {}
        for name in ("with",) if options.no_rates else ("without", "with"):
            os.environ["FEEDSERVER_FEEDS__SEARCH"] = "true" if name == "with" else "false"
            seconds, _ = index_once(corpus, Path(work) / f"state-{name}")
            rates[name] = size / seconds
        for what, times in measured(corpus, Path(work) / "state-with"):
            p95 = times[int(len(times) * 0.95)]
            print(f"| {what} | {statistics.median(times) * 1e3:.1f} | {p95 * 1e3:.1f} ms |", flush=True)  # noqa: T201
        for name, rate in rates.items():
            size_of_state = sum(
                file.stat().st_size for file in (Path(work) / f"state-{name}").glob("index-*")
            )
            print(f"| first index {name} words | {rate:,.0f} files/s | {size_of_state / 1e6:,.0f} MB |")  # noqa: T201
        if options.no_rates:
            return
        print(f"| rate with words / without | {rates['with'] / rates['without']:.2f} | |")  # noqa: T201


if __name__ == "__main__":
    main()
