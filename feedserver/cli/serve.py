"""`feedserver serve`."""

from __future__ import annotations

import sys
from ipaddress import ip_address
from typing import Any

import click

from feedserver import __version__
from feedserver.cli.options import folders, shared_options, sources
from feedserver.cli.presets import say_presets
from feedserver.cli.state_command import StateCommand
from feedserver.server.application import Server, check_port
from feedserver.settings.sources import load_settings
from feedserver.wiring.indexing import prepare_state
from feedserver.wiring.serving import join_servers


@click.command("serve", cls=StateCommand)
@folders
@shared_options
@click.option("--host", metavar="ADDRESS", help="Where to listen. [default: 127.0.0.1]")
@click.option("--port", type=int, help="Where to listen. [default: 8000]")
@click.option("--workers", type=int, help="Number of worker processes. [default: 2]")
@click.option("--access-log", is_flag=True, help="Print a line per request.")
def command(access_log: bool, **options: Any) -> None:
    """Serve the feeds of the article FOLDERs, behind gunicorn."""
    arguments = sources(**options)
    settings = load_settings(**arguments)
    say_presets(**arguments)
    prepare_state(settings)
    lock = join_servers(settings)
    check_port(settings.server.host, settings.server.port)
    shown = settings.public_url
    click.echo(f"feedserver {__version__}: the directory of all feeds is at {shown}/")
    if settings.site.base_url is None:
        click.echo(f"Feeds say that they are at {shown}; set site.base_url or --base-url to the public URL.")
    if not is_local(settings.server.host):
        click.echo(
            f"feedserver: {settings.server.host} can be reached from other machines: let a reverse proxy, "
            "such as nginx, listen there, and feedserver on 127.0.0.1 behind it (docs/guides/deployment.md)",
            err=True,
        )
    for root in settings.articles:
        if not root.path.exists():
            click.echo(f"feedserver: {root.path}: does not exist yet; served as soon as it does", err=True)
    sys.stdout.flush()
    with lock:
        Server(settings, {"accesslog": "-"} if access_log else {}).run()


def is_local(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone, as far as its name tells."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
