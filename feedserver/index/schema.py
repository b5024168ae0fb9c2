"""The tables of the index and of the publication history.

Two databases on purpose. The *index* can be rebuilt from the files and the publication history, so it has no
migrations: another `INDEX_SCHEMA_VERSION` means another build. The *publication history* holds facts that
no file can tell, is small, and is never dropped (promises 2, 3 and 4).

Times are whole seconds since the epoch, UTC. Digests and versions are 16 bytes. This module defines
tables and nothing else; it opens no connection.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table
from sqlalchemy import String as AnyString

INDEX_SCHEMA_VERSION = 8
HISTORY_SCHEMA_VERSION = 2

# Stands for the place of the publication history; each store has a name for it, or none. Tables of both kinds
# have the same names.
HISTORY: Final = "history"

# The same order everywhere (promise 2): that of code points. SQLite has no other one.
String = AnyString().with_variant(AnyString(collation="C"), "postgresql")

index = MetaData()
history = MetaData(schema=HISTORY)

meta = Table(
    "meta",
    index,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

# One row per path that a scan found. `root` is the position of the root in the settings. `state` is NULL for
# SEEN, as in nearly all rows. Narrow, because a rescan reads all of it.
file = Table(
    "file",
    index,
    Column("id", Integer, primary_key=True),
    Column("root", Integer, nullable=False),
    Column("path", String, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("ctime_ns", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("inode", String, nullable=False),
    Column("state", String),
    Column("verdict", String, nullable=False),
    Column("findings", LargeBinary),
    Index("file_path", "root", "path", unique=True),
    Index("file_verdict", "verdict"),
)
Index(
    "file_with_findings",
    file.c.id,
    sqlite_where=file.c.findings.is_not(None),
    postgresql_where=file.c.findings.is_not(None),
)

# One row per file that holds an article that may be shown: now, later (`published` or `visible_from` in the
# future), or never, because `visible_until` has come or as long as another file with the same id wins. `due`
# is the next moment at which time alone changes this row. `payload` is the article. The values that the
# writer needs stand before it, because SQLite reads a row up to the last column that is asked for. Related
# articles that are published later are in `whole` only, which is NULL if there are none.
candidate = Table(
    "candidate",
    index,
    Column("file_id", Integer, primary_key=True),
    Column("article_id", String, nullable=False),
    Column("order_path", String, nullable=False),
    Column("published", BigInteger, nullable=False),
    Column("declared_update", BigInteger),
    Column("mtime", BigInteger, nullable=False),
    Column("date_is_provisional", Boolean, nullable=False),
    Column("quality", Integer, nullable=False),
    Column("heat", Integer, nullable=False),
    Column("visible_from", BigInteger, nullable=False),
    Column("visible_until", BigInteger),
    Column("due", BigInteger),
    Column("digest", LargeBinary, nullable=False),
    Column("visible_digest", LargeBinary, nullable=False),
    Column("listings", LargeBinary, nullable=False),
    Column("related_until", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("whole", LargeBinary),
    Index("candidate_article", "article_id"),
    Index("candidate_due", "due"),
)

# For selections that are sorted or bounded by a rank. Read backwards, as memberships are.
for _rank in ("quality", "heat"):
    Index(f"candidate_{_rank}", candidate.c[_rank], candidate.c.published, candidate.c.article_id)

# One row per link of a file to a file of the same root, with the address that the article there had when the
# file was read, or ''.
link = Table(
    "link",
    index,
    Column("file_id", Integer, primary_key=True),
    Column("root", Integer, nullable=False),
    Column("target", String, primary_key=True),
    Column("address", String, nullable=False),
    Index("link_target", "root", "target"),
    sqlite_with_rowid=False,
)

# One row per live article. `listings` are those that it was counted into, so that it can be counted out.
entry = Table(
    "entry",
    index,
    Column("article_id", String, primary_key=True),
    Column("file_id", Integer, nullable=False),
    Column("published", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("listings", LargeBinary, nullable=False),
    Index("entry_file", "file_id"),
    sqlite_with_rowid=False,
)

# For selections that are sorted by the last change.
Index("entry_updated", entry.c.updated, entry.c.published, entry.c.article_id)

# `version` is the sum of the digests of its live entries (equal after a rebuild
# and on every machine), `changed` the sequence number of the commit that last touched it, `retracted` that of
# the last one by which an article left it, 0 if none did in this build.
listing = Table(
    "listing",
    index,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("slug", String, nullable=False),
    Column("version", LargeBinary, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("retracted", BigInteger, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("title", String, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("updated", BigInteger),
    Column("taxonomy", LargeBinary),
    Index("listing_key", "kind", "slug", unique=True),
)
# The order of lists of listings, so that one page of a list, or the largest few, costs the same however many
# there are.
Index("listing_entries", listing.c.kind, listing.c.entries.desc(), listing.c.title, listing.c.slug)

# The order of a listing: newest first, ties broken by id, is this key read backwards.
membership = Table(
    "membership",
    index,
    Column("listing_id", Integer, primary_key=True),
    Column("published", BigInteger, primary_key=True),
    Column("article_id", String, primary_key=True),
    Column("updated", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# How many entries of a listing were published in which UTC month, as `archives` numbers months: so that a
# walk through the archive documents need not count.
month = Table(
    "month",
    index,
    Column("listing_id", Integer, primary_key=True),
    Column("month", Integer, primary_key=True),
    Column("entries", Integer, nullable=False),
    sqlite_with_rowid=False,
)

spelling = Table(
    "spelling",
    index,
    Column("listing_id", Integer, primary_key=True),
    Column("text", String, primary_key=True),
    Column("count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

taxonomy = Table(
    "taxonomy",
    index,
    Column("file_id", Integer, primary_key=True),
    Column("order_path", String, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)

# Made when a new build is filled, in this order: an index made at once costs a quarter of one made row by
# row, and none of these is used before. The first one is used to publish the candidates.
LATE_INDEXES = [
    index_of
    for table, names in (
        (candidate, ("candidate_article", "candidate_due", "candidate_quality", "candidate_heat")),
        (file, ("file_verdict", "file_with_findings")),
        (entry, ("entry_file", "entry_updated")),
        (listing, ("listing_entries",)),
    )
    for name in names
    for index_of in table.indexes
    if index_of.name == name
]

# --- The publication history -----------------------------------------------------------------------

history_meta = Table(
    "meta",
    history,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

# `first_seen` is set for articles without a date of their own (`dates.fallback: mtime`).
known_article = Table(
    "article",
    history,
    Column("article_id", String, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("first_seen", BigInteger),
    sqlite_with_rowid=False,
)

# The last version that could be read of a file that now cannot. Keyed by the path, because a broken
# file tells nothing else of itself.
last_good = Table(
    "last_good",
    history,
    Column("order_path", String, primary_key=True),
    Column("reading", LargeBinary, nullable=False),
    Column("mtime", BigInteger, nullable=False),
)

known_listing = Table(
    "listing",
    history,
    Column("kind", String, primary_key=True),
    Column("slug", String, primary_key=True),
    Column("title", String, nullable=False),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The validators last sent for an address; `sequence` orders renders of different index states. The module
# `last_modified` explains `sent` and `ahead` (with commas); schema 1 had neither.
known_address = Table(
    "address",
    history,
    Column("address", String, primary_key=True),
    Column("etag", String, nullable=False),
    Column("last_modified", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("sent", BigInteger),
    Column("ahead", String, nullable=False, server_default=""),
    sqlite_with_rowid=False,
)
