"""The tables of the index and of the memory.

Two databases on purpose. The *index* can be rebuilt from the files and the memory, so it has no
migrations: another `INDEX_SCHEMA_VERSION` means another build. The *memory* holds what no file can
tell, is small, and is never dropped (promises 2, 3 and 4).

Times are whole seconds since the epoch, UTC. Digests and versions are 16 bytes. This module defines
tables and nothing else; it opens no connection.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table

INDEX_SCHEMA_VERSION = 3
MEMORY_SCHEMA_VERSION = 1

# The key under which both databases hold the number of the last commit to the index.
SEQUENCE = "sequence"

index = MetaData()
memory = MetaData()

meta = Table(
    "meta",
    index,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

# One row per file that a scan found, whatever it turned out to be. `root` is the position of the
# root in the settings. Narrow, because a rescan reads all of it.
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
    Column("verdict", String, nullable=False),
    Column("findings", LargeBinary),
    Index("file_path", "root", "path", unique=True),
    Index("file_verdict", "verdict"),
)
Index("file_with_findings", file.c.id, sqlite_where=file.c.findings.is_not(None))

# One row per file that holds an article that may be shown: now, later (`published` in the future),
# or never, as long as another file with the same id wins. `due` is the next moment at which time
# alone changes what this row means. `payload` is the article; what the writer needs of it stands before
# it, because SQLite reads a row up to the last column that is asked for.
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
    Column("due", BigInteger),
    Column("digest", LargeBinary, nullable=False),
    Column("visible_digest", LargeBinary, nullable=False),
    Column("listings", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("candidate_article", "article_id"),
    Index("candidate_due", "due"),
)

# One row per live article. `listings` is what it was counted into, so that it can be counted out.
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

# A facet: one listing. `version` is the sum of the digests of its live entries (equal after a rebuild
# and on every machine), `changed` the sequence number of the commit that last touched it.
facet = Table(
    "facet",
    index,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("slug", String, nullable=False),
    Column("version", LargeBinary, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("title", String, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("updated", BigInteger),
    Column("taxonomy", LargeBinary),
    Index("facet_key", "kind", "slug", unique=True),
    Index("facet_entries", "kind", "entries"),
)

# The order of a listing: newest first, ties broken by id, is this key read backwards.
membership = Table(
    "membership",
    index,
    Column("facet_id", Integer, primary_key=True),
    Column("published", BigInteger, primary_key=True),
    Column("article_id", String, primary_key=True),
    Column("updated", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# How many entries of a listing were published in which UTC month, as `archives` numbers months: what a
# walk through the archive documents needs to know without counting.
month = Table(
    "month",
    index,
    Column("facet_id", Integer, primary_key=True),
    Column("month", Integer, primary_key=True),
    Column("entries", Integer, nullable=False),
    sqlite_with_rowid=False,
)

spelling = Table(
    "spelling",
    index,
    Column("facet_id", Integer, primary_key=True),
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
# row, and none of these is looked at before. The first is what the claims are published by.
LATE_INDEXES = [
    index_of
    for table, names in (
        (candidate, ("candidate_article", "candidate_due")),
        (file, ("file_verdict", "file_with_findings")),
        (entry, ("entry_file",)),
        (facet, ("facet_entries",)),
    )
    for name in names
    for index_of in table.indexes
    if index_of.name == name
]

# --- The memory --------------------------------------------------------------------------------

memory_meta = Table(
    "meta",
    memory,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

# `first_seen` is set for articles without a date of their own (`dates.fallback: mtime`).
known_article = Table(
    "article",
    memory,
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
    memory,
    Column("order_path", String, primary_key=True),
    Column("reading", LargeBinary, nullable=False),
    Column("mtime", BigInteger, nullable=False),
)

known_listing = Table(
    "listing",
    memory,
    Column("kind", String, primary_key=True),
    Column("slug", String, primary_key=True),
    Column("title", String, nullable=False),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The validators last sent for an address; `sequence` orders renders of different index states.
known_address = Table(
    "address",
    memory,
    Column("address", String, primary_key=True),
    Column("etag", String, nullable=False),
    Column("last_modified", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
