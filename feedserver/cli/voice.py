"""How much a command says: notices on standard error, and the log, by `--quiet` and `--verbose`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import click

_QUIET, _VERBOSE = "feedserver.quiet", "feedserver.verbose"


def is_quiet() -> bool:
    """Whether the running command was asked to be quiet."""
    return _was_asked(_QUIET)


def is_verbose() -> bool:
    """Whether the running command was asked for details."""
    return _was_asked(_VERBOSE)


def _was_asked(name: str) -> bool:
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(name))


def say(text: str) -> None:
    """Print a notice on standard error, unless the command is to be quiet. Errors are never notices."""
    if not is_quiet():
        click.echo(text, err=True)


def detail(text: str) -> None:
    """Print something on standard error that only `--verbose` asks for."""
    if is_verbose():
        click.echo(text, err=True)


def _be_quiet(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_QUIET] = True


def _be_verbose(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_VERBOSE] = True
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger("watchfiles").setLevel(logging.WARNING)


def voice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--quiet` and `--verbose`."""
    quiet = click.option(
        "-q",
        "--quiet",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_be_quiet,
        help="Print results and errors only.",
    )
    verbose = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_be_verbose,
        help="Print what is used, and the log.",
    )
    return quiet(verbose(command))
