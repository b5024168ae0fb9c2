"""The command group: finds the chosen subcommand, and reports an error in one line.

A subcommand is imported when it is run, not when the subcommands are listed. Each imports the packages that
it needs, and these imports are most of the time that a command without work takes.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any, NoReturn

import click

from feedserver import __version__
from feedserver.errors import FeedserverError, SettingsError

# The first line of each command's help. The command itself is `command` in the module of its name.
SUMMARIES: Mapping[str, str] = MappingProxyType(
    {
        "check": "Read every article and report its mistakes.",
        "config": "Show the effective settings for the article FOLDERs, and where each came from.",
        "export": "Write the whole site to DIR as files, for any static server.",
        "history": "List the copies of the publication history, or restore one.",
        "index": "Bring the index of the article FOLDERs up to date.",
        "init": "Write a settings file for the folder of articles that is here.",
        "list": "List articles, or what there are feeds of, with counts, last change and addresses.",
        "render": "Print one feed, such as /topics/ai.atom, as the server would send it.",
        "serve": "Serve the feeds of the article FOLDERs, behind gunicorn or granian.",
        "state": "Move the publication history between the state folder and a database.",
    }
)


# The names that other programs have for them.
_OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "build": "export",
        "lint": "check",
        "ls": "list",
        "new": "init",
        "run": "serve",
        "server": "serve",
        "settings": "config",
        "show": "render",
        "start": "serve",
        "validate": "check",
    }
)


class Group(click.Group):
    """Finds the commands by name, and ends a command that fails with one line on standard error."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Their names."""
        return list(SUMMARIES)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """The command of a name."""
        if name not in SUMMARIES:
            return None
        module = f"feedserver.cli.{name}"
        command: click.Command = (sys.modules.get(module) or _imported(module)).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name; an unknown one is an error that proposes the closest."""
        name = args[0] if args else ""
        if name and name not in SUMMARIES and not name.startswith("-"):
            close = get_close_matches(_OTHER_NAMES.get(name, name), SUMMARIES, n=1)
            guess = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"No such command {name!r}.{guess}")
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; click would load each for its summary."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            _fail(*error.problems, status=2)
        except FeedserverError as error:
            _fail(str(error), status=1)
        except BrokenPipeError:
            # `feedserver list | head`: the reader has closed the pipe, which is no failure. Text that is
            # still buffered must go somewhere when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), status=1)


def _imported(name: str) -> ModuleType:
    """A module, imported without the garbage collector.

    The collector would walk repeatedly over all imported objects, which are no garbage (measured: a tenth of
    the CPU of a command that finds nothing to do). Afterwards it ignores them.
    """
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _fail(*sentences: str, status: int) -> NoReturn:
    for sentence in sentences:
        click.echo(f"feedserver: {sentence}", err=True)
    sys.exit(status)


EPILOG = """\b
Examples:
  feedserver check articles
  feedserver serve articles --open
  feedserver COMMAND --help
"""


@click.group(cls=Group, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="feedserver")
def main() -> None:
    """Serve folders of article files as RSS, Atom and JSON feeds."""
