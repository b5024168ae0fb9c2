"""The options of `feedserver check`, and their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from feedserver.cli.checking import STDIN
from feedserver.cli.codes import codes_of, complete_codes
from feedserver.cli.voice import is_quiet
from feedserver.indexing.linting.explaining import explanation
from feedserver.indexing.linting.selecting import Choice

STYLES = ("text", "compact", "json", "github", "sarif")


class CheckOptions(NamedTuple):
    """The values of the options that only a check has."""

    names: tuple[str, ...]
    style: str
    choice: Choice
    is_fix: bool
    is_diff: bool
    line_ends: bool
    stdin_name: str
    against: Path | None
    is_unshown: bool

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> CheckOptions:
        """The values among those of a command, from which they are removed.

        Raises:
            click.UsageError: they exclude each other.
        """
        choice = Choice(
            only=frozenset(options.pop("select")),
            without=frozenset(options.pop("ignore")),
            is_strict=options.pop("is_strict"),
            errors_alone=is_quiet(),
        )
        taken = cls(choice=choice, **{name: options.pop(name) for name in cls._fields if name in options})
        if STDIN in taken.names and (taken.is_fix or taken.is_diff):
            raise click.UsageError("--fix and --diff need files, not standard input.")
        return taken


def _explain(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    codes = codes_of(ctx, param, value)
    for number, code in enumerate(codes):
        click.echo("\n" * bool(number) + "\n".join(explanation(code)))
    if codes:
        ctx.exit()


_CODES: dict[str, Any] = {
    "metavar": "CODES",
    "multiple": True,
    "callback": codes_of,
    "shell_complete": complete_codes,
}
_FEED = click.Path(exists=True, dir_okay=False, path_type=Path)
_OPTIONS = (
    click.argument(
        "names", nargs=-1, metavar="[FOLDER|FILE|-]...", type=click.Path(exists=True, allow_dash=True)
    ),
    click.option("--format", "style", type=click.Choice(STYLES), default="text", show_default=True),
    click.option("--json", "style", flag_value="json", help="The same as --format json."),
    click.option("--strict", "is_strict", is_flag=True, help="Warnings fail the check, as errors do."),
    click.option("--select", **_CODES, help="Only these findings."),
    click.option("--ignore", **_CODES, help="Not these findings."),
    click.option("--fix", "is_fix", is_flag=True, help="Mend what is safe: quotes, tabs, byte order marks."),
    click.option("--diff", "is_diff", is_flag=True, help="Show what --fix would change; change nothing."),
    click.option("--line-ends", is_flag=True, help="With --fix or --diff: write CRLF as LF, too."),
    click.option("--stdin-name", metavar="PATH", default="stdin.md", help="The file that - stands for."),
    click.option(
        "--explain",
        metavar="CODES",
        shell_complete=complete_codes,
        is_eager=True,
        expose_value=False,
        callback=_explain,
        help="Explain kinds of findings, and exit.",
    ),
    click.option(
        "--against",
        metavar="FEED",
        type=_FEED,
        help="Compare the articles with a feed of before instead; exit 1 if its readers would notice.",
    ),
    click.option(
        "--unshown",
        "is_unshown",
        is_flag=True,
        help="List the articles instead that are in no feed: hidden, later, expired, without a date.",
    ),
)


def check_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that only a check has."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
