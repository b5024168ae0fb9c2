"""`feedserver history`: copies of the publication history."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from feedserver.cli.options import as_json_option, shared_options, sources
from feedserver.cli.state_command import StateCommand
from feedserver.errors import ServerBusyError, StateError
from feedserver.index.sqlite import copies
from feedserver.indexing.lock import IndexerLock, ServersLock
from feedserver.settings.sources import load_settings


@click.group("history")
def command() -> None:
    """List the copies of the publication history, or restore one."""


@command.command("copies", cls=StateCommand)
@shared_options
@as_json_option
def list_copies(as_json: bool, **options: Any) -> None:
    """List the copies that the server made of the publication history, the newest first."""
    rows = [
        {
            "made": f"{copies.made_at(copy):%Y-%m-%dT%H:%M:%SZ}",
            "bytes": copy.stat().st_size,
            "path": str(copy),
        }
        for copy in copies.copies(_state_dir(**options))
    ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    for row in rows:
        made = str(row["made"]).replace("T", " ").replace("Z", " UTC")
        click.echo(f"{made} {row['bytes']:>12,} bytes  {row['path']}")


@command.command("restore", cls=StateCommand)
@click.argument("copy", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@shared_options
def restore(copy: Path | None, **options: Any) -> None:
    """Put a COPY, or the newest one, in the place of the publication history. The server must be stopped."""
    state_dir = _state_dir(**options)
    chosen = copy or next(iter(copies.copies(state_dir)), None)
    if chosen is None:
        raise StateError(state_dir, "holds no copy of the publication history; name a file")
    lock = IndexerLock.acquire(state_dir)
    if lock is None:
        raise ServerBusyError(f"{state_dir}: is in use; stop the server or indexer, then restore")
    try:
        with ServersLock(state_dir, "restore"):
            copies.restore(state_dir, chosen, time.time())
    finally:
        lock.release()
    click.echo(f"Restored {chosen}; start the server again.")


def _state_dir(**options: Any) -> Path:
    return load_settings(**sources(**options)).state.dir.resolve()
