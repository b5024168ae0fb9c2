"""`feedserver check`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from feedserver.cli import check_formats as formats
from feedserver.cli.check_fixing import find_fixes, write_fixes
from feedserver.cli.check_options import CheckOptions, check_options
from feedserver.cli.check_text import as_compact, as_text
from feedserver.cli.check_unshown import unshown_as_json, unshown_as_text
from feedserver.cli.checking import CheckedBatch, checked_batches
from feedserver.cli.counting import counted
from feedserver.cli.options import shared_options
from feedserver.cli.voice import say
from feedserver.findings import Severity
from feedserver.index.contents import article_in
from feedserver.indexing.advice import why_nothing
from feedserver.indexing.linting.diagnostics import Diagnostic
from feedserver.indexing.reader_pool import close_process_pool
from feedserver.indexing.unshown import summary
from feedserver.model import Verdict

EPILOG = """\b
Examples:
  feedserver check articles
  feedserver check articles/_news/tides.md --strict
  feedserver check articles --diff
  feedserver check --explain bad-date
  git show :news.md | feedserver check - --stdin-name news.md

Exit status: 0 if nothing fails; 1 if there is an error, with --strict a warning, or if --diff shows a change;
2 for wrong usage or settings.
"""


@click.command("check", epilog=EPILOG)
@check_options
@shared_options
def command(**options: Any) -> None:
    """Read every article and report its mistakes, each with its line and its remedy.

    Without a FOLDER or FILE it reads the folders of the settings; - is standard input.
    """
    own = CheckOptions.taken_from(options)
    batches = _checked(own, options)
    if own.is_fix or own.is_diff:
        wanted = find_fixes(batches, own)
        if own.is_diff:
            sys.exit(1 if wanted else 0)
        write_fixes(wanted)
        batches = _checked(own, options) if wanted else batches
    for batch in batches:
        if batch.is_whole and (reasons := why_nothing(batch.checked, batch.plan)):
            say(reasons)
    if own.against is not None:
        sys.exit(_compare(batches, own.against))
    _report(batches, own)


def _checked(own: CheckOptions, options: dict[str, Any]) -> list[CheckedBatch]:
    try:
        return list(checked_batches(own.names, own.stdin_name, options, int(time.time())))
    finally:
        close_process_pool()


def _report(batches: Sequence[CheckedBatch], own: CheckOptions) -> None:
    """Print the findings that count, and exit."""
    choice = own.choice
    diagnostics = [one for batch in batches for one in batch.diagnostics if choice.counts(one)]
    if own.is_unshown:
        _list_unshown(batches, own.style)
    else:
        _print([one for one in diagnostics if choice.is_shown(one)], own.style)
    _summarise(batches, diagnostics)
    sys.exit(1 if choice.is_failure(diagnostics) else 0)


def _list_unshown(batches: Sequence[CheckedBatch], style: str) -> None:
    checked = [one for batch in batches for one in batch.checked]
    if style == "json":
        click.echo(unshown_as_json(checked))
        return
    for line in unshown_as_text(checked):
        click.echo(line)


def _print(diagnostics: Sequence[Diagnostic], style: str) -> None:
    if style in ("json", "sarif"):
        click.echo(formats.as_json(diagnostics) if style == "json" else formats.as_sarif(diagnostics))
        return
    # https://no-color.org: any value but an empty one. Without a terminal, click removes colours itself.
    color = False if os.environ.get("NO_COLOR") else None
    if style == "text":
        for line in as_text(diagnostics):
            click.echo(line, color=color)
        return
    for one in diagnostics:
        click.echo(as_compact(one) if style == "compact" else formats.as_github(one))


def _summarise(batches: Sequence[CheckedBatch], diagnostics: Sequence[Diagnostic]) -> None:
    """Print how many files, findings and articles in no feed there are."""
    checked = [one for batch in batches for one in batch.checked]
    severities = [one.severity for one in diagnostics]
    flawed = {one.path for one in diagnostics}
    sound = sum(one.verdict is Verdict.ARTICLE and one.path not in flawed for one in checked)
    missing = summary(one.unshown for one in checked)
    say(
        f"{counted(len(checked), 'file')}, {counted(sound, 'article')} without a finding: "
        f"{counted(severities.count(Severity.ERROR), 'error')}, "
        f"{counted(severities.count(Severity.WARNING), 'warning')}"
        + (f"; in no feed: {missing} (--unshown lists them)" if missing else "")
    )


def _compare(batches: Sequence[CheckedBatch], feed: Path) -> int:
    """Print how the articles differ from those of a feed; returns the exit status."""
    # feedparser takes a fifth of a second to be imported, which a check without a feed need not spend.
    from feedserver.indexing.against import as_table, differences, is_harmless  # noqa: PLC0415  see above
    from feedserver.indexing.published_feed import read_feed  # noqa: PLC0415  see above

    before = read_feed(feed)
    shown = [one.shown for batch in batches for one in batch.checked if one.shown is not None]
    found = differences(before, [article_in(one) for one in shown])
    click.echo(as_table(found, len(before)))
    return 0 if is_harmless(found) else 1
