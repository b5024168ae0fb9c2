"""The URL rules are the addresses that the README documents and that `site.addresses` parses and writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.cli import FlaskGroup
from hypothesis import given
from hypothesis import strategies as st
from servers import quiet_app, settings_of
from test_addresses import keys, paths, targets
from werkzeug.exceptions import NotFound
from werkzeug.routing import MapAdapter

from feedserver.model import Format, Kind, ListingKey
from feedserver.site.addresses import (
    DIRECTORY,
    DIRECTORY_OPML,
    GROUPS,
    RECOMMENDED_OPML,
    Destination,
    ListTarget,
    parse,
    parse_list,
)

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")

# Examples of what the converters accept, as the README has them.
EXAMPLES = {
    "archive": ["2020-06.1"],
    "domain": ["<domain>"],
    "format": [fmt.value for fmt in Format],
    "kind": list(GROUPS),
    "list_format": ["opml", "json"],
    "page": ["2"],
    "slug": ["<slug>"],
    "static_file": ["<slug>"],
}
LISTS = {"directory": DIRECTORY, "all_feeds": DIRECTORY_OPML, "recommended": RECOMMENDED_OPML}

# Paths that are nearly an address.
near_misses = st.lists(
    st.sampled_from(
        (
            *(
                "/",
                "//",
                ".",
                "topics",
                "providers",
                "articles",
                "feeds",
                "ai",
                "rss",
                "json",
                "opml",
                "a.rss",
            ),
            *("2020-06.1", "2020-13.1", "gazette.example", "Gazette.Example", "2", "1", "\n", "\xff", ".."),
        )
    ),
    max_size=7,
).map(lambda pieces: "/" + "".join(pieces))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder = tmp_path_factory.mktemp("routes")
    return quiet_app(settings_of(folder / "state", folder / "articles"))


@pytest.fixture(scope="module")
def urls(app: Flask) -> MapAdapter:
    return app.url_map.bind("feeds.example")


def expanded(rule: str) -> Iterator[str]:
    """The addresses that a rule stands for, with an example of each value."""
    found = re.search(r"<(\w+):\w+>", rule)
    if found is None:
        yield rule
        return
    for example in EXAMPLES[found[1]]:
        yield from expanded(rule.replace(found[0], example, 1))


def documented() -> Iterator[str]:
    """The addresses in the README, likewise."""
    section = README.partition("## Addresses\n")[2].partition("\n## ")[0].replace("<name>", "<slug>")
    about_listings, _, about_others = section.partition("| address |")
    pages = re.findall(r"^\| `(/[^`]*)`", about_listings, re.MULTILINE)
    for page in pages:
        for shape in re.findall(r"`(P[^`]*)`", about_listings):
            yield page + shape.removeprefix("P")
        for suffix in re.findall(r"`(\.\w+)`", about_listings):  # of archive documents
            yield f"{page}/2020-06.1{suffix}"
    for addresses, answer in re.findall(r"^\| (`/.*?) \| (.*) \|$", about_others, re.MULTILINE):
        for address in re.findall(r"`([^`]*)`", addresses):
            yield address
            if address.strip("/") in GROUPS:
                for suffix in re.findall(r"`(?:/topics)?(\.[^`]*)`", answer):
                    yield address + suffix


def named_by(urls: MapAdapter, path: str) -> Destination | ListTarget | None:
    """The listing, feed document or list to which the rules lead a path."""
    try:
        endpoint, values = urls.match(path)
    except NotFound:
        return None
    blueprint, _, view = endpoint.partition(".")
    if blueprint == "operations":
        return None
    if blueprint == "lists":
        return LISTS.get(view) or ListTarget(values["kind"], values.get("suffix", ""), values.get("page", 1))
    key = ListingKey(kind=values["kind"], slug=values["slug"])
    return Destination(key, values.get("fmt"), values.get("archive"))


def parsed(path: str) -> Destination | ListTarget | None:
    """The same by `site.addresses`."""
    fixed = {one.address: one for one in LISTS.values()}
    return fixed.get(path) or parse_list(path) or parse(path)


def test_flask_prints_the_addresses_that_the_readme_has(app: Flask) -> None:
    command = FlaskGroup(create_app=lambda: app, set_debug_flag=False)
    printed = app.test_cli_runner().invoke(command, ["routes"])
    rules = re.findall(r"^\w+\.\w+ .* (/\S*) *$", printed.output, re.MULTILINE)

    assert printed.exit_code == 0
    assert {address for rule in rules for address in expanded(rule)} == set(documented())


@given(target=targets)
def test_the_rules_lead_an_address_to_what_it_was_made_of(urls: MapAdapter, target: Destination) -> None:
    assert named_by(urls, target.address) == target


@given(path=paths | near_misses)
def test_the_rules_read_a_path_as_the_parser_does(urls: MapAdapter, path: str) -> None:
    path = f"/{path.lstrip('/')}"  # as Werkzeug has it, for the rules and for `request.path`

    assert named_by(urls, path) == parsed(path)


@given(target=targets)
def test_the_rules_write_the_address_of_a_listing_and_its_documents(
    urls: MapAdapter, target: Destination
) -> None:
    endpoint = {
        (False, False): "pages.listing",
        (False, True): "pages.archive_page",
        (True, False): "feeds.subscription",
        (True, True): "feeds.archive_document",
    }[target.fmt is not None, target.archive is not None]
    values = {"kind": target.key.kind, "slug": target.key.slug, "fmt": target.fmt, "archive": target.archive}

    assert urls.build(endpoint, values) == target.address


@given(
    kind=st.sampled_from(list(GROUPS.values())),
    suffix=st.sampled_from(["", "opml", "json"]),
    page=st.integers(1, 9_999_999),
)
def test_the_rules_write_the_address_of_a_list(urls: MapAdapter, kind: Kind, suffix: str, page: int) -> None:
    values = {"kind": kind, "suffix": suffix or None, "page": page if page > 1 else None}

    assert urls.build("lists.group", values) == ListTarget(kind, suffix, page).address


@given(key=keys)
def test_a_rule_belongs_to_one_listing(urls: MapAdapter, key: ListingKey) -> None:
    assert named_by(urls, f"{key.address}/") is None
