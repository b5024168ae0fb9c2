"""`feedserver list`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from feedserver.cli.options import as_json_option, folders, shared_options
from feedserver.cli.reading import indexed
from feedserver.cli.site import site_settings
from feedserver.cli.state_command import StateCommand
from feedserver.cli.voice import say
from feedserver.feeds.publisher import Publisher
from feedserver.index.values import SelectedEntry
from feedserver.model import Kind, ListingKey
from feedserver.site import directory, status
from feedserver.site.addresses import GROUPS

ARTICLES = Kind.ARTICLES.value
CHOICES = (ARTICLES, *(kind.value for kind in GROUPS.values()))

EPILOG = """\b
Examples:
  feedserver list topics
  feedserver list articles ~/blog --limit 5
  feedserver list providers --json
"""


@click.command("list", cls=StateCommand, epilog=EPILOG)
@click.argument("what", type=click.Choice(CHOICES))
@folders
@shared_options
@as_json_option
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="The most articles to list."
)
def command(what: str, as_json: bool, limit: int, **options: Any) -> None:
    """List articles, or what there are feeds of, with counts, last change and addresses.

    With a FOLDER its index is brought up to date before. How fresh the index is goes to standard error.
    """
    settings = site_settings(options)
    with indexed(settings, is_fresh=bool(options["folders"])) as publisher:
        rows, lines = _articles(publisher, limit) if what == ARTICLES else _listings(publisher, GROUPS[what])
        how = status.in_short(publisher, datetime.now(UTC))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=1).decode())
    else:
        for line in lines:
            click.echo(line)
    say(f"Index: {how}.")


_Shown = tuple[list[dict[str, object]], list[str]]


def _listings(publisher: Publisher, kind: Kind) -> _Shown:
    members = directory.members(publisher, kind)
    if kind is Kind.FEED:
        members.insert(0, directory.everything(publisher))
    rows = [directory.described(one, publisher.site.base_url) for one in members]
    lines = [
        f"{row['count']:>7}  {row['updated'] or '-'!s:<20}  {row['address']}  {row['title']}" for row in rows
    ]
    return rows, lines


def _articles(publisher: Publisher, limit: int) -> _Shown:
    """The newest articles."""
    selected = publisher.reader.select(ListingKey(kind=Kind.ARTICLES), limit)
    entries = () if selected is None else selected.entries[:limit]
    rows = [_described(entry) for entry in entries]
    lines = [f"{row['published']}  {row['url']}  {row['title']}" for row in rows]
    count = 0 if selected is None else selected.state.count
    if count > len(rows):
        say(f"The newest {len(rows):,} of {count:,} articles; --limit lists more.")
    return rows, lines


def _described(entry: SelectedEntry) -> dict[str, object]:
    article = entry.article
    return {
        "title": article.title,
        "url": article.url,
        "published": _moment(article.published),
        "updated": _moment(entry.updated),
        "id": article.id,
        "category": None if article.category is None else article.category.name,
        "topics": [topic.name for topic in article.topics],
        "provider": None if article.provider is None else article.provider.name,
    }


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
