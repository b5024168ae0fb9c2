"""`feedserver state`: moving the publication history between the state folder and a database."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

import click

from feedserver.cli.options import shared_options, sources
from feedserver.cli.state_command import StateCommand
from feedserver.errors import ServerBusyError, SettingsError
from feedserver.index.stores import open_store
from feedserver.index.transfer import copy_history
from feedserver.index.values import StoreAddress
from feedserver.indexing.lock import IndexerLock, ServersLock
from feedserver.settings.kinds import DATABASE_URL, SCHEMA, SCHEMA_DEMAND
from feedserver.settings.sources import load_settings
from feedserver.system import private
from feedserver.wiring.indexing import take_over
from feedserver.wiring.planning import store_address

FILES = "files"


@click.group("state")
def command() -> None:
    """Move the publication history between the state folder and a database."""


@command.command("copy", cls=StateCommand)
@click.option(
    "--to", "target", required=True, metavar="URL", help="postgresql://…, or `files` for the state folder."
)
@click.option("--to-schema", metavar="NAME", help="In the database; the one of index.site_schema by default.")
@shared_options
def copy(target: str, to_schema: str | None, **options: Any) -> None:
    """Copy the publication history of the settings to another place. The server must be stopped."""
    settings = load_settings(**sources(**options))
    here, state_dir = store_address(settings), settings.state.dir.resolve()
    there = _address(target, to_schema or settings.index.site_schema, here)
    if there == here:
        raise SettingsError([f"--to: {target} is the place that the settings name already"])
    private.make_folder(state_dir)
    lock = IndexerLock.acquire(state_dir)
    if lock is None:
        raise ServerBusyError(f"{state_dir}: is in use; stop the server or indexer, then copy")
    with ExitStack() as stack:
        stack.callback(lock.release)
        stack.enter_context(ServersLock(state_dir, "copy"))
        if not (here.url and there.url):
            take_over(state_dir)
        for address in (here, there):  # no indexer of another machine writes to a database meanwhile
            stack.enter_context(closing(open_store(address).builds()))
        source = stack.enter_context(closing(open_store(here).history()))
        copied = copy_history(source, stack.enter_context(closing(open_store(there).history())))
    click.echo(f"Copied the publication history of {copied} articles; set index.url, then start the server.")


def _address(target: str, schema: str, here: StoreAddress) -> StoreAddress:
    """The address that the options name."""
    if target == FILES:
        return StoreAddress(state_dir=here.state_dir)
    if not target or not DATABASE_URL.fullmatch(target):
        raise SettingsError(["--to: must be postgresql://user@host/database, or files"])
    if not SCHEMA.fullmatch(schema):
        raise SettingsError([f"--to-schema: {SCHEMA_DEMAND}"])
    return StoreAddress(state_dir=here.state_dir, url=target, schema=schema, password_file=here.password_file)
