"""`feedserver render`."""

from __future__ import annotations

import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

from feedserver.articles.selections.parameters import may_select, parse_request
from feedserver.cli.options import folders, shared_options
from feedserver.cli.reading import indexed
from feedserver.cli.site import site_settings
from feedserver.cli.state_command import StateCommand
from feedserver.errors import UnknownAddressError
from feedserver.feeds.document import Document
from feedserver.feeds.publisher import Publisher
from feedserver.model import Format
from feedserver.site.addresses import GROUPS, parse, split_format
from feedserver.web.guesses import guesses

EPILOG = """\b
Examples:
  feedserver render /articles.rss
  feedserver render /topics/tides.atom ~/blog > tides.xml
"""


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    # Imported here, because only a shell that completes needs it.
    from feedserver.cli.addresses import complete_address  # noqa: PLC0415  see above

    return [CompletionItem(address) for address in complete_address(ctx, param, incomplete)]


@click.command("render", cls=StateCommand, epilog=EPILOG)
@click.argument("address", shell_complete=_complete)
@folders
@shared_options
def command(address: str, **options: Any) -> None:
    """Print one feed, such as /topics/ai.atom, as the server would send it.

    A selection goes in quotes: feedserver render '/articles.atom?topic=ai&q=robot'

    With a FOLDER its index is brought up to date before.
    """
    settings = site_settings(options)
    path, _, query = address.partition("?")
    target = parse(path)
    with indexed(settings, is_fresh=bool(options["folders"])) as publisher:
        if target is None or target.fmt is None or not publisher.exists(target.key):
            raise UnknownAddressError(address, _close_addresses(publisher, path))
        if target.archive is None and may_select(query):
            asked = parse_request(target.key, query, settings.feeds.limit)
            body = publisher.preview_selection(asked, target.fmt)
        else:
            body = publisher.preview(Document(target.key, target.fmt, target.archive))
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()


def _close_addresses(publisher: Publisher, address: str) -> list[str]:
    """The feeds that may have been meant: a guess that exists, or else feeds with a similar name."""
    for path in (address, *guesses(address)):
        target = parse(path)
        if target is not None and publisher.exists(target.key):
            return [target._replace(fmt=fmt).address for fmt in ([target.fmt] if target.fmt else Format)]
    # Only here, for an address that does not exist.
    from feedserver.site.suggestions import closest  # noqa: PLC0415  see above

    base, fmt = split_format(address)
    target = parse(base)
    kinds = list(GROUPS.values()) if target is None else [target.key.kind]
    name = base.rpartition("/")[2]
    found = closest(publisher.reader, kinds, name)
    return [f"{one.key.address}.{(fmt or Format.RSS).value}" for one in found]
