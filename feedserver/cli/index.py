"""`feedserver index`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import click

from feedserver.cli.indexing import bring_up_to_date
from feedserver.cli.options import existing_folders, shared_options, sources
from feedserver.cli.presets import say_presets
from feedserver.cli.state_command import StateCommand
from feedserver.errors import ServerBusyError
from feedserver.findings import Severity
from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.indexing import child
from feedserver.indexing.lock import IndexerLock, refuse_other_indexer
from feedserver.model import Kind, ListingKey, Verdict
from feedserver.settings.sources import Settings, load_settings
from feedserver.wiring.indexing import make_plan, prepare_state
from feedserver.wiring.planning import store_address


@click.command("index", cls=StateCommand)
@existing_folders
@shared_options
@click.option("--watch", is_flag=True, help="Go on and keep the index up to date.")
def command(watch: bool, **options: Any) -> None:
    """Bring the index of the article FOLDERs up to date."""
    arguments = sources(**options)
    settings = load_settings(**arguments)
    say_presets(**arguments)
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
    if summary is not None:
        click.echo(
            f"{summary.files} files in {summary.seconds:.2f} s: {summary.read} read, {summary.gone} gone, "
            f"{summary.articles_changed} articles changed"
        )
    click.echo(_counts(settings))


def _counts(settings: Settings) -> str:
    """The counts of the index, in one line."""
    reader = IndexReader(open_store(store_address(settings)))
    try:
        verdicts, everything = reader.verdicts(), reader.listing(ListingKey(kind=Kind.ARTICLES))
        problems = sum(finding.severity is Severity.ERROR for _, finding in reader.findings())
    finally:
        reader.close()
    live = 0 if everything is None else everything.count
    return (
        f"{live} articles are live; {verdicts.get(Verdict.HIDDEN, 0)} files are hidden, "
        f"{verdicts.get(Verdict.UNDATED, 0)} undated, {problems} problems"
        + (" (feedserver check names them)" if problems else "")
    )
