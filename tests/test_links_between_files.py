"""Links between files while the files change: the index follows the addresses that they lead to."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import pytest
from builders import a_plan, contents

from feedserver.indexing.indexer import Indexer
from feedserver.indexing.neighbours import neighbours_of
from feedserver.indexing.plan import Plan

RULES = {"base_url": "https://shore.example/", "url_pattern": "/{path}/", "markdown": ("wikilinks",)}
LINKING = "[a](pier.md#end)"
# Long after the files are written, so that each is settled when it is read.
LATER = 4_102_444_800.0


class Site:
    """A folder with an article `harbour.md` that links to `pier.md`."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.folder = base / "articles"
        self.folder.mkdir()
        self.write("harbour.md", LINKING)
        self.indexer = Indexer(self.plan(), lambda: LATER)

    def plan(self, state: str = "state") -> Plan:
        return a_plan(self.base / state, self.folder, rules=RULES)

    def write(self, path: str, body: str, front: str = "") -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"---\ntitle: {path}\ndate: 2024-05-01\n{front}\n---\n{body}\n")
        moment = time.time() - 60
        os.utime(file, (moment, moment))

    def refresh(self) -> None:
        self.indexer.refresh()

    def entry(self, path: str = "harbour.md") -> dict[str, Any]:
        """The row of an article: its payload, and when it was updated."""
        [row] = [row for row in contents(self.base / "state").entries.values() if row[1] == path]
        return {**msgspec.json.decode(row[6]), "changed": row[3]}

    def links(self, path: str = "harbour.md") -> list[str]:
        return re.findall('href="([^"]*)"', self.entry(path)["body_html"])

    def version(self) -> str:
        version: str = contents(self.base / "state").listings["articles/"][0]
        return version

    def assert_equal_to_a_new_index(self) -> None:
        other = Indexer(self.plan("other"), lambda: LATER)
        try:
            other.refresh()
        finally:
            other.close()
        mine, anew = contents(self.base / "state"), contents(self.base / "other")
        assert {key: row[6] for key, row in mine.entries.items()} == {
            key: row[6] for key, row in anew.entries.items()
        }


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.indexer.close()


def test_the_first_index_has_the_links_whatever_the_order_of_files(site: Site) -> None:
    site.write("pier.md", "[b](harbour.md)")
    site.refresh()

    assert site.links() == ["https://shore.example/pier/#end"]
    assert site.links("pier.md") == ["https://shore.example/harbour/"]


def test_a_link_follows_the_address_of_the_other_article_and_dates_nothing(site: Site) -> None:
    site.write("pier.md", "x")
    site.refresh()
    before, version = site.entry(), site.version()

    site.write("pier.md", "x", "url: /new/pier/")
    site.refresh()

    assert site.links() == ["https://shore.example/new/pier/#end"]
    assert site.entry()["changed"] == before["changed"]
    assert site.version() != version
    site.assert_equal_to_a_new_index()


@pytest.mark.parametrize("hiding", ["draft: true", "published: false", "removed: true"])
def test_a_link_is_gone_while_the_other_article_is_hidden(site: Site, hiding: str) -> None:
    site.write("pier.md", "x")
    site.refresh()
    assert site.links()

    site.write("pier.md", "x", hiding)
    site.refresh()
    assert site.links() == []
    site.assert_equal_to_a_new_index()

    site.write("pier.md", "x")
    site.refresh()
    assert site.links()


def test_a_link_appears_and_disappears_with_the_other_file(site: Site) -> None:
    site.refresh()
    assert site.links() == []

    site.write("pier.md", "x")
    site.refresh()
    assert site.links()

    (site.folder / "pier.md").unlink()
    site.refresh()
    assert site.links() == []

    site.write("pier/index.md", "x")
    site.refresh()
    assert site.links() == ["https://shore.example/pier/#end"]
    site.assert_equal_to_a_new_index()


def test_files_that_link_to_each_other_come_to_rest(site: Site) -> None:
    site.write("pier.md", "[b](harbour.md)", "url: /a/")
    site.refresh()
    site.write("harbour.md", LINKING, "url: /b/")
    site.write("pier.md", "[b](harbour.md)", "url: /c/")
    site.refresh()

    assert site.links() == ["https://shore.example/c/#end"]
    assert site.links("pier.md") == ["https://shore.example/b/"]
    version = site.version()
    site.refresh()
    assert site.version() == version
    site.assert_equal_to_a_new_index()


def test_a_server_follows_links_without_a_scan(site: Site) -> None:
    site.write("pier.md", "x")
    site.refresh()
    site.write("pier.md", "x", "url: /new/")

    site.indexer.look_at(0, ["pier.md"])
    assert site.indexer.next_moment() == 0
    site.indexer.look_again()

    assert site.links() == ["https://shore.example/new/#end"]
    assert site.indexer.next_moment() > 0


def test_a_wiki_link_finds_its_file_in_any_folder(site: Site) -> None:
    site.write("harbour.md", "[[Pier]]")
    site.refresh()
    assert site.links() == []

    site.write("old/walks/pier.md", "x")
    site.refresh()
    assert site.links() == ["https://shore.example/old/walks/pier/"]

    site.write("walks/pier/index.md", "x")
    site.refresh()
    site.write("pier.md", "x")
    site.refresh()
    assert site.links() == ["https://shore.example/pier/"]

    (site.folder / "pier.md").unlink()
    (site.folder / "old/walks/pier.md").unlink()
    site.refresh()
    assert site.links() == ["https://shore.example/walks/pier/"]
    site.assert_equal_to_a_new_index()


def test_an_edit_of_the_text_alone_reads_no_other_file(site: Site) -> None:
    site.write("pier.md", "x")
    site.refresh()
    site.write("pier.md", "another text")

    assert site.indexer.refresh().read == 1
    assert not site.indexer._keeper.writer.has_outdated()  # noqa: SLF001  nothing else tells


def test_only_published_articles_that_a_scan_finds_have_an_address(site: Site) -> None:
    site.write("pier.md", "x")
    site.write("later.md", "x", "date: 2030-01-01")
    site.write("latest.md", "x", "publishDate: 2030-01-01")
    site.write("expired.md", "x", "expiryDate: 2024-05-20")
    site.write("_drafts/pier.md", "x")
    site.write("pier.txt", "x")
    plan = msgspec.structs.replace(site.plan(), skip=("_drafts",))
    root = msgspec.structs.replace(plan.roots[0], only=("posts",))
    (site.base / "secret.md").write_text("---\ntitle: A\ndate: 2024-05-01\n---\n")
    (site.folder / "link.md").symlink_to(site.base / "secret.md")
    address_of = neighbours_of(plan.roots[0], plan, lambda: 1_717_200_000.0)

    found = {
        name: address_of(PurePosixPath(name))
        for name in (
            "pier.md",
            "later.md",
            "latest.md",
            "expired.md",
            "_drafts/pier.md",
            "pier.txt",
            "link.md",
            "none.md",
            "a\0.md",
            "\ud800.md",
        )
    }

    assert {name for name, address in found.items() if address} == {"pier.md"}
    assert not neighbours_of(root, plan, lambda: 1_717_200_000.0)(PurePosixPath("pier.md"))
