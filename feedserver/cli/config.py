"""`feedserver config`."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from feedserver.cli.options import folders, shared_options, sources
from feedserver.settings.sources import origins


@click.command("config")
@folders
@shared_options
@click.option("--check", "only_check", is_flag=True, help="Only say whether the settings are usable.")
def command(only_check: bool, **options: Any) -> None:
    """Show the effective settings for the article FOLDERs, and where each came from."""
    found = origins(**sources(**options))
    if only_check:
        click.echo("The settings are usable.")
        return
    for origin in found:
        value = msgspec.json.encode(origin.value).decode()
        click.echo(f"{origin.key}: {value}  # {origin.source}")
