"""`feedserver list`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from feedserver.cli.options import shared_options, sources
from feedserver.cli.reading import indexed
from feedserver.cli.state_command import StateCommand
from feedserver.model import Kind
from feedserver.settings.sources import load_settings
from feedserver.site import directory, status
from feedserver.site.addresses import GROUPS


@click.command("list", cls=StateCommand)
@click.argument("what", type=click.Choice(["topics", "providers", "categories", "feeds"]))
@shared_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(what: str, as_json: bool, **options: Any) -> None:
    """List what there are feeds of, with counts, last change and addresses; on standard error, how fresh."""
    settings = load_settings(**sources(**options))
    with indexed(settings) as publisher:
        members = directory.members(publisher, GROUPS[what])
        if GROUPS[what] is Kind.FEED:
            members.insert(0, directory.everything(publisher))
        rows = [directory.described(one, publisher.site.base_url) for one in members]
        how = status.in_short(publisher, datetime.now(UTC))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=1).decode())
    else:
        for row in rows:
            click.echo(f"{row['count']:>7}  {row['updated'] or '-'!s:<20}  {row['address']}  {row['title']}")
    click.echo(f"Index: {how}.", err=True)
