"""`feedserver serve`."""

from __future__ import annotations

import sys
from ipaddress import ip_address
from typing import Any

import click

from feedserver import __version__
from feedserver.cli.options import folders, shared_options
from feedserver.cli.site import site_settings
from feedserver.cli.state_command import StateCommand
from feedserver.cli.voice import is_quiet, is_verbose, say
from feedserver.server.application import Server, check_port
from feedserver.server.engines import WORKERS, check_engine
from feedserver.settings.sources import Settings
from feedserver.wiring.indexing import prepare_state
from feedserver.wiring.serving import join_servers

EPILOG = """\b
Examples:
  feedserver serve articles --open
  feedserver serve ~/blog ~/notes --port 8080
  feedserver serve --base-url https://feeds.example.org
"""


@click.command("serve", cls=StateCommand, epilog=EPILOG)
@folders
@shared_options
@click.option("--host", metavar="ADDRESS", help="Where to listen. [default: 127.0.0.1]")
@click.option("--port", type=int, help="Where to listen. [default: 8000]")
@click.option("--workers", type=int, help="Number of worker processes. [default: 2]")
@click.option(
    "--engine", type=click.Choice(list(WORKERS)), help="What answers in the workers. [default: gunicorn]"
)
@click.option("--access-log", is_flag=True, help="Print a line per request.")
@click.option("--open", "is_open", is_flag=True, help="Open the site in a browser once it is served.")
def command(access_log: bool, is_open: bool, **options: Any) -> None:
    """Serve the feeds of the article FOLDERs, behind gunicorn or granian."""
    settings = site_settings(options)
    check_engine(settings.server.engine)
    prepare_state(settings)
    lock = join_servers(settings)
    check_port(settings.server.host, settings.server.port)
    _say_where(settings)
    sys.stdout.flush()
    extra: dict[str, object] = {"accesslog": "-"} if access_log else {}
    if is_quiet() or is_verbose():
        extra["loglevel"] = "warning" if is_quiet() else "debug"
    if is_open:
        # Imported here, because a server that runs unattended opens no browser.
        from feedserver.cli.browser import open_when_served  # noqa: PLC0415  see above

        open_when_served(settings.server.host, settings.server.port, f"{settings.local_url}/")
    with lock:
        Server(settings, extra).run()


def _say_where(settings: Settings) -> None:
    """Print where the site is served, and where its feeds say that they are."""
    listed, said = settings.local_url, settings.public_url
    if not is_quiet():
        click.echo(f"feedserver {__version__}: the directory of all feeds is at {listed}/")
        if settings.site.base_url is None:
            click.echo(
                f"Feeds say that they are at {said}; set site.base_url or --base-url to the public URL."
            )
        elif said != listed:
            click.echo(f"Feeds say that they are at {said}, which has to lead here.")
    if not is_local(settings.server.host):
        say(
            f"feedserver: {settings.server.host} can be reached from other machines: let a reverse proxy, "
            "such as nginx, listen there, and feedserver on 127.0.0.1 behind it (docs/guides/deployment.md)"
        )
    for root in settings.articles:
        if not root.path.exists():
            say(f"feedserver: {root.path}: does not exist yet; served as soon as it does")


def is_local(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone, as far as its name tells."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
