"""The loop of an indexer in a thread of a test, and what readers of its index saw meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from builders import contents, wait_for
from stores import address_of

from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.indexing.follower import Follower
from feedserver.indexing.indexer import Indexer, Summary
from feedserver.indexing.plan import Plan
from feedserver.model import Kind, ListingKey

EVERYTHING = ListingKey(kind=Kind.ARTICLES)


@contextmanager
def running(plan: Plan) -> Iterator[list[Summary]]:
    """An indexer that runs in a thread, after its first scan."""
    stop, failures = threading.Event(), list[BaseException]()
    scans: list[Summary] = []
    indexer = Indexer(plan)

    def run() -> None:
        try:
            Follower(indexer, plan, stop, scans.append).run()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: bool(scans or failures))
        yield scans
    finally:
        stop.set()
        thread.join()
        indexer.close()
    assert failures == []


def shown(plan: Plan) -> set[str]:
    entries = contents(Path(plan.state_dir)).entries.values()
    return {msgspec.json.decode(entry[6])["title"] for entry in entries}


class Shown(NamedTuple):
    """An article as a reader of the index sees it."""

    title: str
    body: str
    updated: int


@contextmanager
def observed(plan: Plan, most: int = 1000) -> Iterator[list[dict[str, Shown]]]:
    """All states of the newest articles that a reader sees while the block runs, by id."""
    stop, states = threading.Event(), list[dict[str, Shown]]()
    reader = IndexReader(open_store(address_of(Path(plan.state_dir))))

    def observe() -> None:
        while not stop.is_set():
            selected = reader.select(EVERYTHING, most)
            entries = () if selected is None else selected.entries
            state = {
                one.article.id: Shown(one.article.title, one.article.body_html, int(one.updated.timestamp()))
                for one in entries
            }
            if not states or states[-1] != state:
                states.append(state)
            time.sleep(0.002)

    thread = threading.Thread(target=observe)
    thread.start()
    try:
        yield states
    finally:
        stop.set()
        thread.join()
        reader.close()
