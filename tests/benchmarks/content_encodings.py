"""Measures what each level of each encoding saves of a feed, and what it takes.

    python tests/benchmarks/content_encodings.py FOLDER [ADDRESS ...]

The feeds are those of the articles in a folder, as they are served. Median of fifteen runs each.
"""

from __future__ import annotations

import gzip
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

import brotli

from feedserver.indexing.indexer import Indexer
from feedserver.settings.sources import load_settings
from feedserver.site.addresses import parse
from feedserver.wiring.indexing import make_plan, prepare_state
from feedserver.wiring.publishing import make_publisher

DEFAULT = ("/articles.rss", "/articles.atom", "/articles.json")
RUNS = 15
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    **{f"gzip {level}": partial(gzip.compress, compresslevel=level, mtime=0) for level in (1, 4, 6, 9)},
    **{f"br {quality}": partial(brotli.compress, quality=quality) for quality in (4, 5, 6, 7, 9, 11)},
}


def milliseconds(encode: Callable[[bytes], bytes], body: bytes) -> float:
    """The median time of one call."""
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        encode(body)
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def main(folder: str, addresses: tuple[str, ...]) -> None:
    """Index a folder, render the feeds, and print a table."""
    with tempfile.TemporaryDirectory() as state_dir:
        overrides = {
            "site": {"base_url": "https://feeds.example"},
            "state": {"dir": state_dir},
            "articles": [folder],
        }
        settings = load_settings(environ={}, overrides=overrides)
        prepare_state(settings)
        indexer = Indexer(make_plan(settings), time.time)
        indexer.refresh()
        indexer.close()
        targets = [parse(address) for address in addresses]
        publisher = make_publisher(settings)
        bodies = [publisher.preview(one.document) for one in targets if one and one.document]
    print("| encoding | " + " | ".join(addresses) + " |")  # noqa: T201  a table is what this prints
    for name, encode in ENCODERS.items():
        cells = (f"{len(encode(b)) / len(b):.1%}, {milliseconds(encode, b):.1f} ms" for b in bodies)
        print(f"| {name} | " + " | ".join(cells) + " |")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], tuple(sys.argv[2:]) or DEFAULT)
