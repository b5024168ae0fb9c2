"""The options and arguments that commands share, and their settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from feedserver.cli.voice import voice_options

Command = Callable[..., Any]

# A folder of the settings may come later, with a mount. On the command line a missing one is a mistyped name.
folders = click.argument(
    "folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(exists=True, file_okay=False)
)

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def shared_options(command: Command) -> Command:
    """The options that all commands have."""
    for option in (
        voice_options,
        click.option(
            "--adopt-state",
            is_flag=True,
            default=None,
            help="Go on with a state folder of other articles or ids.",
        ),
        click.option(
            "--state-dir", metavar="DIR", help="Where index, publication history and cache are kept."
        ),
        click.option("--base-url", metavar="URL", help="The public URL that all addresses begin with."),
        click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="The settings file."),
    ):
        command = option(command)
    return command


def sources(
    config: Path | None, base_url: str | None, state_dir: str | None, adopt_state: bool | None, **more: Any
) -> dict[str, Any]:
    """The arguments for `load_settings` from the options of a command."""
    folders = more.pop("folders", ())
    overrides = {
        "site": {"base_url": base_url},
        "state": {"dir": state_dir, "adopt": adopt_state},
        "articles": list(folders) or None,
        "server": more,
    }
    return {"config_file": config, "overrides": overrides}
