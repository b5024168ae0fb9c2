"""The codes of findings as values of options: several with commas, with proposals for a mistyped one."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import click
from click.shell_completion import CompletionItem

from feedserver.findings import FINDINGS, REPORTED, FindingCode

KNOWN = tuple(code.value for code in REPORTED)


def codes_of(
    _: click.Context, param: click.Parameter, value: str | Sequence[str] | None
) -> tuple[FindingCode, ...]:
    """The codes in an option that may be given several times.

    Raises:
        click.BadParameter: one of them is unknown.
    """
    texts = [value] if isinstance(value, str) else value or ()
    return tuple(_code(name.strip(), param) for text in texts for name in text.split(","))


def complete_codes(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The codes that continue the last one of a list."""
    before, comma, last = incomplete.rpartition(",")
    return [
        CompletionItem(f"{before}{comma}{name}", help=FINDINGS[FindingCode(name)].meaning)
        for name in KNOWN
        if name.startswith(last)
    ]


def _code(name: str, param: click.Parameter) -> FindingCode:
    if name not in KNOWN:
        close = get_close_matches(name, KNOWN, n=1)
        guess = f"; did you mean {close[0]}?" if close else ""
        message = f"{name!r} is no code of a finding{guess} (docs/reference/findings.md)"
        raise click.BadParameter(message, param=param)
    return FindingCode(name)
