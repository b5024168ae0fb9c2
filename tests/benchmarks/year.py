"""Measures how a state folder grows over a simulated year of edits.

    python tests/benchmarks/year.py                       # 365 days of 100 edits over 1,000 articles
    python tests/benchmarks/year.py --every 7             # the same edits, in one pull a week

One process is indexer and server in turn, on a clock that is set forward. Of 100 edits 75 change one of the
newest 500 articles, 20 add one and 5 remove one. The feeds and pages of ten listings are polled, and before
each row of the table all their archive documents. The files of the cache do not expire meanwhile, because
they have the times of the run; so its size is an upper bound. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from corpus import articles, write_corpus

from feedserver.feeds.document import Document
from feedserver.index.archives import ArchiveDocument, closed_archives
from feedserver.indexing.indexer import Indexer
from feedserver.model import Format, Kind, ListingKey
from feedserver.settings.sources import load_settings
from feedserver.site.documents import SiteDocuments
from feedserver.site.pages import SiteChrome
from feedserver.wiring.indexing import make_plan, prepare_state
from feedserver.wiring.publishing import make_publisher

DAY = 86_400
NEWEST = 500
PARTS = {
    "index": "index-*.sqlite",
    "its log": "index-*.sqlite-wal",
    "publication history": "history.sqlite",
    "its log ": "history.sqlite-wal",
    "cache": "cache/*",
}


class Clock:
    """Seconds since the epoch, as this module wants them."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Editors:
    """Change the folder as the people of a busy site do."""

    def __init__(self, folder: Path, size: int, clock: Clock) -> None:
        write_corpus(folder, size)
        self._folder = folder
        self._clock = clock
        self._paths = sorted(folder.rglob("*.md"))
        self._chance = random.Random(2)  # noqa: S311  no secret
        self._texts = iter(articles(1_000_000, seed=3))

    def edit(self, count: int) -> None:
        """Make a number of edits."""
        for kind in self._chance.choices(("change", "add", "remove"), (75, 20, 5), k=count):
            getattr(self, f"_{kind}")()

    def _change(self) -> None:
        path = self._chance.choice(self._paths[-NEWEST:])
        self._write(path, f"{path.read_text(encoding='utf-8')}\nChanged at {self._clock():.0f}.\n")

    def _add(self) -> None:
        name, text = next(self._texts)
        now = f"{datetime.fromtimestamp(self._clock(), UTC):%Y-%m-%dT%H:%M:%SZ}"
        path = self._folder / f"new-{len(self._paths) // 1000}" / "_news" / Path(name).name
        self._write(path, re.sub(r"(?<=^publishedDateTime: )\S+", now, text, count=1, flags=re.MULTILINE))
        self._paths.append(path)

    def _remove(self) -> None:
        path = self._paths.pop(self._chance.randrange(len(self._paths)))
        path.unlink()

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (self._clock(), self._clock()))


class Site:
    """The indexer and a server of one state folder, with the default settings."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        overrides = {
            "site": {"base_url": "https://feeds.example"},
            "articles": [str(folder / "articles")],
            "state": {"dir": str(folder / "state")},
        }
        settings = load_settings(environ={}, overrides=overrides)
        prepare_state(settings)
        self.state_dir = settings.state.dir
        self.indexer = Indexer(make_plan(settings), clock)
        self.indexer.refresh()
        self._publisher = make_publisher(settings)
        chrome = SiteChrome(title="Year", description="", language="en", base_url="https://feeds.example")
        self._documents = SiteDocuments(self._publisher, chrome)
        topics = sorted(self._publisher.reader.filled(Kind.TOPIC), key=lambda state: -state.count)
        self._polled = [ListingKey(kind=Kind.ARTICLES), *(state.key for state in topics[:9])]

    def poll(self) -> None:
        """Ask for the feeds and pages of ten listings."""
        for key in self._polled:
            self._documents.pages.current(key)
            for fmt in Format:
                self._publisher.feed_document(Document(key, fmt))

    def crawl(self) -> None:
        """Ask for all their archive documents."""
        for document in list(self._archive_documents()):
            self._publisher.feed_document(document)

    def _archive_documents(self) -> Iterator[Document]:
        for key in self._polled:
            selected = self._publisher.reader.select(key, 1)
            if selected is None:
                continue
            months, open_month = selected.months, selected.open_month
            for month in months:
                for number in range(1, closed_archives(months, month, open_month) + 1):
                    yield from (
                        Document(key, fmt, ArchiveDocument(month=month, number=number)) for fmt in Format
                    )

    def close(self) -> None:
        """Close all connections."""
        self._publisher.close()
        self.indexer.close()


def sizes(state_dir: Path) -> dict[str, int]:
    """Bytes on the disk, by part of the state folder; of the logs, what they have grown to."""
    files = {name: list(state_dir.glob(pattern)) for name, pattern in PARTS.items()}
    found = {name: sum(file.stat().st_blocks * 512 for file in each) for name, each in files.items()}
    everything = sum(file.lstat().st_blocks * 512 for file in state_dir.rglob("*"))
    return {**found, "all": everything}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--articles", type=int, default=1000, help="number of articles at the start")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--edits", type=int, default=100, help="edits a day")
    parser.add_argument("--every", type=int, default=1, help="days between the pulls that bring them")
    parser.add_argument("--rows", type=int, default=5, help="about how many rows the table has")
    options = parser.parse_args()
    clock = Clock()
    sys.stdout.write(f"| day | {' | '.join([*(name.strip() for name in PARTS), 'all'])} |\n")
    sys.stdout.write(f"|{'---|' * (len(PARTS) + 2)}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        editors = Editors(folder / "articles", options.articles, clock)
        with closing(Site(folder, clock)) as site:
            due = 0.0
            for day in range(0, options.days + 1, options.every):
                if day >= due:
                    due += options.days / (options.rows - 1)
                    site.crawl()
                    megabytes = [f"{size / 1e6:.1f}" for size in sizes(site.state_dir).values()]
                    sys.stdout.write(f"| {day} | {' | '.join(megabytes)} |\n")
                    sys.stdout.flush()
                clock.now += DAY * options.every
                editors.edit(options.edits * options.every)
                site.indexer.refresh()
                site.poll()


if __name__ == "__main__":
    main()
