"""Proposals for a name that does not exist."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from servers import index, settings_of, write_story
from stores import address_of

from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.model import Kind
from feedserver.site.suggestions import MOST, closest

TOPICS = [
    "Artificial Intelligence",
    "Machine Learning",
    "Power Apps",
    "Power BI",
    "C++",
    "R&D",
    "机器学习",
    "Tides",
]
ALL = [Kind.TOPIC, Kind.PROVIDER, Kind.CATEGORY, Kind.FEED]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexReader]:
    folder = tmp_path_factory.mktemp("suggestions")
    for number, topic in enumerate(TOPICS):
        write_story(folder / "articles", f"story-{number}", topics=[topic, "Everything"])
    write_story(folder / "articles", "hidden", topics=["Artificial Insemination"], draft=True)
    settings = settings_of(folder / "state", folder / "articles")
    index(settings)
    reader = IndexReader(open_store(address_of(folder / "state")))
    yield reader
    reader.close()


def addresses(reader: IndexReader, name: str, kinds: list[Kind] | None = None) -> list[str]:
    return [one.key.address for one in closest(reader, kinds or [Kind.TOPIC], name)]


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("artifical-inteligence", "/topics/artificial-intelligence"),
        ("Artificial Intelligense", "/topics/artificial-intelligence"),
        ("intelligence", "/topics/artificial-intelligence"),
        ("learning-machine", "/topics/machine-learning"),
        ("powerapps", "/topics/power-apps"),
        ("power-ap", "/topics/power-apps"),
        ("tide", "/topics/tides"),
    ],
)
def test_the_closest_name_comes_first(reader: IndexReader, name: str, best: str) -> None:
    assert addresses(reader, name)[0] == best


@pytest.mark.parametrize("name", ["zzzzzz", "qqq", "", "???", "8"])
def test_noise_is_answered_with_silence(reader: IndexReader, name: str) -> None:
    assert addresses(reader, name, ALL) == []


def test_only_the_kinds_asked_for_are_proposed(reader: IndexReader) -> None:
    assert addresses(reader, "gazete", [Kind.TOPIC]) == []
    assert addresses(reader, "gazete", ALL) == ["/providers/gazette"]
    assert addresses(reader, "gazete.example", [Kind.DOMAIN]) == ["/providers/gazette.example"]


def test_a_few_are_enough(reader: IndexReader) -> None:
    assert len(addresses(reader, "e", ALL)) <= MOST


def test_a_listing_that_only_hidden_articles_have_is_not_proposed(reader: IndexReader) -> None:
    assert "/topics/artificial-insemination" not in addresses(reader, "artificial-insemination")


@pytest.mark.parametrize("name", ["a" * 8000, "power-" * 1500, "\x00" * 8000, "\ufffd" * 3000, "机" * 3000])
def test_a_long_name_takes_no_time(reader: IndexReader, name: str) -> None:
    begun = time.process_time()
    closest(reader, ALL, name)
    assert time.process_time() - begun < 0.5
