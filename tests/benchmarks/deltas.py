"""Measures what deltas save a client that polls hourly, through the growth of a folder of articles.

    python tests/benchmarks/deltas.py FOLDER [ADDRESS ...]

The clock is set to each full hour in which articles were published, in their order; the indexer publishes
what has become due, and a client that holds the document of its last visit asks again. In all other hours
it gets 304, with and without deltas. Bodies only, as they are and in gzip.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from feedserver.articles.reading import read_article
from feedserver.feeds.document import Document
from feedserver.feeds.publisher import Publisher
from feedserver.indexing.indexer import Indexer
from feedserver.indexing.plan import Plan
from feedserver.indexing.scanner import Scan, ScanRules
from feedserver.settings.sources import load_settings
from feedserver.site.addresses import parse
from feedserver.wiring.indexing import make_plan, prepare_state
from feedserver.wiring.publishing import make_publisher

HOUR = 3600
DEFAULT = ("/articles.atom", "/articles.rss", "/articles.json")


class Client:
    """A client that holds one document, and what it was sent, in bytes."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._held = ""
        self._visits = self._merged = 0
        self._whole = [0, 0]
        self._sent = [0, 0]

    def visit(self, publisher: Publisher) -> None:
        """Ask for what is new, once there is anything at all."""
        if not publisher.exists(self._document.key):
            return
        current = publisher.feed_document(self._document)
        if current.etag == self._held:
            return
        delta = publisher.delta(self._document, [self._held]) if self._held else None
        self._visits += 1
        self._merged += delta is not None
        for total, body in ((self._whole, current.body), (self._sent, delta or current.body)):
            total[0] += len(body)
            total[1] += len(gzip.compress(body, mtime=0))
        self._held = current.etag

    def row(self) -> str:
        """The client's line of the table."""
        figures = [self._visits, self._merged, *self._whole, *self._sent]
        share = f"{self._sent[0] / self._whole[0]:.0%}, gzip {self._sent[1] / self._whole[1]:.0%}"
        return " | ".join([self._document.address, *(f"{one:,}" for one in figures), share])


def full_hours(plan: Plan) -> list[int]:
    """The full hours after which there is something new."""
    rules = ScanRules.of(plan.extensions, plan.skip, plan.max_file_size)
    hours = set()
    for root in plan.roots:
        for found in Scan(Path(root.path), rules).walk():
            reading = read_article(
                (Path(root.path) / found.path).read_bytes(),
                PurePosixPath(found.path),
                datetime.now(UTC),
                root.reading,
            )
            if reading.article is not None:
                hours.add(-(-int(reading.article.published.timestamp()) // HOUR) * HOUR)
    return sorted(hours)


def main(folder: str, addresses: list[str]) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as state:
        settings = load_settings(
            environ={},
            overrides={
                "articles": [folder],
                "state": {"dir": state},
                "http": {"deltas": True},
                "site": {"base_url": "https://feeds.example.org"},
            },
        )
        prepare_state(settings)
        plan = make_plan(settings)
        hours = full_hours(plan)
        now = [float(hours[0])]
        indexer = Indexer(plan, lambda: now[0])
        indexer.refresh()
        publisher = make_publisher(settings)
        targets = [parse(address) for address in addresses]
        clients = [Client(target.document) for target in targets if target and target.document]
        for hour in hours:
            now[0] = float(hour)
            indexer.publish_due()
            for client in clients:
                client.visit(publisher)
        print("| document | visits with news | answered 226 | whole | gzip | sent | gzip | sent of whole |")  # noqa: T201  a table is what this prints
        print("|---|---|---|---|---|---|---|---|")  # noqa: T201  as above
        for client in clients:
            print(f"| {client.row()} |")  # noqa: T201  as above
        indexer.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or list(DEFAULT))
