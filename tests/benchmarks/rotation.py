"""Measures how many requests are answered ahead of Flask when clients ask for more feeds than a worker keeps.

    python tests/benchmarks/rotation.py [ADDRESSES ...] [--entries N]

For each number of addresses, one process answers requests through WSGI: in rotation, as an aggregator polls
all feeds of a site in turn, and by a long tail, as readers do (Zipf's law, exponent 1). Each address is a
feed document in one of the three formats, of a topic with N entries, in gzip. The cache of files is on, as in
a server. Rows give the share that the fast path answered and the CPU of this process per request, after a
first pass over all addresses. Random numbers decide what is kept, so shares differ a little between runs.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from corpus import WORDS
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from feedserver.indexing.indexer import Indexer
from feedserver.model import Format
from feedserver.settings.sources import load_settings
from feedserver.web.fast_path import FastPath
from feedserver.wiring.application import make_app
from feedserver.wiring.indexing import make_plan, prepare_state

DEFAULT = (500, 5_000, 50_000)
REQUESTS = 20_000
TOPICS_PER_ARTICLE = 10
BODY = " ".join(f"{word}{number}" for number, word in enumerate(WORDS * 4))


def main(arguments: Sequence[str]) -> None:
    """Print a table of all numbers of addresses."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("addresses", nargs="*", type=int, default=DEFAULT)
    parser.add_argument("--entries", type=int, default=10, help="entries of each feed")
    wanted = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    topics = -(-max(wanted.addresses) // len(Format))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_articles(folder / "articles", topics, wanted.entries)
        print(f"feeds of {wanted.entries} entries, {len(BODY)} characters each")  # noqa: T201  a command
        print("| addresses | order | answered ahead of Flask | CPU per request |\n|---|---|---|---|")  # noqa: T201
        for count in wanted.addresses:
            measure(folder, [address_of(number) for number in range(count)])


def write_articles(folder: Path, topics: int, entries: int) -> None:
    """Articles in which each topic comes `entries` times."""
    folder.mkdir()
    count = -(-topics * entries // TOPICS_PER_ARTICLE)
    for number in range(count):
        first = number * TOPICS_PER_ARTICLE
        names = ", ".join(f"topic-{(first + step) % topics}" for step in range(TOPICS_PER_ARTICLE))
        text = (
            f"---\ntitle: Story {number}\ndate: 2024-05-01T10:00:00Z\nurl: https://gazette.example/{number}\n"
            f"topics: [{names}]\n---\n{BODY}\n"
        )
        (folder / f"story-{number}.md").write_text(text, "utf-8")


def open_site(folder: Path) -> Flask:
    """An application over the articles, indexed once, without an indexer beside it."""
    settings = load_settings(
        environ={},
        overrides={
            "articles": [str(folder / "articles")],
            "state": {"dir": str(folder / "state")},
            "site": {"base_url": "https://feeds.example"},
        },
    )
    prepare_state(settings)
    if not list((folder / "state").glob("index-*.sqlite")):
        indexer = Indexer(make_plan(settings))
        indexer.refresh()
        indexer.close()
    return make_app(settings)


def address_of(number: int) -> str:
    """The address of a feed document."""
    return f"/topics/topic-{number // len(Format)}.{list(Format)[number % len(Format)].value}"


def measure(folder: Path, addresses: Sequence[str]) -> None:
    """Print the rows of one number of addresses, each with an application of its own."""
    weights = list(accumulate(1 / rank for rank in range(1, len(addresses) + 1)))
    orders = {
        "rotation": [addresses[turn % len(addresses)] for turn in range(REQUESTS)],
        "long tail": random.Random(1).choices(addresses, cum_weights=weights, k=REQUESTS),  # noqa: S311
    }
    for name, order in orders.items():
        app = open_site(folder)
        for address in addresses if name == "rotation" else order:
            ask(app, address)
        time.sleep(1.1)  # by then the second of each Last-Modified has come
        fast_path = app.wsgi_app
        assert isinstance(fast_path, FastPath)
        hits, begun = fast_path.hits, time.process_time()
        for address in order:
            ask(app, address)
        cost = (time.process_time() - begun) / len(order) * 1e6
        share = (fast_path.hits - hits) / len(order)
        print(f"| {len(addresses):,} | {name} | {share:.0%} | {cost:.0f} µs |", flush=True)  # noqa: T201


def ask(app: Flask, address: str) -> None:
    """One request in gzip, with nothing between the application and this process but WSGI."""
    environ = {**_ENVIRON, "PATH_INFO": address}
    body, status, _ = run_wsgi_app(app, environ, buffered=True)
    if status != "200 OK" or not b"".join(body):
        raise SystemExit(f"{address} was answered {status}")


_ENVIRON = {**EnvironBuilder(base_url="https://feeds.example").get_environ(), "HTTP_ACCEPT_ENCODING": "gzip"}


if __name__ == "__main__":
    main(sys.argv[1:])
