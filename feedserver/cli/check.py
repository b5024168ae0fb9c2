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
def command(style: str, against: Path | None, **options: Any) -> None:
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
    sys.exit(_report(checked, style) if against is None else _compare(checked, against))


def _report(checked: Sequence[checker.Checked], style: str) -> int:
    """Print the findings; returns the exit status."""
    if style == "json":
        click.echo(checker.as_json(checked))
    else:
        line = checker.as_text if style == "text" else checker.as_github
        for one in checked:
            for finding in one.findings:
                click.echo(line(one.path, finding))
    severities = [finding.severity for one in checked for finding in one.findings]
    errors = severities.count(Severity.ERROR)
    articles = sum(one.verdict is Verdict.ARTICLE and not one.findings for one in checked)
    click.echo(
        f"{len(checked)} files, {articles} articles without a finding: "
        f"{errors} errors, {severities.count(Severity.WARNING)} warnings",
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
