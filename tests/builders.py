"""Article files, plans and readings to test with, and what an index holds, as values to compare.

All names and addresses are invented.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import select
from stores import address_of, snapshot

from feedserver.articles.rules import ReadingRules
from feedserver.articles.selections.values import ListingRules, Selection
from feedserver.index import schema
from feedserver.index.contents import content_of
from feedserver.index.file_values import FileChange, FileKey, Stamp
from feedserver.index.sqlite.serving import POINTER_SECONDS
from feedserver.index.values import StoreAddress
from feedserver.indexing.plan import Ownership, Plan, Root
from feedserver.model import Article, Provider, Reading, Term, Verdict
from feedserver.settings.selections import SelectionSettings, selection_of

AUTHORITY = "feeds.example"
YEAR = 2024

# 2024-06-01T00:00:00Z: after the articles of the builders, before the present.
START = 1_717_200_000

# Suffixes and names as the settings have them by default.
EXTENSIONS = (".md", ".markdown", ".mdx", ".html", ".yaml", ".yml", ".json")
SKIP = (".*", "*~", "*.swp", ".#*", "README*", "_site", "_layouts", "_includes", "_drafts", "node_modules")


class Clock:
    """A clock that a test sets: seconds since the epoch."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


# --- Files --------------------------------------------------------------------------------------------


def article_text(body: str = "Text.\n", **fields: object) -> str:
    """An article file: the least that an article has, changed by the fields; None leaves one out."""
    least: dict[str, object] = {
        "title": "Bees",
        "publishedDateTime": "2024-05-01T10:00:00Z",
        "webUrl": "https://gazette.example/bees",
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in (least | fields).items() if value is not None]
    return "\n".join(["---", *lines, "---", body])


def write_article(
    folder: Path,
    path: str = "_news/bees.md",
    *,
    body: str = "Text.\n",
    mtime: float | None = None,
    **fields: object,
) -> Path:
    """Write an article file, aside and renamed into place, with an mtime in seconds since the epoch."""
    return write_file(folder, path, article_text(body, **fields), mtime=mtime)


def write_file(folder: Path, path: str, content: str | bytes, *, mtime: float | None = None) -> Path:
    """Write any file as an editor does: aside, then renamed into place."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.aside")
    aside.write_bytes(content.encode() if isinstance(content, str) else content)
    if mtime is not None:
        os.utime(aside, (mtime, mtime))
    return aside.replace(target)


def let_readers_look() -> None:
    """Let as much time pass as readers may take to see what no indexer tells them of."""
    time.sleep(POINTER_SECONDS)


# --- Plans --------------------------------------------------------------------------------------------


def a_plan(
    state_dir: Path, *folders: Path, rules: Mapping[str, object] | None = None, **changes: object
) -> Plan:
    """The plan of folders of articles; from the second on their ids have a prefix. Makes the state folder."""
    state_dir.mkdir(parents=True, exist_ok=True)
    roots = tuple(
        Root(path=str(folder), reading=_rules(f"more{number}" if number else "", rules or {}))
        for number, folder in enumerate(folders)
    )
    ownership = Ownership(roots=tuple(root.path for root in roots), id_authority=AUTHORITY, id_year=YEAR)
    plan = Plan(
        store=address_of(state_dir),
        roots=roots,
        extensions=EXTENSIONS,
        skip=SKIP,
        max_file_size=100_000,
        fingerprint="of the tests",
        ownership=ownership,
    )
    return msgspec.structs.replace(plan, **changes)


def _rules(prefix: str, changes: Mapping[str, Any]) -> ReadingRules:
    return ReadingRules(**{"id_authority": AUTHORITY, "id_year": YEAR, "id_prefix": prefix, **changes})


def id_of(path: str) -> str:
    """The id of the article at a path without extension and `_`, such as `news/bees`."""
    return f"tag:{AUTHORITY},{YEAR}:{path}"


# --- Readings, for tests without files ----------------------------------------------------------------


def at(seconds: float) -> datetime:
    """A moment, from seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def an_article(path: str = "news/bees", **changes: Any) -> Article:
    """An article published at `START`."""
    least = Article(id=id_of(path), title="Bees", url="https://gazette.example/bees", published=at(START))
    return msgspec.structs.replace(least, **changes)


def terms(*names: str) -> tuple[Term, ...]:
    """Topics; a name's slug is the name in lower case."""
    return tuple(Term(name=name, slug=name.lower()) for name in names)


def a_selection(name: str, title: str = "", **conditions: Any) -> Selection:
    """A saved feed, with conditions as the settings state them."""
    return selection_of(name, SelectionSettings(title=title or name.title(), **conditions))


def a_provider(name: str = "Gazette", domain: str = "gazette.example") -> Provider:
    """A provider; its slug is the name in lower case."""
    return Provider(name=name, slug=name.lower(), domain=domain)


def a_change(
    path: str,
    article: Article | None = None,
    *,
    mtime: int = START,
    root: int = 0,
    verdict: Verdict = Verdict.ARTICLE,
    rules: ListingRules | None = None,
    **reading: Any,
) -> FileChange:
    """A file that was read: by default an article."""
    if article is None and verdict is Verdict.ARTICLE:
        article = an_article()
    return FileChange(
        key=FileKey(root=root, path=path),
        order_path=path,
        stamp=Stamp(mtime_ns=mtime * 1_000_000_000, ctime_ns=mtime * 1_000_000_000, size=100, inode=1),
        content=content_of(
            Reading(verdict=verdict, article=article, **reading), rules or ListingRules(is_searched=True)
        ),
    )


def a_loss(path: str, root: int = 0) -> FileChange:
    """A file that is gone."""
    return FileChange(key=FileKey(root=root, path=path), order_path=path)


def damage_fact(database: Path, key: str) -> None:
    """Overwrite a noted fact with something that is no JSON."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        changed = connection.execute("UPDATE meta SET value = '{' WHERE key = ?", (key,))
        if not changed.rowcount:
            raise AssertionError(f"{database} has no fact {key}")


# --- What an index holds ------------------------------------------------------------------------------


class Contents(NamedTuple):
    """All of an index that must be equal after a rebuild: no row ids, no numbers of commits."""

    entries: dict[str, tuple[Any, ...]]
    listings: dict[str, tuple[Any, ...]]
    members: set[tuple[Any, ...]]
    months: set[tuple[Any, ...]]
    findings: dict[tuple[int, str], Any]


def contents(place: Path | StoreAddress) -> Contents:
    """The content of the serving build of a store, or of a state folder's store."""
    file, entry, listing, member = schema.file, schema.entry, schema.listing, schema.membership
    candidate, month = schema.candidate, schema.month
    with snapshot(place) as connection:
        shown = connection.execute(
            select(entry, file.c.root, file.c.path, candidate.c.payload)
            .join(file, file.c.id == entry.c.file_id)
            .join(candidate, candidate.c.file_id == entry.c.file_id)
        ).all()
        listings = connection.execute(select(listing)).all()
        members = connection.execute(
            select(listing.c.kind, listing.c.slug, member.c.published, member.c.article_id, member.c.updated)
            .select_from(member)
            .join(listing, listing.c.id == member.c.listing_id)
        ).all()
        months = connection.execute(
            select(listing.c.kind, listing.c.slug, month.c.month, month.c.entries)
            .select_from(month)
            .join(listing, listing.c.id == month.c.listing_id)
            .where(month.c.entries != 0)
        ).all()
        files = connection.execute(select(file)).all()
    return Contents(
        entries={
            row.article_id: (
                row.root, row.path, row.published, row.updated, row.digest, row.listings, row.payload
            )
            for row in shown
        },
        listings={
            f"{row.kind}/{row.slug}": (
                row.version.hex(), row.entries, row.title, row.since, row.updated, row.taxonomy
            )
            for row in listings
        },
        members={tuple(row) for row in members},
        months={tuple(row) for row in months},
        findings={(row.root, row.path): (row.verdict, row.findings) for row in files},
    )  # fmt: skip


def changes_of(state_dir: Path) -> dict[str, int]:
    """The number of the commit that last touched each listing."""
    with snapshot(state_dir) as connection:
        rows = connection.execute(select(schema.listing)).all()
        return {f"{row.kind}/{row.slug}": row.changed for row in rows}


def wait_for(condition: Callable[[], bool], patience: float = 20.0) -> float:
    """Wait until a condition holds; the seconds that it took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > patience:
            raise AssertionError(f"not within {patience} s")
        time.sleep(0.02)
    return time.monotonic() - begun
