"""`feedserver config`."""

from __future__ import annotations

import json
from typing import Any

import click
import msgspec

from feedserver.cli.options import as_json_option, folders, shared_options, sources
from feedserver.settings.sources import origins

EPILOG = """\b
Examples:
  feedserver config
  feedserver config ~/blog
  feedserver config --check
"""


@click.command("config", epilog=EPILOG)
@folders
@shared_options
@as_json_option
@click.option("--check", "only_check", is_flag=True, help="Only say whether the settings are usable.")
def command(only_check: bool, as_json: bool, **options: Any) -> None:
    """Show the effective settings for the article FOLDERs, and where each came from."""
    found = origins(**sources(**options))
    if only_check:
        click.echo("The settings are usable.")
    elif as_json:
        rows = [{"key": one.key, "value": one.value, "source": one.source} for one in found]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        for one in found:
            click.echo(f"{one.key}: {msgspec.json.encode(one.value).decode()}  # {one.source}")
