"""`feedserver check`."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from feedserver import checker
from feedserver.cli.options import existing_folders, shared_options, sources
from feedserver.model import Severity, Verdict
from feedserver.settings import load_settings
from feedserver.wiring.planning import plan_of


@click.command("check")
@existing_folders
@shared_options
@click.option(
    "--format", "style", type=click.Choice(["text", "json", "github"]), default="text", show_default=True
)
def command(style: str, **options: Any) -> None:
    """Read every article and say what is wrong with it; exit 1 if there are errors."""
    settings = load_settings(**sources(**options))
    plan = plan_of(settings)
    names = [str(root.path) for root in settings.articles]
    checked = list(checker.check(plan, names, int(time.time())))
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
    sys.exit(1 if errors else 0)
