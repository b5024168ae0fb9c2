"""All that a store holds and shows, as values to compare, whichever kind of store it is."""

from __future__ import annotations

import difflib
import pprint
from contextlib import closing
from typing import Any

import msgspec
from builders import contents
from sqlalchemy import select

from feedserver.index import schema, transfer
from feedserver.index.archives import ArchiveDocument, closed_archives
from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.index.transactions import transaction
from feedserver.index.values import Selected, StoreAddress
from feedserver.model import Kind, ListingKey


def observed(address: StoreAddress) -> dict[str, Any]:
    """All that readers can ask of the serving build, what it holds of files, and what the history holds."""
    found: dict[str, Any] = {
        "history": history_of(address),
        "index": contents(address)._asdict(),
    }
    reader = IndexReader(open_store(address))
    try:
        keys = [_key(name) for name in sorted(found["index"]["listings"])]
        found["listings"] = {f"{key.kind}/{key.slug}": _listing(reader, key) for key in keys}
        found["directory"] = {kind.value: reader.summaries(kind) for kind in Kind}
        found["counts"] = reader.counts()
        found["verdicts"] = reader.verdicts()
        found["findings"] = [(key.root, key.path, finding) for key, finding in reader.findings()]
        found["open month"] = reader.open_month()
        return found
    finally:
        reader.close()


def _key(name: str) -> ListingKey:
    kind, _, slug = name.partition("/")
    return ListingKey(kind=Kind(kind), slug=slug)


def _listing(reader: IndexReader, key: ListingKey) -> dict[str, Any]:
    newest = reader.select(key, 50)
    assert newest is not None
    parts = [
        ArchiveDocument(month=month, number=number)
        for month in sorted(newest.months)
        for number in range(1, 1 + closed_archives(newest.months, month, newest.open_month))
    ]
    return {
        "newest": _shown(newest),
        **{str(archive): _shown(reader.select_archive(key, archive)) for archive in parts},
        "are in": reader.are_in(key, [entry.article.id for entry in newest.entries]),
    }


def _shown(selected: Selected | None) -> tuple[Any, ...]:
    """All but what numbers rows, commits and builds."""
    assert selected is not None
    state = msgspec.structs.asdict(selected.state)
    facts = {
        name: value for name, value in state.items() if name not in ("id", "changed", "retracted", "build")
    }
    return facts, selected.entries, selected.months, selected.open_month


def history_of(address: StoreAddress) -> dict[str, Any]:
    """The rows of the publication history for articles, broken files and listings."""
    tables = ((schema.known_article, 1), (schema.last_good, 1), (schema.known_listing, 2))
    with closing(open_store(address).history()) as history, transaction(history.connection):
        return {
            table.name: {
                tuple(row)[:keys]: tuple(row)[keys:] for row in history.connection.execute(select(table))
            }
            for table, keys in tables
        }


def dates_of(address: StoreAddress, now: float) -> dict[str, Any]:
    """The validators of each listing; the publication history dates those that it does not know."""
    store = open_store(address)
    with closing(IndexReader(store)) as reader, closing(store.impatient_history()) as history:
        dates: dict[str, Any] = {}
        for name in contents(address).listings:
            state = reader.listing(_key(name))
            assert state is not None
            earliest = int(state.since.timestamp())
            dating = history.last_modified(
                name, state.version, sequence=state.changed, earliest=earliest, now=now
            )
            dates[name] = None if dating is None else (state.version, dating.last_modified)
        return dates


def copy_history(source: StoreAddress, target: StoreAddress) -> None:
    """Copy the publication history of a store into a new one."""
    with (
        closing(open_store(source).history()) as old,
        closing(open_store(target).history()) as new,
    ):
        transfer.copy_history(old, new)


def assert_whole(address: StoreAddress) -> None:
    """Nothing is torn: every listing is the sum of its members, and each of them has its article."""
    index = contents(address)
    sums: dict[str, list[int]] = {name: [0, 0] for name in index.listings}
    for kind, slug, published, article, updated in index.members:
        _, _, *times, digest, _, _ = index.entries[article]
        assert times == [published, updated], f"{article} is listed with other times than it has"
        sums[f"{kind}/{slug}"][0] += int.from_bytes(digest, "big")
        sums[f"{kind}/{slug}"][1] += 1
    for name, (version, entries, *_) in index.listings.items():
        assert (int(version, 16), entries) == (sums[name][0] % (1 << 128), sums[name][1]), f"{name} is torn"


def assert_equal(one: str, left: dict[str, Any], other: str, right: dict[str, Any]) -> None:
    """Fail with the lines in which two values differ."""
    if left == right:
        return
    was, shall = (pprint.pformat(value, width=160).splitlines() for value in (left, right))
    difference = [line[:600] for line in difflib.unified_diff(was, shall, one, other, n=0, lineterm="")]
    raise AssertionError("\n".join(["not equal:", *difference[:40]]))
