"""`feedserver index`."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from feedserver.cli.counting import counted
from feedserver.cli.indexing import bring_up_to_date
from feedserver.cli.options import as_json_option, folders, shared_options
from feedserver.cli.site import site_settings
from feedserver.cli.state_command import StateCommand
from feedserver.errors import ServerBusyError
from feedserver.findings import Severity
from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.indexing import child
from feedserver.indexing.lock import IndexerLock, refuse_other_indexer
from feedserver.model import Kind, ListingKey, Verdict
from feedserver.settings.sources import Settings
from feedserver.wiring.indexing import make_plan, prepare_state
from feedserver.wiring.planning import store_address

EPILOG = """\b
Examples:
  feedserver index articles
  feedserver index --watch
"""


@click.command("index", cls=StateCommand, epilog=EPILOG)
@folders
@shared_options
@as_json_option
@click.option("--watch", is_flag=True, help="Go on and keep the index up to date.")
def command(watch: bool, as_json: bool, **options: Any) -> None:
    """Bring the index of the article FOLDERs up to date."""
    settings = site_settings(options)
    prepare_state(settings)
    plan = make_plan(settings)
    if watch:
        lock = IndexerLock.acquire(Path(plan.state_dir))
        if lock is None:
            refuse_other_indexer(Path(plan.state_dir), plan.fingerprint)
            raise ServerBusyError(f"{plan.state_dir}: is kept up to date by another process already")
        stop = threading.Event()
        child.stop_on_signals(stop)
        child.log_to_stderr()
        child.run(lock, plan, stop)
        return
    summary = bring_up_to_date(plan)
    counts = _counts(settings)
    if as_json:
        scan = None if summary is None else msgspec.structs.asdict(summary)
        click.echo(json.dumps({"scan": scan, **counts}, indent=1))
        return
    if summary is not None:
        click.echo(
            f"{counted(summary.files, 'file')} in {summary.seconds:.2f} s: {summary.read:,} read, "
            f"{summary.gone:,} gone, {counted(summary.articles_changed, 'article')} changed"
        )
    click.echo(_in_words(counts))


def _in_words(counts: Mapping[str, int]) -> str:
    live, problems = counts["live"], counts["problems"]
    return (
        f"{counted(live, 'article')} {'is' if live == 1 else 'are'} live; "
        f"{counted(counts['hidden'], 'file')} {'is' if counts['hidden'] == 1 else 'are'} hidden, "
        f"{counts['undated']:,} undated, {counted(problems, 'problem')}"
        + (f" (feedserver check names {'it' if problems == 1 else 'them'})" if problems else "")
    )


def _counts(settings: Settings) -> dict[str, int]:
    """The counts of the index."""
    reader = IndexReader(open_store(store_address(settings)))
    try:
        verdicts, everything = reader.verdicts(), reader.listing(ListingKey(kind=Kind.ARTICLES))
        problems = sum(finding.severity is Severity.ERROR for _, finding in reader.findings())
    finally:
        reader.close()
    return {
        "live": 0 if everything is None else everything.count,
        "hidden": verdicts.get(Verdict.HIDDEN, 0),
        "undated": verdicts.get(Verdict.UNDATED, 0),
        "problems": problems,
    }
