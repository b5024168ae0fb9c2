"""The exported site: the same bytes as served, only what changed is written, nothing else is touched."""

from __future__ import annotations

import contextlib
import gzip
import multiprocessing
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from builders import Clock, wait_for, write_file
from flask.testing import FlaskClient
from servers import BASE_URL, REPOSITORY, feedserver, index, quiet_app, serve, settings_of, write_story

from feedserver.errors import ExportError, StateError, UnknownAddressError
from feedserver.export import run
from feedserver.export.folder import SUFFIXES, Folder, FolderWriter
from feedserver.export.site import ExportSite, Scope, Unit
from feedserver.export.target import OWN, Made, UnitRecord, Written
from feedserver.feeds.representation import ENCODINGS
from feedserver.index.catalogue import CatalogueReader
from feedserver.index.sqlite import builds
from feedserver.index.values import ListingState
from feedserver.model import Format, Kind
from feedserver.settings.sources import Settings
from feedserver.wiring.exporting import make_export_plan

ENCODING_OF = {suffix: encoding for encoding, suffix in SUFFIXES.items()}
LONG = "A text that is long enough to be worth an encoding. " * 30


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    """Some articles: two topics, two providers, two months that have ended, one hidden article."""
    folder = tmp_path / "articles"
    write_story(folder, "_news/one", title="First", topics=["AI", "C++"], body=LONG)
    write_story(folder, "_news/two", title="Second", date="2024-03-02T10:00:00Z", body=LONG)
    write_story(folder, "_news/three", title="Third", topics=["Bees"], provider=("Herald", "herald.example"))
    write_story(folder, "_news/hidden", title="Hushed", topics=["Secrecy"], draft=True)
    return folder


@pytest.fixture
def settings(tmp_path: Path, articles: Path) -> Settings:
    """The settings of a site of these articles, indexed."""
    settings = settings_of(tmp_path / "state", articles)
    index(settings)
    return settings


def export(settings: Settings, folder: Path, **scope: Any) -> run.ExportSummary:
    """Bring a folder up to date."""
    return run.export(make_export_plan(settings, Scope(**scope)), folder)


def files(folder: Path) -> dict[str, bytes]:
    """The files of an export, without its own notes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != OWN
    }


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Which file is at which path: its inode and modification time."""
    return {
        name: (status.st_ino, status.st_mtime_ns)
        for name in files(folder)
        for status in [(folder / name).stat()]
    }


def damage(state_dir: Path, title: str) -> None:
    """Spoil the row of the article of a title, in the serving index."""
    build = builds.serving_build(state_dir)
    assert build is not None
    with contextlib.closing(sqlite3.connect(build)) as database:
        done = database.execute(
            "UPDATE candidate SET payload = '{' WHERE instr(CAST(payload AS TEXT), ?)", (title,)
        )
        assert done.rowcount == 1
        database.commit()


def address_of(name: str) -> str:
    """Where the server has the document of a file, for a site without a base path."""
    return "/" + name.removesuffix("index.html").rstrip("/") if name.endswith("index.html") else f"/{name}"


def split_encoding(name: str) -> tuple[str, str]:
    """The document of a file, and the encoding it is in."""
    for suffix, encoding in ENCODING_OF.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), encoding
    return name, "identity"


# Documents that only a server has, or that it has in another form: its freshness, and 404 pages.
DIFFERENT = {"404.html", "status/index.html", "status.json"}


def assert_equals_server(folder: Path, client: FlaskClient) -> None:
    """Every file is what the server sends, and has its date."""
    for name, content in files(folder).items():
        document, encoding = split_encoding(name)
        if document in DIFFERENT:
            continue
        answer = client.get(address_of(document), headers={"Accept-Encoding": encoding})
        assert answer.status_code == 200, name
        assert answer.headers.get("Content-Encoding", "identity") == encoding, name
        assert answer.data == content, name
        if "Last-Modified" in answer.headers:
            assert parsedate_to_datetime(answer.headers["Last-Modified"]) == modified(folder / name), name


def modified(path: Path) -> datetime:
    """The modification time of a file."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def crawl(client: FlaskClient) -> Iterator[str]:
    """The addresses of all documents that lead by links from the directory to others."""
    waiting, seen = ["/"], {"/"}
    while waiting:
        address = waiting.pop()
        yield address
        response = client.get(address)
        if address.startswith("/static"):  # some are pictures, and none leads on
            continue
        text = response.get_data(as_text=True)
        for link in re.findall(r'(?:href|src|xmlUrl|htmlUrl)="([^"]*)"', text):
            path = urlsplit(link).path
            if link.startswith(("/", BASE_URL)) and path not in seen:
                seen.add(path)
                waiting.append(path)


# --- What is written ----------------------------------------------------------------------------


def test_every_file_is_what_the_server_sends_in_every_encoding(settings: Settings, tmp_path: Path) -> None:
    export(settings, tmp_path / "out")
    time.sleep(1)  # a Last-Modified is rounded up, and sent from then on

    assert_equals_server(tmp_path / "out", quiet_app(settings).test_client())


def test_every_address_that_links_lead_to_is_a_file(settings: Settings, tmp_path: Path) -> None:
    export(settings, tmp_path / "out")
    names = files(tmp_path / "out")

    found = set(crawl(quiet_app(settings).test_client()))

    assert {"/topics/ai", "/topics/c-plus-plus.json", "/articles/2024-03.1.atom", "/all.opml"} <= found
    assert "/recommended.opml" in found
    assert {
        address for address in found if not {address[1:], f"{address}/index.html".lstrip("/")} & names.keys()
    } == set()


def test_a_listing_has_its_page_feeds_and_archive_documents(settings: Settings, tmp_path: Path) -> None:
    export(settings, tmp_path / "out")
    names = {split_encoding(name)[0] for name in files(tmp_path / "out")}

    expected = {f"topics/ai{end}" for end in ("/index.html", ".rss", ".atom", ".json")}
    ends = ["/index.html", *(f".{fmt.value}" for fmt in Format)]
    expected |= {f"topics/ai/{month}.1{end}" for month in ("2024-03", "2024-05") for end in ends}
    assert {name for name in names if re.match(r"topics/ai\b", name)} == expected
    assert {"index.html", "404.html", "static/style.css", "topics/index.html", "topics.opml"} <= names


def test_small_documents_have_no_encodings(settings: Settings, tmp_path: Path) -> None:
    export(settings, tmp_path / "out")
    out = tmp_path / "out"

    assert gzip.decompress((out / "articles.rss.gz").read_bytes()) == (out / "articles.rss").read_bytes()
    assert [file.name for file in out.glob("feeds.json*")] == ["feeds.json"]
    assert len(list(out.glob("articles.rss*"))) == 1 + len(ENCODINGS)


def test_what_is_hidden_is_in_no_file(settings: Settings, tmp_path: Path) -> None:
    export(settings, tmp_path / "out")

    everything = (
        b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
        + "".join(files(tmp_path / "out")).encode()
    )
    assert b"hushed" not in everything.lower()
    assert b"secrecy" not in everything.lower()


def test_pages_below_a_base_path_link_to_files(tmp_path: Path, articles: Path) -> None:
    settings = settings_of(tmp_path / "state", articles, site={"base_url": "https://feeds.example/news"})
    index(settings)
    export(settings, tmp_path / "out")

    names = files(tmp_path / "out")
    pages = [content.decode() for name, content in names.items() if name.endswith(".html")]
    links = {urlsplit(link) for page in pages for link in re.findall(r'(?:href|src)="([^"]*)"', page)}
    ours = {link.path for link in links if link.netloc in ("", "feeds.example") and link.path}
    assert "/news/topics/ai" in ours
    for path in ours:
        name = path.removeprefix("/news").lstrip("/")
        assert path.startswith("/news/"), path
        assert name in names or f"{name}/index.html".lstrip("/") in names, path


def test_listings_that_the_server_does_not_show_are_left_out(tmp_path: Path, articles: Path) -> None:
    state = tmp_path / "state"
    index(settings_of(state, articles))
    (articles / "_news/three.md").unlink()
    settings = settings_of(state, articles, retired=["/topics/ai"], redirects={"/topics/bees": "/articles"})
    index(settings)
    export(settings, tmp_path / "out")

    names = files(tmp_path / "out")
    assert not any(name.startswith(("topics/ai", "topics/bees")) for name in names)
    assert "providers/herald.rss" in names  # empty, but served


def test_a_document_that_was_retired_alone_is_left_out_and_comes_back(tmp_path: Path, articles: Path) -> None:
    state = tmp_path / "state"
    retired = ["/topics/ai.atom", "/topics", "/providers.json", "/", "/all.opml"]
    settings = settings_of(state, articles, retired=retired)
    index(settings)
    export(settings, tmp_path / "out")

    names, client = files(tmp_path / "out"), quiet_app(settings).test_client()
    assert {"topics/ai.rss", "topics/ai/index.html", "topics.opml", "providers/index.html"} <= names.keys()
    assert {"index.html", "all.opml"} <= names.keys()
    for name in ("topics/ai.atom", "topics/index.html", "providers.json"):
        assert name not in names
        assert client.get(address_of(name)).status_code == 410

    export(settings_of(state, articles), tmp_path / "out")
    assert {"topics/ai.atom", "topics/index.html", "providers.json"} <= files(tmp_path / "out").keys()
    assert not (tmp_path / "out" / OWN / "moved.map").exists()


def test_what_moved_is_written_down_anew_when_it_changes(tmp_path: Path, articles: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "out"
    index(settings_of(state, articles))
    lines = []
    for redirects in ({"/old": "/topics/ai"}, {"/old": "/articles", "/blog.rss": "/articles.rss"}, {}):
        export(settings_of(state, articles, redirects=redirects, retired=["/topics/ended"]), out)
        lines.append((out / OWN / "moved.map").read_text(encoding="utf-8"))
    assert ["/topics/ai" in one for one in lines] == [True, False, False]
    assert ["blog" in one for one in lines] == [False, True, False]
    assert all(one.startswith('"~^/topics/ended') for one in lines)


def test_a_domain_whose_name_is_that_of_another_file_is_left_out(tmp_path: Path) -> None:
    articles = tmp_path / "articles"
    clashing = ["index.html", "index.html.br", "gazette.rss", "gazette.rss.gz", "gazette.json.br"]
    for number, domain in enumerate([*clashing, "good.example"]):
        write_story(articles, f"_news/{number}", provider=("Gazette", domain), body=LONG)
    settings = settings_of(tmp_path / "state", articles)
    index(settings)

    export(settings, tmp_path / "out")

    names = set(files(tmp_path / "out"))
    assert {"providers/index.html", "providers/gazette.rss", "providers/good.example/index.html"} <= names
    assert "providers/gazette.rss.gz" in names  # the feed in gzip, no folder
    assert not any(name.startswith(tuple(f"providers/{domain}/" for domain in clashing)) for name in names)


def test_a_domain_that_is_too_long_for_the_name_of_a_file_is_left_out(tmp_path: Path) -> None:
    articles = tmp_path / "articles"
    domains = [f"{'.'.join('a' * length for length in (60, 60, 60, last))}.example" for last in (56, 57, 62)]
    for number, domain in enumerate(domains):
        write_story(articles, f"_news/{number}", provider=("Gazette", domain), body=LONG)
    settings = settings_of(tmp_path / "state", articles)
    index(settings)

    export(settings, tmp_path / "out")

    pages = {name for name in files(tmp_path / "out") if name.endswith(".example/index.html")}
    assert pages == {f"providers/{domains[0]}/index.html"}
    assert f"providers/{domains[0]}.atom.gz" in files(tmp_path / "out")


def test_a_domain_that_ends_like_an_encoding_is_exported(tmp_path: Path) -> None:
    articles = tmp_path / "articles"
    domains = ["globo.com", "globo.com.br", "notes.gz", "rss.br", "page.html"]
    for number, domain in enumerate(domains):
        write_story(articles, f"_news/{number}", provider=("Globo", domain), body=LONG)
    settings = settings_of(tmp_path / "state", articles)
    index(settings)

    export(settings, tmp_path / "out")

    names = files(tmp_path / "out")
    for domain in domains:
        listing = {f"{domain}.rss", f"{domain}.atom", f"{domain}.json", f"{domain}/index.html"}
        assert {f"providers/{name}" for name in listing} <= names.keys(), domain
    assert_equals_server(tmp_path / "out", quiet_app(settings).test_client())


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"formats": (Format.RSS,), "archives": False, "pages": False}, {".rss"}),
        ({"formats": (Format.ATOM,), "pages": False}, {".atom"}),
        (
            {"formats": (), "archives": False},
            {".html", ".opml", ".json", ".css", ".js", ".svg", ".png", ".ico"},
        ),
    ],
    ids=["rss without archives", "atom", "pages"],
)
def test_only_what_was_chosen_is_written(
    settings: Settings, tmp_path: Path, scope: Mapping[str, Any], expected: set[str]
) -> None:
    export(settings, tmp_path / "out")
    export(settings, tmp_path / "out", kinds=(Kind.TOPIC, Kind.ARTICLES), **scope)

    names = [split_encoding(name)[0] for name in files(tmp_path / "out")]
    assert {Path(name).suffix for name in names} == expected
    assert not any(name.startswith("providers/") and not name.endswith("index.html") for name in names)
    assert any("2024-03" in name for name in names) == scope.get("archives", True)


def test_a_pool_of_processes_writes_the_same(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(settings, tmp_path / "one")
    monkeypatch.setattr(run, "LEAST_FOR_POOL", 0)
    monkeypatch.setattr(run, "cores", lambda: 2)
    monkeypatch.setattr(run, "PIECE_WEIGHT", 1)

    seen: list[run.ExportProgress] = []
    summary = run.export(make_export_plan(settings, Scope()), tmp_path / "two", seen.append)

    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert summary.written == summary.documents > 50
    assert seen[-1].done == seen[-1].total == len(seen)


# --- What changed -------------------------------------------------------------------------------


def test_nothing_is_written_when_nothing_changed(settings: Settings, articles: Path, tmp_path: Path) -> None:
    first = export(settings, tmp_path / "out")
    before = stamps(tmp_path / "out")
    for path in articles.rglob("*.md"):
        path.touch()
    index(settings)

    second = export(settings, tmp_path / "out")

    assert first.written == first.documents == second.documents
    assert (second.written, second.removed) == (0, 0)
    assert stamps(tmp_path / "out") == before


def test_a_rebuilt_index_writes_nothing(settings: Settings, tmp_path: Path) -> None:
    export(settings, tmp_path / "out")
    for file in settings.state.dir.glob("index-*"):
        file.unlink()
    (settings.state.dir / "current").unlink()
    index(settings)

    assert export(settings, tmp_path / "out").written == 0


def test_a_changed_article_rewrites_only_what_shows_it(
    settings: Settings, articles: Path, tmp_path: Path
) -> None:
    export(settings, tmp_path / "out")
    before = stamps(tmp_path / "out")
    write_story(articles, "_news/one", title="First, again", topics=["AI", "C++"], body=LONG)
    index(settings)

    summary = export(settings, tmp_path / "out")

    after = stamps(tmp_path / "out")
    changed = {name for name in after if after[name] != before.get(name)}
    assert before.keys() == after.keys()
    assert {"articles.rss", "topics/ai.json", "topics/c-plus-plus/2024-05.1.atom", "all.opml"} <= changed
    assert not any("bees" in name or "herald" in name or "2024-03" in name for name in changed)
    assert {"static/style.css", "404.html"}.isdisjoint(changed)
    assert all(after[name][1] > before[name][1] for name in changed)
    assert summary.written == len({split_encoding(name)[0] for name in changed})
    time.sleep(1)
    assert_equals_server(tmp_path / "out", quiet_app(settings).test_client())


def test_what_is_gone_is_removed_with_the_folders_that_held_it(
    settings: Settings, articles: Path, tmp_path: Path
) -> None:
    export(settings, tmp_path / "out")
    assert (tmp_path / "out/topics/bees/2024-05.1.rss").exists()
    (articles / "_news/three.md").unlink()
    (articles / "_news/one.md").unlink()
    index(settings)

    summary = export(settings, tmp_path / "out")

    names = files(tmp_path / "out")
    assert not any("2024-05" in name for name in names)
    assert "topics/bees.rss" in names  # a listing that was, stays
    assert summary.removed > 0
    assert all(
        any(path.iterdir())
        for path in (tmp_path / "out").rglob("*")
        if path.is_dir() and OWN not in path.parts
    )
    export(settings, tmp_path / "fresh")
    assert files(tmp_path / "fresh") == names


def test_a_document_that_becomes_small_loses_its_encodings(tmp_path: Path) -> None:
    articles = tmp_path / "articles"
    for number in range(20):
        write_story(articles, f"_news/{number}", topics=[f"Topic {number}"])
    index(settings_of(tmp_path / "state", articles))
    export(settings_of(tmp_path / "state", articles), tmp_path / "out")
    assert (tmp_path / "out/topics.json.gz").exists()
    for number in range(1, 20):
        (articles / f"_news/{number}.md").unlink()
    index(settings_of(tmp_path / "state", articles))

    export(settings_of(tmp_path / "state", articles), tmp_path / "out")

    assert [file.name for file in (tmp_path / "out").glob("topics.json*")] == ["topics.json"]


def test_another_title_of_the_site_rewrites_everything_that_shows_it(
    settings: Settings, articles: Path, tmp_path: Path
) -> None:
    export(settings, tmp_path / "out")
    renamed = settings_of(settings.state.dir, articles, site={"title": "Renamed"})

    export(renamed, tmp_path / "out")

    export(renamed, tmp_path / "fresh")
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


def test_a_date_never_goes_back_when_the_history_is_lost(
    settings: Settings, articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(settings, tmp_path / "out")
    late = time.time() + 3600
    for name in files(tmp_path / "out"):
        os.utime(tmp_path / "out" / name, (late, late))
    before = modified(tmp_path / "out/articles.rss")
    with Folder(tmp_path / "out") as folder:
        for name, signature in folder.signatures().items():
            written = tuple(_late(one, int(late)) for one in folder.written(name))
            folder.record([UnitRecord(name, signature, written)])
    write_story(articles, "_news/one", title="Changed", topics=["AI"], body=LONG)
    index(settings)

    export(settings, tmp_path / "out")

    assert modified(tmp_path / "out/articles.rss") > before
    assert modified(tmp_path / "out/index.html") > before


def _late(one: Written, mtime: int) -> Written:
    return Written(one.path, one.digest, mtime, one.suffixes, one.source)


def test_what_changes_while_it_is_exported_is_looked_at_again(
    settings: Settings, articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = ExportSite.documents
    is_changed: list[bool] = []

    def changing(site: ExportSite, *arguments: Any) -> Iterator[Any]:
        if not is_changed:
            is_changed.append(True)
            write_story(articles, "_news/one", title="Meanwhile", topics=["AI"], body=LONG)
            index(settings)
        yield from documents(site, *arguments)

    monkeypatch.setattr(ExportSite, "documents", changing)
    export(settings, tmp_path / "out")
    # Back to what it was when that export began: what it noted must not be taken for it.
    write_story(articles, "_news/one", title="First", topics=["AI", "C++"], body=LONG, mtime=Clock().now)
    index(settings)

    export(settings, tmp_path / "out")

    export(settings, tmp_path / "fresh")
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


def test_a_listing_that_changes_while_it_is_read_is_whole_after_the_next_export(
    settings: Settings, articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = CatalogueReader.archive
    is_changed: list[bool] = []

    def changing(reader: CatalogueReader, *arguments: Any) -> Any:
        if not is_changed:
            is_changed.append(True)
            (articles / "_news/two.md").unlink()
            index(settings)
        return archive(reader, *arguments)

    monkeypatch.setattr(CatalogueReader, "archive", changing)
    export(settings, tmp_path / "out")

    export(settings, tmp_path / "out")

    export(settings, tmp_path / "fresh")
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


def test_a_rebuild_while_a_listing_is_read_mixes_no_listings(
    settings: Settings, articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = CatalogueReader.members
    is_changed: list[bool] = []

    def changing(reader: CatalogueReader, state: ListingState) -> Any:
        if state.key.slug == "c-plus-plus" and not is_changed:
            is_changed.append(True)
            # Other files come first now, so that the same numbers stand for other listings.
            write_story(
                articles, "_early/first", title="Early", topics=["Zebras"], provider=("Zoo", "zoo.example")
            )
            (settings.state.dir / "current").unlink()
            index(settings)
        return members(reader, state)

    monkeypatch.setattr(CatalogueReader, "members", changing)
    export(settings, tmp_path / "out")
    assert not any(
        b"Early" in content for name, content in files(tmp_path / "out").items() if "c-plus" in name
    )

    export(settings, tmp_path / "out")

    export(settings, tmp_path / "fresh")
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


def test_what_was_written_of_a_listing_that_went_meanwhile_is_removed_by_the_next_export(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = ExportSite.documents

    def going(site: ExportSite, unit: Unit, *arguments: Any) -> Iterator[Any]:
        made = documents(site, unit, *arguments)
        if unit.name == "/topics/bees":
            yield next(made)
            raise UnknownAddressError(unit.name)
        yield from made

    with monkeypatch.context() as patched:
        patched.setattr(ExportSite, "documents", going)
        export(settings, tmp_path / "out")
    assert (tmp_path / "out/topics/bees.rss").exists()

    # Without the listing, then with it once more: no file of the first export is in the way.
    export(settings, tmp_path / "out", kinds=(Kind.ARTICLES,))
    assert not (tmp_path / "out/topics/bees.rss").exists()
    with monkeypatch.context() as patched:
        patched.setattr(ExportSite, "documents", going)
        export(settings, tmp_path / "out")
    export(settings, tmp_path / "out")

    export(settings, tmp_path / "fresh")
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


@pytest.mark.parametrize("removals", [2, 10_000])
def test_a_folder_that_another_process_finds_empty_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removals: int
) -> None:
    mkdir = os.mkdir
    removed: list[str] = []

    def made_and_removed(path: str, *arguments: Any, dir_fd: int | None = None) -> None:
        mkdir(path, *arguments, dir_fd=dir_fd)
        if path == "bees" and len(removed) < removals:
            removed.append(path)
            os.rmdir(path, dir_fd=dir_fd)

    with Folder(tmp_path / "out"), contextlib.closing(FolderWriter(tmp_path / "out", ())) as writer:
        monkeypatch.setattr(os, "mkdir", made_and_removed)
        # Without an end the writer would wait for a folder that something else keeps removing.
        ends = pytest.raises(FileNotFoundError) if removals > 2 else contextlib.nullcontext()
        with ends:
            writer.write("topics/bees/index.html", {"": b"Bees", ".gz": b"Bz"}, None, None)

    assert (files(tmp_path / "out") == {}) == (removals > 2)


def test_what_was_made_before_is_not_given_for_what_cannot_be_made(
    settings: Settings, articles: Path, tmp_path: Path
) -> None:
    plan = make_export_plan(settings, Scope(formats=(Format.RSS,), archives=False, pages=False))
    with contextlib.closing(ExportSite(plan)) as site, Folder(tmp_path / "out") as target:
        assert run.bring_up_to_date(target, site).failures == ()
        write_story(articles, "_news/one", title="Changed", topics=["AI"], body=LONG)
        index(settings)
        damage(settings.state.dir, "Third")
        failed = {failure.unit for failure in run.bring_up_to_date(target, site).failures}

    assert "/articles" in failed  # which shows both
    assert "/topics/ai" not in failed


# --- A process of the pool that fails ---------------------------------------------------------------


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every export in a pool of two processes, a unit at a time."""
    monkeypatch.setattr(run, "LEAST_FOR_POOL", 0)
    monkeypatch.setattr(run, "PIECE_WEIGHT", 1)
    monkeypatch.setattr(run, "cores", lambda: 2)


@pytest.mark.usefixtures("pool")
def test_what_a_process_of_the_pool_fails_with_is_said(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def spoiled() -> int:  # asked for after this process opened the publication history, before the others do
        with contextlib.closing(sqlite3.connect(settings.state.dir / "history.sqlite")) as database:
            database.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
            database.commit()
        return 2

    monkeypatch.setattr(run, "cores", spoiled)

    with pytest.raises(StateError, match=r"history\.sqlite: was written by a newer version"):
        export(settings, tmp_path / "out")

    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.usefixtures("pool")
def test_a_process_of_the_pool_that_was_killed_ends_the_export(settings: Settings, tmp_path: Path) -> None:
    def kill(_: run.ExportProgress) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(ExportError, match=r"a process of the export died \(it was killed.*\); export again$"):
        run.export(make_export_plan(settings, Scope()), tmp_path / "out", kill)

    export(settings, tmp_path / "out")
    export(settings, tmp_path / "fresh")
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


class UnreadableError(Exception):
    """Cannot be made again of what it hands on."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def fail(_: bytes) -> bytes:
    """Stands for the function that makes a piece in another process."""
    raise UnreadableError("no", "idea")


@pytest.mark.usefixtures("pool")
def test_an_error_that_cannot_be_handed_on_is_named_all_the_same(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_make_piece", fail)

    with pytest.raises(ExportError, match=r"died \(TypeError: UnreadableError.*\); export again$"):
        export(settings, tmp_path / "out")


@pytest.mark.usefixtures("pool")
def test_a_damaged_row_costs_only_the_listings_that_show_it(settings: Settings, tmp_path: Path) -> None:
    damage(settings.state.dir, "Third")

    with pytest.raises(
        ExportError, match=r"out: /\S+ cannot be written: the index is damaged: .* \(\d+ more like"
    ):
        export(settings, tmp_path / "out")

    names = files(tmp_path / "out").keys()
    assert {"topics/ai.rss", "topics/ai/2024-05.1.rss", "index.html", "all.opml"} <= names
    assert not any("bees" in name for name in names)


def test_an_index_that_contradicts_itself_costs_the_listings_that_it_does_so_about(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = CatalogueReader.archive

    def damaged(reader: CatalogueReader, state: ListingState, *arguments: Any) -> Any:
        return () if state.key.slug == "ai" else archive(reader, state, *arguments)

    monkeypatch.setattr(CatalogueReader, "archive", damaged)
    with pytest.raises(ExportError, match=r"out: /topics/ai cannot be written: the index is damaged: [^)]*$"):
        export(settings, tmp_path / "out")
    assert (tmp_path / "out/topics/bees.rss").exists()


def test_files_that_cannot_be_made_again_stay_until_an_article_is_hidden(
    settings: Settings, articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    export(settings, out)
    before = files(out)
    documents = ExportSite.documents

    def failing(one: ExportSite, unit: Unit, known: Collection[str]) -> Iterator[Made | str]:
        if unit.name == "/topics/ai":
            yield next(documents(one, unit, known))
            raise ValueError("nothing more can be made of it")
        yield from documents(one, unit, known)

    def concerned() -> dict[str, bytes]:
        return {name: content for name, content in files(out).items() if name.startswith("topics/ai")}

    monkeypatch.setattr(ExportSite, "documents", failing)
    write_story(articles, "_news/another", title="Another", topics=["AI"])
    index(settings)
    with pytest.raises(ExportError, match="/topics/ai cannot be written: ValueError"):
        export(settings, out)
    assert concerned().keys() == {name for name in before if name.startswith("topics/ai")}
    assert concerned()["topics/ai.atom"] == before["topics/ai.atom"]

    write_story(articles, "_news/another", title="Another", topics=["AI"], draft=True)
    index(settings)
    with pytest.raises(ExportError, match="/topics/ai cannot be written: ValueError"):
        export(settings, out)
    assert {name.partition(".rss")[0] for name in concerned()} == {"topics/ai"}

    monkeypatch.setattr(ExportSite, "documents", documents)
    export(settings, out)
    assert files(out).keys() == before.keys()


# --- Whose files ----------------------------------------------------------------------------------


def test_a_folder_with_other_things_is_refused(settings: Settings, tmp_path: Path) -> None:
    write_file(tmp_path / "out", "letter.txt", "Dear reader")

    with pytest.raises(ExportError, match="holds something else than an export"):
        export(settings, tmp_path / "out")

    assert files(tmp_path / "out") == {"letter.txt": b"Dear reader"}


def test_files_of_others_are_left_alone(settings: Settings, articles: Path, tmp_path: Path) -> None:
    export(settings, tmp_path / "out")
    foreign = {"CNAME": b"feeds.example", "topics/ai/notes.txt": b"mine", ".well-known/x": b"y"}
    for name, content in foreign.items():
        write_file(tmp_path / "out", name, content)
    for path in articles.rglob("*.md"):
        path.unlink()
    index(settings)

    export(settings, tmp_path / "out")

    assert foreign.items() <= files(tmp_path / "out").items()


def test_a_file_of_others_that_is_in_the_way_is_named(
    settings: Settings, articles: Path, tmp_path: Path
) -> None:
    export(settings, tmp_path / "out")
    write_file(tmp_path / "out", "topics/wasps.rss", "mine")
    write_story(articles, "_news/new", topics=["Wasps"])
    index(settings)

    with pytest.raises(ExportError, match=r"topics/wasps\.rss: is in the way"):
        export(settings, tmp_path / "out")
    assert (tmp_path / "out/topics/wasps.rss").read_text() == "mine"

    (tmp_path / "out/topics/wasps.rss").unlink()
    export(settings, tmp_path / "out")
    assert (tmp_path / "out/topics/wasps.rss").exists()


@pytest.mark.parametrize(
    ("obstacle", "document"),
    [
        ("topics/ai", "topics/ai/index.html"),
        ("categories", "categories/news.rss"),
        ("topics/ai.rss.gz/mine.txt", "topics/ai.rss"),
    ],
)
def test_what_lies_where_a_folder_or_a_file_was_costs_only_what_belongs_there(
    settings: Settings, articles: Path, tmp_path: Path, obstacle: str, document: str
) -> None:
    out = tmp_path / "out"
    export(settings, out)
    good = files(out)
    place = out / "/".join(obstacle.split("/")[:2])
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    write_file(out, obstacle, "mine")
    write_story(articles, "_news/one", title="Changed", topics=["AI"], body=LONG * 2)
    write_story(articles, "_news/new", title="New", topics=["Wasps"])
    index(settings)

    with pytest.raises(ExportError, match=rf"{re.escape(str(place))}: is in the way"):
        export(settings, out)

    assert (out / obstacle).read_text() == "mine"
    assert {"topics/wasps.rss", "topics/wasps/index.html"} <= files(out).keys()
    assert files(out).get(document) in (None, good[document])  # not one encoding of it alone
    assert list((out / OWN / "incoming").iterdir()) == []

    place.unlink() if place.is_file() else shutil.rmtree(place)
    export(settings, out)
    export(settings, tmp_path / "fresh")
    assert files(out)[document] == files(tmp_path / "fresh")[document]


def test_what_lies_where_the_folder_of_a_listing_was_outlives_the_listing(
    settings: Settings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(settings, out)
    shutil.rmtree(out / "topics/ai")
    write_file(out, "topics/ai", "mine")
    (out / "topics/bees.rss").unlink()
    write_file(out, "topics/bees.rss/letter.txt", "mine, too")

    export(settings, out, kinds=(Kind.ARTICLES,))

    left = {name: text for name, text in files(out).items() if name.startswith(("topics/ai", "topics/bees"))}
    assert left == {"topics/ai": b"mine", "topics/bees.rss/letter.txt": b"mine, too"}


@pytest.mark.parametrize("target", ["nowhere", "topics/ai"])
def test_a_link_to_nowhere_in_place_of_a_folder_is_in_the_way(tmp_path: Path, target: str) -> None:
    with Folder(tmp_path / "out"), contextlib.closing(FolderWriter(tmp_path / "out", ())) as writer:
        (tmp_path / "out/topics").mkdir()
        (tmp_path / "out/topics/ai").symlink_to(tmp_path / target)

        with pytest.raises(ExportError, match="topics/ai: is in the way"):
            writer.write("topics/ai/index.html", {"": b"AI"}, None, None)

        assert not list((tmp_path / "out" / OWN / "incoming").glob(f"{os.getpid()}-*"))


def test_an_export_of_another_version_is_refused(settings: Settings, tmp_path: Path) -> None:
    export(settings, tmp_path / "out")
    with contextlib.closing(sqlite3.connect(tmp_path / "out" / OWN / "state.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")

    with pytest.raises(ExportError, match="another version of feedserver"):
        export(settings, tmp_path / "out")


def test_two_exports_to_one_folder_at_a_time_are_refused(settings: Settings, tmp_path: Path) -> None:
    with Folder(tmp_path / "out"), pytest.raises(ExportError, match="another export is writing"):
        export(settings, tmp_path / "out")


def test_a_folder_that_cannot_be_opened_is_given_up_for_the_next_try(
    settings: Settings, tmp_path: Path
) -> None:
    obstacle = tmp_path / "out" / OWN / "state.sqlite"
    obstacle.mkdir(parents=True)

    with pytest.raises(ExportError, match=r"state\.sqlite: cannot be used: unable to open"):
        export(settings, tmp_path / "out")

    obstacle.rmdir()
    export(settings, tmp_path / "out")
    assert (tmp_path / "out/articles.rss").exists()


# --- Others who can write to the folder ---------------------------------------------------------------


def tree_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """All that lies below a folder, with its times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[path.relative_to(folder).as_posix()] = (status.st_ino, status.st_mtime_ns, content)
    return found


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """An export of one document."""
    out = tmp_path / "out"
    with Folder(out) as folder, contextlib.closing(FolderWriter(out, ())) as writer:
        mtime = writer.write("topics/ai.rss", {"": b"AI"}, None, None)
        folder.record([UnitRecord("/topics/ai", "", (Written("topics/ai.rss", "", mtime),))])
        folder.finish()
    return out


# A document for each depth at which a link can lie.
LINKED = ["topics", "topics/ai", "providers", "categories", "articles", "static", "feeds"]


@pytest.mark.parametrize(
    ("linked", "where"),
    [*((linked, "absolute") for linked in LINKED), ("topics/ai", "relative"), ("topics/ai", "within")],
)
def test_no_link_in_the_folder_is_followed(
    settings: Settings, articles: Path, tmp_path: Path, linked: str, where: str
) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    export(settings, out)
    for name in files(out):  # files that an export would replace or remove, were it led there
        write_file(outside, name, "of others")
    before = tree_of(outside)
    shutil.rmtree(out / linked, ignore_errors=True)
    (out / linked).parent.mkdir(exist_ok=True)
    up = "../" * linked.count("/")
    targets = {
        "absolute": str(outside / linked),
        "relative": f"{up}../outside/{linked}",
        "within": f"{up}other",
    }
    (out / "other").mkdir()
    (out / linked).symlink_to(targets[where])
    write_story(articles, "_news/one", title="Changed", topics=["AI"], body=LONG * 2)
    (articles / "_news/three.md").unlink()
    index(settings)

    with contextlib.suppress(ExportError):  # what lies in no linked folder is written
        export(settings_of(settings.state.dir, articles, site={"title": "Renamed"}), out)

    assert tree_of(outside) == before
    assert list((out / "other").iterdir()) == []
    assert (out / linked).is_symlink()
    assert b"Renamed" in (out / "index.html").read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "../victim",
        "topics/../../victim",
        "topics/ai/../../../victim",
        "{outside}/victim",
        "//{outside}/victim",
        "./../victim",
        "link/victim",
        "topics/link/victim",
        ".feedserver-export/state.sqlite",
        ".feedserver-export/../../victim",
        "",
        ".",
        "..",
        "/",
        "topics/",
        "victim\0.rss",
        "x" * 300,
        "\udcff",
    ],
)
def test_a_journal_leads_no_export_out_of_its_folder(small: Path, tmp_path: Path, name: str) -> None:
    for victim in ("victim", "outside/victim"):
        write_file(tmp_path, victim, "of others")
    for link in ("link", "topics/link"):
        (small / link).symlink_to(tmp_path / "outside")
    line = f"{name.format(outside=tmp_path / 'outside')}\ntopics/lost.rss\n"
    (small / OWN / "incoming" / "77.paths").write_bytes(line.encode("utf-8", "surrogateescape"))
    write_file(small, "topics/lost.rss", "of the killed one")

    with Folder(small) as folder:
        folder.finish()

    assert (tmp_path / "victim").exists()
    assert (tmp_path / "outside/victim").exists()
    assert {path.name for path in small.rglob("*.rss")} == {"ai.rss"}
    assert list((small / OWN / "incoming").iterdir()) == []
    with Folder(small) as folder:
        assert folder.documents() == 1


def test_what_is_noted_leads_no_export_out_of_its_folder(
    settings: Settings, articles: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(settings, out)
    write_file(tmp_path, "victim", "of others")
    with Folder(out) as folder:
        folder.record([UnitRecord("/topics/gone", "", (Written("../victim", "", 0),))])

    with pytest.raises(ExportError, match=r"out: its notes name '\.\./victim', which is no file in it"):
        export(settings, out)
    assert (tmp_path / "victim").exists()


def make_link(path: Path) -> None:
    path.symlink_to(path.parents[len(path.parts) - path.parts.index("out") - 1] / "victim")


def make_dangling_link(path: Path) -> None:
    path.symlink_to(path.parents[len(path.parts) - path.parts.index("out") - 1] / "nowhere")


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


PLANTED = pytest.mark.parametrize(
    "plant", [make_link, make_dangling_link, make_device, os.mkfifo], ids=lambda one: one.__name__
)


@PLANTED
@pytest.mark.parametrize(
    "place", ["lock", "state.sqlite", "state.sqlite-wal", "incoming/77.paths", "incoming", ""], ids=str
)
def test_what_others_put_among_the_notes_is_named_and_not_used(
    small: Path, tmp_path: Path, plant: Callable[[Path], None], place: str
) -> None:
    write_file(tmp_path, "victim", "of others")
    path = small / OWN / place
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    plant(path)

    with pytest.raises(ExportError, match=rf"{re.escape(str(path))}: is in the way|holds something else"):
        Folder(small)

    assert (tmp_path / "victim").read_text() == "of others"
    assert not (tmp_path / "nowhere").exists()


@PLANTED
@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "new"])
def test_what_lies_in_place_of_a_document_is_not_written_to(
    tmp_path: Path, plant: Callable[[Path], None], is_ours: bool
) -> None:
    out = tmp_path / "out"
    write_file(tmp_path, "victim", "of others")
    with Folder(out), contextlib.closing(FolderWriter(out, ["topics/ai.rss"] if is_ours else [])) as writer:
        (out / "topics").mkdir()
        plant(out / "topics/ai.rss")
        refused = contextlib.nullcontext() if is_ours else pytest.raises(ExportError, match="in the way")
        with refused:
            writer.write("topics/ai.rss", {"": b"AI"}, None, None)
        assert (out / "topics/ai.rss").is_file() == is_ours or plant is make_link
        if is_ours:  # replaced, as any file in that place
            assert (out / "topics/ai.rss").read_bytes() == b"AI"
            assert not (out / "topics/ai.rss").is_symlink()

    assert (tmp_path / "victim").read_text() == "of others"
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_itself_a_link_is_exported_to(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    export(settings, tmp_path / "out")
    assert (tmp_path / "disk/articles.rss").exists()


# --- A process that was killed ----------------------------------------------------------------------


def test_what_a_killed_export_wrote_is_found_again(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(settings, out)
    good = files(out)
    (out / "topics/ai.rss").write_bytes(b"of the killed one")
    write_file(out, "topics/lost/2024-01.1.rss", "of the killed one")
    write_file(out, f"{OWN}/incoming/77.paths", "topics/ai.rss\ntopics/lost/2024-01.1.rss\n")
    write_file(out, f"{OWN}/incoming/77-1", "half a f")

    export(settings, out)

    assert files(out) == good
    assert list((out / OWN / "incoming").iterdir()) == []


@pytest.mark.parametrize("count", [1, 40])
def test_an_export_that_was_killed_is_finished_by_the_next_one(
    settings: Settings, articles: Path, tmp_path: Path, count: int
) -> None:
    out = tmp_path / "out"
    command = [
        *(sys.executable, "-m", "feedserver", "export", str(out), str(articles)),
        *("--state-dir", str(settings.state.dir), "--base-url", BASE_URL),
    ]
    with subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ) as process:
        wait_for(lambda: process.poll() is not None or len(files_now(out)) >= count)
        process.send_signal(signal.SIGKILL)
    # The article that it had may be gone by the time of the next export.
    (articles / "_news/three.md").unlink()
    index(settings)

    export(settings, out)

    export(settings, tmp_path / "fresh")
    assert files(out) == files(tmp_path / "fresh")


def files_now(folder: Path) -> list[Path]:
    """The files of an export that is under way, without reading them."""
    return [path for name in ("topics", "providers", "articles") for path in (folder / name).glob("**/*")]


# --- A stop ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("documents", [1, 2, 30])
def test_a_stop_cuts_a_listing_short_and_nothing_is_lost_or_written_twice(
    settings: Settings, tmp_path: Path, documents: int
) -> None:
    out, plan = tmp_path / "out", make_export_plan(settings, Scope())

    def count() -> int:
        return sum(name.endswith((".rss", ".html")) for name in files(out))

    with contextlib.closing(ExportSite(plan)) as site, Folder(out) as target:
        stopped = run.bring_up_to_date(target, site, is_stopped=lambda: count() >= documents)
    before = stamps(out)
    assert count() == documents
    assert stopped.failures == ()
    assert stopped.documents == len({split_encoding(name)[0] for name in before})
    assert list((out / OWN / "incoming").iterdir()) == []

    export(settings, out)

    export(settings, tmp_path / "fresh")
    assert files(out) == files(tmp_path / "fresh")
    assert {name: stamps(out)[name] for name in before} == before


@pytest.mark.usefixtures("pool")
def test_a_stop_reaches_the_processes_of_the_pool(settings: Settings, tmp_path: Path) -> None:
    out, plan = tmp_path / "out", make_export_plan(settings, Scope())
    answers = iter([False])  # one piece is handed out, and not begun

    with contextlib.closing(ExportSite(plan)) as site, Folder(out) as target:
        stopped = run.bring_up_to_date(target, site, is_stopped=lambda: next(answers, True))

    assert stopped == run.ExportSummary(documents=0, written=0, removed=0)
    assert files(out) == {}
    export(settings, out)
    export(settings, tmp_path / "fresh")
    assert files(out) == files(tmp_path / "fresh")


# --- The command ----------------------------------------------------------------------------------


def test_the_command_brings_the_index_up_to_date_first(articles: Path, tmp_path: Path) -> None:
    first = feedserver(tmp_path, "export", "out", "articles", "--base-url", BASE_URL)
    write_story(articles, "_news/new", topics=["Wasps"])
    second = feedserver(tmp_path, "export", "out", "articles", "--base-url", BASE_URL)

    assert (first.returncode, first.stderr) == (0, "")
    assert re.fullmatch(r"\d+ documents in [\d.]+ s: \d+ written, 0 removed\n", first.stdout)
    assert (second.returncode, second.stderr) == (0, "")
    assert (tmp_path / "out/topics/wasps.rss").exists()


def test_the_command_works_beside_a_server(articles: Path, tmp_path: Path) -> None:
    write_file(tmp_path, "feedserver.yaml", "site: {base_url: https://feeds.example}\nserver: {workers: 1}\n")
    with serve(tmp_path, environ={"FEEDSERVER_SCAN__RESCAN_INTERVAL": "3600"}) as server:
        write_story(articles, "_news/new", topics=["Wasps"])
        done = feedserver(tmp_path, "export", "out")
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / "out/topics/wasps.rss").read_bytes() == server.ask("/topics/wasps.rss").body

        other = feedserver(tmp_path, "export", "other", environ={"FEEDSERVER_SITE__TITLE": "Other"})
        assert other.returncode == 1
        assert "is in use by the server" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["articles/public"], 1, "lies in the folder of articles"),
        (["articles"], 1, "lies in the folder of articles"),
        (["out", "--only", "rss,pdf"], 2, "'pdf' is not one of rss,atom,json,archives,pages."),
        (["out", "--kinds", "authors"], 2, "'authors' is not one of articles,topics"),
        ([], 2, "Missing argument 'DIR'"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(
    articles: Path, tmp_path: Path, arguments: list[str], status: int, message: str
) -> None:
    done = feedserver(tmp_path, "export", *arguments)

    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert not (articles / "public").exists()


def test_an_unwritable_folder_is_named(articles: Path, tmp_path: Path) -> None:
    write_file(tmp_path, "file", "")

    done = feedserver(tmp_path, "export", "file/out", "articles")

    assert done.returncode == 1
    assert re.fullmatch(r"feedserver: .*file/out.*: Not a directory\n", done.stderr)
