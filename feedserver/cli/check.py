"""`feedserver check`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from feedserver.cli.options import existing_folders, shared_options, sources
from feedserver.cli.presets import say_presets
from feedserver.findings import Severity
from feedserver.index.contents import article_in
from feedserver.indexing import checker
from feedserver.indexing.advice import why_nothing
from feedserver.indexing.reader_pool import close_process_pool
from feedserver.indexing.unshown import summary
from feedserver.model import Verdict
from feedserver.settings.sources import load_settings
from feedserver.wiring.planning import plan_of


@click.command("check")
@existing_folders
@shared_options
@click.option(
    "--format", "style", type=click.Choice(["text", "json", "github"]), default="text", show_default=True
)
@click.option(
    "--against",
    metavar="FEED",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare the articles with a feed of before instead; exit 1 if its readers would notice.",
)
@click.option(
    "--unshown",
    "is_unshown",
    is_flag=True,
    help="List the articles instead that are in no feed: hidden, later, expired, without a date.",
)
def command(style: str, against: Path | None, is_unshown: bool, **options: Any) -> None:
    """Read every article and say what is wrong with it; exit 1 if there are errors."""
    arguments = sources(**options)
    settings = load_settings(**arguments)
    say_presets(**arguments)
    plan = plan_of(settings)
    names = [str(root.path) for root in settings.articles]
    try:
        checked = checker.check(plan, names, int(time.time()))
    finally:
        close_process_pool()
    if reasons := why_nothing(checked, plan):
        click.echo(reasons, err=True)
    if against is not None:
        sys.exit(_compare(checked, against))
    if is_unshown:
        _list_unshown(checked, style)
    else:
        _print_findings(checked, style)
    sys.exit(_summarise(checked))


def _list_unshown(checked: Sequence[checker.Checked], style: str) -> None:
    if style == "json":
        click.echo(checker.unshown_as_json(checked))
        return
    for line in checker.unshown_as_text(checked):
        click.echo(line)


def _print_findings(checked: Sequence[checker.Checked], style: str) -> None:
    if style == "json":
        click.echo(checker.as_json(checked))
    else:
        line = checker.as_text if style == "text" else checker.as_github
        for one in checked:
            for finding in one.findings:
                click.echo(line(one.path, finding))


def _summarise(checked: Sequence[checker.Checked]) -> int:
    """Print how many files, findings and articles in no feed there are; returns the exit status."""
    severities = [finding.severity for one in checked for finding in one.findings]
    errors = severities.count(Severity.ERROR)
    articles = sum(one.verdict is Verdict.ARTICLE and not one.findings for one in checked)
    missing = summary(one.unshown for one in checked)
    click.echo(
        f"{len(checked)} files, {articles} articles without a finding: "
        f"{errors} errors, {severities.count(Severity.WARNING)} warnings"
        + (f"; in no feed: {missing} (--unshown lists them)" if missing else ""),
        err=True,
    )
    return 1 if errors else 0


def _compare(checked: Sequence[checker.Checked], feed: Path) -> int:
    """Print how the articles differ from those of a feed; returns the exit status."""
    # feedparser takes a fifth of a second to be imported, which a check without a feed need not spend.
    from feedserver.indexing.against import as_table, differences, is_harmless  # noqa: PLC0415  see above
    from feedserver.indexing.published_feed import read_feed  # noqa: PLC0415  see above

    before = read_feed(feed)
    found = differences(before, [article_in(one.shown) for one in checked if one.shown is not None])
    click.echo(as_table(found, len(before)))
    return 0 if is_harmless(found) else 1
