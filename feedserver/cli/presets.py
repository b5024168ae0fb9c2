"""Says which folders were recognised, as commands do at their start."""

from __future__ import annotations

from typing import Any

import click

from feedserver.cli.voice import say
from feedserver.settings.sources import presets_used


def say_presets(**arguments: Any) -> None:
    """Print one line for each folder that a preset recognised, and one for each value that it could not use.

    Args:
        arguments: those of `load_settings`.
    """
    for use in presets_used(**arguments):
        keys = ", ".join((*use.site, *use.articles)) or "no settings"
        say(
            f"articles[{use.position}]: recognised as a folder of {use.program} ({use.source}); "
            f"from it follow {keys} (feedserver config shows them)"
        )
        for problem in use.unused:
            click.echo(f"feedserver: {use.source}: not used: {problem}", err=True)
