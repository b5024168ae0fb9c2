"""Folders of articles become exactly the documents beside them, the way a server makes them.

Each folder in `golden/articles` holds one kind of article. It is indexed, published and compared byte by
byte, so that a change anywhere between a file and a feed shows as a difference of documents. After a
change that is wanted, run this file as a program: it writes the documents anew, for a diff to show. All
names and addresses are invented.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import feedparser
import pytest
from servers import index, settings_of

from feedserver.feeds import channels
from feedserver.feeds.document import Document
from feedserver.model import Format, Kind, ListingKey
from feedserver.wiring.publishing import make_publisher

GOLDEN = Path(__file__).parent / "golden" / "articles"
KINDS = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())
NOW = 1_717_200_000.0  # 2024-06-01, after all of the articles

# Documents name the release that made them; a new release shall not rewrite all of these.
RELEASE = "1.0"


def documents_of(kind: str, state_dir: Path) -> dict[str, bytes]:
    """The feeds of everything in a folder, by the name of the golden file."""
    settings = settings_of(
        state_dir, GOLDEN / kind, site={"base_url": "https://feeds.example.org", "title": "Coast"}
    )
    index(settings, lambda: NOW)
    publisher = make_publisher(settings)
    everything = ListingKey(kind=Kind.ARTICLES)
    return {f"{kind}.{fmt.value}": publisher.preview(Document(everything, fmt)) for fmt in Format}


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_articles_becomes_its_golden_documents(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "__version__", RELEASE)

    for name, document in documents_of(kind, tmp_path).items():
        assert document.decode() == (GOLDEN / name).read_bytes().decode(), name


@pytest.mark.parametrize("fmt", [Format.RSS, Format.ATOM])
@pytest.mark.parametrize("kind", KINDS)
def test_a_parser_finds_in_xml_what_json_says(kind: str, fmt: Format) -> None:
    """feedparser stands for the many programs that use it; docs/reference/readers.md tells of more."""
    items = json.loads((GOLDEN / f"{kind}.json").read_bytes())["items"]
    feed = feedparser.parse((GOLDEN / f"{kind}.{fmt.value}").read_bytes())

    assert not feed.bozo
    found = [(e.id, e.title, e.title_detail.value, e.link, e.updated) for e in feed.entries]
    assert found == [(i["id"], i["title"], i["title"], i["url"], i["date_modified"]) for i in items]
    assert [[author.name for author in e.get("authors", [])] for e in feed.entries] == [
        [author["name"] for author in i.get("authors", [])] for i in items
    ]


def test_there_is_no_golden_document_without_a_folder() -> None:
    expected = {f"{kind}.{fmt.value}" for kind in KINDS for fmt in Format}

    assert {path.name for path in GOLDEN.iterdir() if path.is_file()} == expected


if __name__ == "__main__":
    pytest.MonkeyPatch().setattr(channels, "__version__", RELEASE)
    for folder in KINDS:
        with tempfile.TemporaryDirectory() as state:
            for file_name, content in documents_of(folder, Path(state)).items():
                (GOLDEN / file_name).write_bytes(content)
