"""Compares what parsers keep of our documents with the articles that they were made of, field by field.

usage: python tests/reader_comparison.py MODULES [--write]

MODULES is a folder where the packages of `readers/package.json` are installed: copy that file into it, then
`npm install --no-package-lock` there. The parsers of Python are in the extra `readers`. Prints the table of
docs/reference/readers.md; with `--write` puts it there. The articles are those of `tests/golden/articles`.
`reader_parsers` and `readers/parsers.mjs` know how each parser calls each field.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import html5lib
from dateutil.parser import parse as parse_date
from reader_parsers import PARSERS, Kept
from servers import index, settings_of

from feedserver.feeds.document import Document
from feedserver.model import Channel, Entry, Feed, Format, Kind, ListingKey
from feedserver.render.content import content_html, lines_html
from feedserver.render.files import main_file, media_files
from feedserver.render.people import authors_of
from feedserver.wiring.publishing import make_publisher

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "reference" / "readers.md"
BEGIN, END = "<!-- compared: begin -->\n", "<!-- compared: end -->\n"
GOLDEN = HERE / "golden" / "articles"
NOW = 1_717_200_000.0  # 2024-06-01, after all of the articles
SITE = {
    "base_url": "https://feeds.example.org",
    "title": "Coast",
    "description": "News of the coast",
    "author": "The desk",
    "rights": "CC0",
    "language": "en",
    "icon": "https://feeds.example.org/icon.png",
    "logo": "https://feeds.example.org/logo.png",
}
EVERYTHING = ListingKey(kind=Kind.ARTICLES)

CHANNEL_FIELDS = ("title", "page", "description", "language", "rights", "updated", "picture", "authors")
ITEM_FIELDS = (
    *("id", "title", "page", "published", "updated", "authors", "excerpt", "content", "pictures"),
    *("files", "types", "sizes", "durations", "topics", "language", "source"),
)
OF_FILES = {"files": "url", "types": "type", "sizes": "size", "durations": "duration"}
SEVERAL = {"authors", "pictures", "topics", *OF_FILES}
DATES = {"published", "updated"}
HTML = {"content", "excerpt"}
NAMES = {Format.RSS: "RSS", Format.ATOM: "Atom", Format.JSON: "JSON"}


def make_documents(folder: Path) -> tuple[Feed, dict[str, Path]]:
    """The feed of all golden articles, and its documents by format, as files in a folder."""
    folders = sorted(one for one in GOLDEN.iterdir() if one.is_dir())
    settings = settings_of(folder / "state", *folders, site=SITE, feeds={"limit": 100})
    index(settings, lambda: NOW)
    publisher = make_publisher(settings)
    paths = {}
    for fmt in Format:
        paths[fmt.value] = folder / f"feed.{fmt.value}"
        paths[fmt.value].write_bytes(publisher.preview(Document(EVERYTHING, fmt)))
    feed = publisher.feed(EVERYTHING).feed
    return feed, paths


def kept_by_all(paths: Mapping[str, Path], modules: Path) -> dict[str, dict[str, Kept]]:
    """The fields that each parser keeps of each format that it reads."""
    program: list[str | Path] = ["node", HERE / "readers" / "parsers.mjs", modules, *paths.values()]
    output = subprocess.run(program, check=True, capture_output=True, timeout=120).stdout
    kept: dict[str, dict[str, Kept]] = json.loads(output)
    for name, (read, formats) in PARSERS.items():
        kept[name] = {fmt: read(paths[fmt].read_bytes(), fmt) for fmt in formats}
    return kept


# --- What the articles say --------------------------------------------------------------------------


def stated(feed: Feed, fmt: Format) -> Kept:
    """The fields of a feed that a document in a format holds, in the words of the parsers."""
    items = [_of_entry(entry, fmt, feed.channel.language) for entry in feed.entries]
    return {"channel": _of_channel(feed.channel), "items": items}


def _of_channel(channel: Channel) -> Kept:
    return {
        "title": channel.title,
        "page": channel.page_url,
        "description": channel.description,
        "language": channel.language,
        "rights": channel.rights,
        "updated": channel.updated,
        "picture": channel.logo,
        "authors": [channel.author],
    }


def _of_entry(entry: Entry, fmt: Format, feed_language: str) -> Kept:
    article, is_json = entry.article, fmt is Format.JSON
    files = media_files(article)
    if fmt is Format.RSS:  # one is all that there is room for
        main = main_file(files)
        files = (main,) if main else ()
    return {
        "id": article.id,
        "title": article.title,
        "page": article.url,
        "published": article.published,
        "updated": entry.updated,
        "authors": [author.name for author in authors_of(entry)],
        "excerpt": article.excerpt if is_json else lines_html(article.excerpt),
        "content": content_html(entry),
        "pictures": [image.url for image in article.images][: 2 if is_json else None],
        "files": [
            {"url": one.url, "type": one.media_type, "size": one.size, "duration": one.duration}
            for one in files
        ],
        "topics": [category.label for category in entry.categories],
        "language": article.language if is_json or article.language != feed_language else "",
        "source": entry.source and entry.source.title,
    }


# --- The comparison ---------------------------------------------------------------------------------


def table_of(feed: Feed, kept: Mapping[str, Mapping[str, Kept]]) -> str:
    """The table of fields and parsers, in Markdown."""
    lines = [f"| | {' | '.join(kept)} |", f"|---|{'---|' * len(kept)}"]
    for part, fields in (("channel", CHANNEL_FIELDS), ("items", ITEM_FIELDS)):
        for field in fields:
            cells = [_cell(part, field, feed, found) for found in kept.values()]
            lines.append(f"| {'feed' if part == 'channel' else 'entry'}: {field} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(part: str, field: str, feed: Feed, found: Mapping[str, Kept]) -> str:
    judged = {}
    for fmt in Format:
        if fmt.value in found:
            expected, got = stated(feed, fmt)[part], found[fmt.value][part]
            pairs = [(expected, got)] if part == "channel" else list(zip(expected, got, strict=True))
            judged[NAMES[fmt]] = judge(field, pairs)
    verdicts = set(judged.values())
    return (
        verdicts.pop() if len(verdicts) == 1 else ", ".join(f"{name} {one}" for name, one in judged.items())
    )


def judge(field: str, pairs: Iterable[tuple[Kept, Kept]]) -> str:
    """How a field fares where it is stated: same, none, first of several, or in how many records the same."""
    values = [(_plain(field, a), _plain(field, b)) for a, b in pairs]
    values = [(expected, got) for expected, got in values if expected]
    if all(expected == got for expected, got in values):
        return "same"
    if not any(got for _, got in values):
        return "none"
    if field in SEVERAL and all(_is_start(got, expected) for expected, got in values):
        return "first"
    return f"{sum(expected == got for expected, got in values)} of {len(values)}"


def _is_start(got: object, expected: object) -> bool:
    return isinstance(got, list) and isinstance(expected, list) and bool(got) and got == expected[: len(got)]


def _plain(field: str, record: Kept) -> object:
    """A field's value in the form in which values of all parsers can be compared; empty if there is none."""
    if field in ("files", "types", "sizes", "durations"):
        files = record.get("files") or []
        return _of_files(
            files, {"files": "url", "types": "type", "sizes": "size", "durations": "duration"}[field]
        )
    value = record.get(field)
    if not value:
        return value
    if field in DATES:
        return _moment(value)
    if field in HTML:
        return _shown(str(value))
    return list(value) if isinstance(value, list | tuple) else str(value).strip()


def _of_files(files: Sequence[Kept], name: str) -> list[object]:
    values = [one.get(name) for one in files]
    if name in ("size", "duration"):
        values = [int(float(value)) if value else 0 for value in values]
    return values if any(values) else []


def _moment(value: Any) -> datetime:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    moment = value if isinstance(value, datetime) else parse_date(str(value))
    return moment.astimezone(UTC)


def _shown(markup: str) -> list[str]:
    """The words that HTML shows and the addresses in it: the same however it is spelt."""
    tree = html5lib.parseFragment(markup, namespaceHTMLElements=False)
    addresses = (one.get(name) for one in tree.iter() for name in ("href", "src"))
    return [*"".join(tree.itertext()).split(), *filter(None, addresses)]


# --- The page ---------------------------------------------------------------------------------------


def compared(modules: Path) -> str:
    """The table as it is now."""
    with tempfile.TemporaryDirectory() as folder:
        feed, paths = make_documents(Path(folder))
        return table_of(feed, kept_by_all(paths, modules))


def written() -> str:
    """The table as docs/reference/readers.md has it."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    """Print the table, or put it into the page."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("modules", type=Path)
    options.add_argument("--write", action="store_true")
    chosen = options.parse_args()
    table = compared(chosen.modules)
    if chosen.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(page.replace(BEGIN + written() + END, BEGIN + table + END), encoding="utf-8")
    else:
        sys.stdout.write(table)


if __name__ == "__main__":
    main()
