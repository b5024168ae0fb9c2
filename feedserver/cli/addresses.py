"""Completes the addresses of feeds in a shell, from the index that is there. Makes none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from feedserver.cli.options import sources
from feedserver.errors import FeedserverError
from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.model import Format, Kind
from feedserver.settings.sources import load_settings
from feedserver.site.addresses import GROUPS
from feedserver.wiring.own_state import with_own_state
from feedserver.wiring.planning import store_address

_OPTIONS = ("config", "base_url", "state_dir", "adopt_state")
_MOST = 50  # listings that are proposed


def complete_address(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The addresses of feeds that begin with a text; of the groups, where it names none yet."""
    group, slash, slug = incomplete.removeprefix("/").partition("/")
    if not slash:
        groups = [f"/{name}/" for name in GROUPS] + [f"/articles.{fmt.value}" for fmt in Format]
        return [name for name in groups if name.startswith(incomplete)]
    kind = GROUPS.get(group)
    if kind is None:
        return []
    try:
        return [address for address in _addresses(ctx, kind, slug) if address.startswith(incomplete)]
    except (FeedserverError, SQLAlchemyError, OSError):
        return []  # a shell that completes has no place for a message


def _addresses(ctx: click.Context, kind: Kind, slug: str) -> Iterator[str]:
    given: dict[str, Any] = {name: ctx.params.get(name) for name in _OPTIONS}
    folders = ctx.params.get("folders") or ()
    settings = load_settings(**sources(**given, folders=folders))
    settings = with_own_state(settings) if folders else settings
    name = slug.partition(".")[0]
    reader = IndexReader(open_store(store_address(settings)))
    try:
        if not open_store(store_address(settings)).is_indexed():
            return
        kinds = (kind, Kind.DOMAIN) if kind is Kind.PROVIDER else (kind,)
        for one in kinds:
            begin = slug.rpartition(".")[0] or slug if one is Kind.DOMAIN else name
            for found in reader.similar(one, begin, _MOST):
                yield from (f"{found.key.address}.{fmt.value}" for fmt in Format)
    finally:
        reader.close()
