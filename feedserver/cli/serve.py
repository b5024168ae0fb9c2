"""`feedserver serve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from feedserver import __version__
from feedserver.cli.options import folders, shared_options, sources
from feedserver.cli.state import StateCommand, refuse_other_indexer
from feedserver.lock import StateClaim
from feedserver.serving import Server, check_port
from feedserver.settings import load_settings
from feedserver.wiring.indexing import make_plan, prepare_state
from feedserver.wiring.publishing import make_publisher


@click.command("serve", cls=StateCommand)
@folders
@shared_options
@click.option("--host", metavar="ADDRESS", help="Where to listen. [default: 127.0.0.1]")
@click.option("--port", type=int, help="Where to listen. [default: 8000]")
@click.option("--workers", type=int, help="Number of worker processes. [default: 2]")
@click.option("--access-log", is_flag=True, help="Print a line per request.")
def command(access_log: bool, **options: Any) -> None:
    """Serve the feeds of the article FOLDERs, behind gunicorn."""
    settings = load_settings(**sources(**options))
    publisher = make_publisher(settings)
    prepare_state(settings)
    plan = make_plan(settings)
    refuse_other_indexer(plan)
    check_port(settings.server.host, settings.server.port)
    claim = StateClaim(Path(plan.state_dir), f"{plan.fingerprint}-{publisher.fingerprint}")
    shown = settings.public_url
    click.echo(f"feedserver {__version__}: the directory of all feeds is at {shown}/")
    if settings.site.base_url is None:
        click.echo(f"Feeds say that they are at {shown}; set site.base_url or --base-url to the public URL.")
    for root in settings.articles:
        if not root.path.exists():
            click.echo(f"feedserver: {root.path}: does not exist yet; served as soon as it does", err=True)
    sys.stdout.flush()
    with claim:
        Server(settings, {"accesslog": "-"} if access_log else {}).run()
