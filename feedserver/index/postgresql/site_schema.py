"""The schema of a site: its publication history, and the tables that say which build serves and who writes.

`serving` has one row: the serving build, when it began to serve, and a revision, which each commit to it
raises. `writer` has one row: the epoch, which each new writer raises. `build` lists the schemas of builds.
Makes the schema; the publication history makes its tables itself.
"""

from __future__ import annotations

from typing import Final

from psycopg import sql
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    MetaData,
    Table,
    func,
    insert,
    select,
    text,
)

from feedserver.index.schema import HISTORY, String

tables = MetaData(schema=HISTORY)

_ONLY: Final = 1

serving = Table(
    "serving",
    tables,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("build", String),
    Column("switched", Float(53), nullable=False),
    Column("revision", BigInteger, nullable=False),
)

writer = Table(
    "writer",
    tables,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
)

build = Table(
    "build",
    tables,
    Column("name", String, primary_key=True),
    Column("has_served", Boolean, nullable=False),
    Column("retired", Float(53)),
)


def hold(connection: Connection, what: str) -> None:
    """In a transaction: until its end no other process holds the same."""
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(what, 0))))


def make_schema(connection: Connection, schema: str) -> None:
    """Make the schema of a site and its tables, unless they are there."""
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": f'"{schema}".writer'}) is not None:
        return
    hold(connection, f"feedserver:{schema}:tables")
    if connection.scalar(text("SELECT to_regnamespace(:name)"), {"name": f'"{schema}"'}) is None:
        connection.exec_driver_sql(_quoted("CREATE SCHEMA {}", schema))
    tables.create_all(connection)
    for table, row in ((serving, {"switched": 0.0, "revision": 0}), (writer, {"epoch": 0})):
        if connection.scalar(select(func.count()).select_from(table)) == 0:
            connection.execute(insert(table).values(id=_ONLY, **row))


def make_build_schema(connection: Connection, name: str) -> None:
    """Make the schema of a build."""
    connection.exec_driver_sql(_quoted("CREATE SCHEMA IF NOT EXISTS {}", name))


def drop_build_schema(connection: Connection, name: str) -> None:
    """Drop the schema of a build with all that is in it."""
    connection.exec_driver_sql(_quoted("DROP SCHEMA IF EXISTS {} CASCADE", name))


def use_build(connection: Connection, name: str) -> None:
    """Let the names of tables mean those of a build from now on."""
    connection.exec_driver_sql(_quoted("SET search_path TO {}", name))


def _quoted(statement: str, name: str) -> str:
    return sql.SQL(statement).format(sql.Identifier(name)).as_string()
