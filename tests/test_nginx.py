"""config/nginx.conf with a real nginx: before a real server, and alone before an exported folder."""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from email.message import Message
from email.utils import formatdate
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
from builders import write_file
from nginx_config import BROTLI, MAIN, NGINX, configured
from servers import REPOSITORY, Answer, Server, feedserver, free_port, serve, started, write_story

pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt-get install nginx")

LONG = "A text that is long enough to be worth an encoding. " * 60


@contextlib.contextmanager
def nginx(folder: Path, backend: int, exported: Path, below: str = "") -> Iterator[tuple[Server, Server]]:
    """nginx with the shipped configuration: before a server, and before an exported folder."""
    ports = free_port(), free_port()
    configuration = configured(folder, ports=ports, backend=backend, exported=exported, below=below)
    assert NGINX is not None
    with started([NGINX, "-p", str(folder), "-c", str(configuration)], ports[0], folder) as proxy:
        files = Server(proxy.process, ports[1], folder)
        files.wait_for(lambda: files.ask("/healthz").status == 404)
        yield proxy, files


class Pair:
    """nginx before a server, and before the folder `out` beside it."""

    def __init__(self, server: Server, proxy: Server, files: Server) -> None:
        self.server = server
        self.proxy = proxy
        self.files = files

    def asked(self, path: str) -> list[str]:
        """The status of each answer that the server gave for a path."""
        self.server.ask("/end")  # a line is written after its answer, and by one of several threads
        self.server.wait_for(lambda: "/end" in self.server.said().splitlines()[-1])
        line = rf'"(?:GET|HEAD) {re.escape(path)} HTTP/1\.1" (\d+)'
        return re.findall(line, self.server.said())


# Redirected and retired addresses of the exported sites; one has characters that are special in nginx.
MOVED = """
redirects:
  /old: /topics/ai
  /slashed/: /topics/ai
  /blog.xml: /articles.rss
  /topics/tides: /topics/bees
  /topics/tides.atom: /articles.atom
  /topics/ai: /nowhere
  '/a"$uri;{2}.\\+': '/topics/$uri"ai'
  /providers/a-name-that-is-far-longer-than-what-nginx-takes-for-a-plain-key-of-a-map: /articles
retired: [/topics/ended, /categories/news.json, /feeds, /gone]
"""


@contextlib.contextmanager
def pair(folder: Path, below: str | None = None, **http: object) -> Iterator[Pair]:
    """A server over a few articles, and nginx before it; `http` is that section of the settings.

    With `below`, the path of the site or nothing, it is exported before nginx reads its configuration.
    """
    write_story(folder / "articles", "_news/one", title="First", topics=["AI", "Bees"], body=LONG)
    write_story(folder / "articles", "_news/two", title="Second", date="2024-03-02T10:00:00Z", body=LONG)
    write_story(folder / "articles", "_news/broken", title="Broken", date="not a date")
    write_story(folder / "articles", "_guides/three", title="Ended", topics=["Ended"], body=LONG)
    section = ", ".join(f"{name}: {value}" for name, value in http.items())
    write_file(
        folder,
        "feedserver.yaml",
        f"site: {{base_url: https://feeds.example{below or ''}}}\n"
        f"server: {{workers: 1}}\nhttp: {{{section}}}\n{MOVED}",
    )
    (folder / "nginx").mkdir()
    with serve(folder, "--access-log") as server:
        if below is not None:
            done = feedserver(folder, "export", "out")
            assert (done.returncode, done.stderr) == (0, "")
        with nginx(folder / "nginx", server.port, folder / "out", below or "") as (proxy, files):
            yield Pair(server, proxy, files)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A site with the default settings, and its export."""
    folder = tmp_path_factory.mktemp("nginx")
    with pair(folder, below="", deltas="true") as both:
        time.sleep(1)  # a Last-Modified is rounded up, and sent from then on
        yield both


def test_nginx_takes_the_shipped_file(tmp_path: Path) -> None:
    configuration = configured(
        tmp_path, ports=(free_port(), free_port()), backend=free_port(), exported=tmp_path
    )
    assert NGINX is not None

    done = subprocess.run(
        [NGINX, "-t", "-p", str(tmp_path), "-c", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "test is successful" in done.stderr
    assert "[warn]" not in done.stderr.replace('the "user" directive', "")


# --- Before a server ----------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
def test_the_proxy_sends_what_the_server_sends_in_every_encoding(site: Pair, encoding: str) -> None:
    asking = {"Accept-Encoding": encoding}
    for path in ("/topics/ai.rss", "/articles.json", "/topics/ai", "/all.opml", "/static/style.css", "/none"):
        direct, kept = site.server.ask(path, asking), site.proxy.ask(path, asking)
        for answer in (kept, site.proxy.ask(path, asking)):
            assert (answer.status, answer.body) == (direct.status, direct.body)
            for name in set(direct.headers) - {"Server", "Date", "Connection", "Transfer-Encoding"}:
                assert answer[name] == direct[name], (path, name)


@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
@pytest.mark.parametrize("weak", ["", "W/"])
def test_who_holds_the_current_feed_gets_304_from_the_cache(site: Pair, encoding: str, weak: str) -> None:
    asking = {"Accept-Encoding": encoding}
    held = site.proxy.ask("/topics/bees.atom", asking)
    before = len(site.asked("/topics/bees.atom"))

    by_tag = {"If-None-Match": f'"other", {weak}{held["ETag"]}'}
    by_date = {"If-Modified-Since": held["Last-Modified"]}
    by_both = {**by_tag, "If-Modified-Since": formatdate(usegmt=True)}
    for condition in (by_tag, by_date, by_both):
        answer = site.proxy.ask("/topics/bees.atom", {**asking, **condition})
        assert (answer.status, answer.body, answer["ETag"]) == (304, b"", held["ETag"])
    other = site.proxy.ask("/topics/bees.atom", {**asking, "If-None-Match": f'{weak}"other"'})
    assert (other.status, other.body) == (200, held.body)
    assert len(site.asked("/topics/bees.atom")) == before


def test_one_answer_is_kept_for_all_ways_to_accept_an_encoding(site: Pair) -> None:
    path = "/articles/2024-03.1.rss?asked=here-alone"
    for accept in ("gzip", "gzip, deflate", "deflate,GZIP;q=0.8", "x-gzip", "br;q=0, gzip;q=1.0"):
        assert site.proxy.ask(path, {"Accept-Encoding": accept})["Content-Encoding"] == "gzip", accept
    assert len(site.asked(path)) == 1
    for accept in ("", "identity", "gzip;q=0", "deflate", "gzipped, nobr"):
        assert site.proxy.ask(path, {"Accept-Encoding": accept})["Content-Encoding"] == "", accept
    assert len(site.asked(path)) == 2


def test_a_person_is_sent_to_the_page_and_a_reader_is_not(site: Pair) -> None:
    navigation = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
    within = {**navigation, "Sec-Fetch-Site": "same-origin"}
    for _ in range(2):
        sent = site.proxy.ask("/categories/news.rss", navigation)
        assert (sent.status, sent["Location"]) == (303, "https://feeds.example/categories/news")
        assert sent["Cache-Control"] == "no-store"
        assert sent["Vary"] == site.server.ask("/categories/news.rss")["Vary"]
        assert site.proxy.ask("/categories/news.rss").status == 200
        assert site.proxy.ask("/categories/news.rss", within).status == 200
        assert site.proxy.ask("/categories/news", navigation).status == 200


def test_deltas_pass_the_cache(site: Pair) -> None:
    articles = site.server.folder / "articles"
    held = site.proxy.ask("/providers/gazette.atom")
    write_story(articles, "_news/third", title="Third", date="2024-05-03T10:00:00Z", body=LONG)
    site.server.wait_for(lambda: b"Third" in site.server.ask("/providers/gazette.atom").body)

    merging = {"A-IM": "feed", "If-None-Match": held["ETag"]}
    delta = site.proxy.ask("/providers/gazette.atom", merging)

    assert (delta.status, delta["IM"]) == (226, "feed")
    assert b"Third" in delta.body
    assert b"First" not in delta.body
    assert site.proxy.ask("/providers/gazette.atom").body == held.body  # fresh for five minutes


def test_health_and_status_are_not_kept_and_tell_no_paths(site: Pair) -> None:
    for path in ("/status", "/status.json", "/healthz", "/readyz"):
        before = len(site.asked(path))
        for _ in range(2):
            answer = site.proxy.ask(path)
            assert (answer.status, answer["Cache-Control"]) == (200, "no-store")
            assert b"broken.md" not in answer.body
        assert len(site.asked(path)) == before + 2


@pytest.mark.parametrize(
    "path",
    [
        "//topics/ai.rss",
        "/topics/ai%2Frss",
        "/topics%2fai.rss",
        "/topics/AI",
        "/topics/ai/",
        "/a/../articles.rss",
        "/%00",
    ],
)
def test_odd_addresses_reach_the_server_as_they_are(site: Pair, path: str) -> None:
    direct, passed = site.server.ask(path), site.proxy.ask(path)

    if path == "/%00":  # which nginx itself refuses
        assert passed.status == 400
    else:
        assert (passed.status, passed["Location"], passed.body) == (
            direct.status,
            direct["Location"],
            direct.body,
        )


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "DELETE"])
def test_methods_are_answered_as_by_the_server(site: Pair, method: str) -> None:
    direct, passed = (one.ask("/articles.atom", method=method) for one in (site.server, site.proxy))

    assert (passed.status, passed.body) == (direct.status, direct.body)
    for name in ("Allow", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "ETag"):
        assert passed[name] == direct[name]


def test_an_expired_answer_is_renewed_by_its_validators(tmp_path: Path) -> None:
    with pair(tmp_path, max_age=1, stale_while_revalidate=0) as both:
        held = both.proxy.ask("/topics/ai.rss")
        time.sleep(2.1)  # nginx counts in whole seconds
        assert both.proxy.ask("/topics/ai.rss").body == held.body
        assert both.asked("/topics/ai.rss") == ["200", "304"]

        write_story(tmp_path / "articles", "_news/three", title="Third", body=LONG)
        both.proxy.wait_for(lambda: b"Third" in both.proxy.ask("/topics/ai.rss").body)


def test_an_expired_answer_is_sent_while_it_is_renewed(tmp_path: Path) -> None:
    with pair(tmp_path, max_age=1, stale_while_revalidate=3600) as both:
        held = both.proxy.ask("/topics/ai.rss")
        write_story(tmp_path / "articles", "_news/three", title="Third", body=LONG)
        both.server.wait_for(lambda: b"Third" in both.server.ask("/topics/ai.rss").body)
        time.sleep(2.1)

        assert both.proxy.ask("/topics/ai.rss").body == held.body
        both.proxy.wait_for(lambda: b"Third" in both.proxy.ask("/topics/ai.rss").body)


def test_what_is_kept_is_sent_when_the_server_is_gone(tmp_path: Path) -> None:
    with pair(tmp_path, max_age=1, page_max_age=1, stale_while_revalidate=0) as both:
        held = both.proxy.ask("/topics/ai.rss", {"Accept-Encoding": "gzip"})
        pages = {path: both.proxy.ask(path) for path in ("/", "/topics/ai", "/topics.json", "/all.opml")}
        both.server.stop()
        time.sleep(2.1)

        kept = both.proxy.ask("/topics/ai.rss", {"Accept-Encoding": "gzip"})
        assert (kept.status, kept.body, kept["ETag"]) == (200, held.body, held["ETag"])
        asking = {"Accept-Encoding": "gzip", "If-None-Match": held["ETag"]}
        assert both.proxy.ask("/topics/ai.rss", asking).status == 304
        for path, page in pages.items():
            answer = both.proxy.ask(path)
            assert (answer.status, answer.body) == (page.status, page.body) == (200, page.body), path
        assert both.proxy.ask("/topics/bees.rss").status == 502


class Recorder(http.server.BaseHTTPRequestHandler):
    """A server that notes what it is asked with, and from which port; its answers are never kept."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, str, int, Message]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.request_version, self.client_address[1], self.headers))
        self.send_response(200)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


def test_the_server_is_told_of_the_proxy_and_asked_on_a_connection_that_stays(tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as backend:
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        with nginx(tmp_path, backend.server_port, tmp_path / "out") as (proxy, _):
            proxy.ask("/articles.rss")
            proxy.ask("/status")
            proxy.ask("/articles.atom", {"A-IM": "feed"})
            proxy.ask("/articles.rss", {"X-Forwarded-For": "127.0.0.1, ::1", "Accept-Encoding": "gzip, x"})
        backend.shutdown()

    asked = Recorder.asked
    assert [path for path, *_ in asked] == ["/articles.rss", "/status", "/articles.atom", "/articles.rss"]
    for path, version, _, headers in asked:
        assert version == "HTTP/1.1", path
        assert headers.get_all("Connection") is None, path
        assert headers.get_all("X-Forwarded-For") == ["127.0.0.1"], path
    assert [asked[number][3]["Accept-Encoding"] for number in (0, 3)] == [",", ",gzip"]
    assert len({port for _, _, port, _ in asked}) == 1


# --- Before an exported folder ------------------------------------------------------------------


def exported(site: Pair) -> list[str]:
    """The addresses of all files of the export, those of encodings apart."""
    out = site.server.folder / "out"
    names = (path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    ours = [name for name in names if not name.startswith(".") and not name.endswith((".gz", ".br"))]
    return ["/" + re.sub(r"/?index\.html$", "", name) for name in ours]


def ask_files(site: Pair, path: str, **headers: str) -> Answer:
    """An answer of nginx alone."""
    return site.files.ask(path, {name.replace("_", "-"): value for name, value in headers.items()})


# Bytes and validators may differ: a test of deltas publishes another article after the export.
LIKE_THE_SERVER = (
    "Content-Type",
    "Content-Encoding",
    "Cache-Control",
    "Vary",
    "X-Content-Type-Options",
    "Content-Security-Policy",
    "Referrer-Policy",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
)


@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
def test_every_file_has_the_headers_that_the_server_sends(site: Pair, encoding: str) -> None:
    if encoding == "br" and not BROTLI.exists():
        pytest.skip("needs nginx with Brotli: apt-get install libnginx-mod-http-brotli-static")
    out = site.server.folder / "out"
    addresses = [path for path in exported(site) if path not in ("/404.html", "/status", "/status.json")]
    assert len(addresses) > 50
    for path in addresses:
        direct = site.server.ask(path, {"Accept-Encoding": encoding})
        answer = ask_files(site, path, Accept_Encoding=encoding)
        file = out / path[1:] / "index.html" if (out / path[1:]).is_dir() else out / path[1:]
        suffix = {"gzip": ".gz", "br": ".br"}.get(answer["Content-Encoding"], "")
        assert (answer.status, answer.body) == (200, file.with_name(file.name + suffix).read_bytes()), path
        for name in LIKE_THE_SERVER:
            assert answer[name] == direct[name], (path, name)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_file_is_revalidated_in_the_encoding_that_it_was_sent_in(site: Pair, encoding: str) -> None:
    held = ask_files(site, "/topics/bees.json", Accept_Encoding=encoding)
    direct = site.server.ask("/topics/bees.json", {"Accept-Encoding": encoding})
    other = ask_files(site, "/topics/bees.json", Accept_Encoding="gzip" if encoding == "identity" else "")

    assert held["ETag"] != other["ETag"]
    assert not held["ETag"].startswith("W/")
    assert held["Last-Modified"] == direct["Last-Modified"] != ""
    for condition in ({"If_None_Match": held["ETag"]}, {"If_Modified_Since": held["Last-Modified"]}):
        answer = ask_files(site, "/topics/bees.json", Accept_Encoding=encoding, **condition)
        assert answer.status == 304
        for name in ("Cache-Control", "Vary", "Access-Control-Allow-Origin"):
            assert answer[name] == held[name]
    changed = ask_files(site, "/topics/bees.json", Accept_Encoding=encoding, If_None_Match=direct["ETag"])
    assert changed.status == 200


def test_what_is_missing_in_an_export_is_told_or_redirected(site: Pair) -> None:
    expected = {
        "/topics/ai/": "/topics/ai",
        "/feed": "/articles.rss",
        "/atom.xml": "/articles.atom",
        "/feed.json": "/articles.json",
        "/topics/ai/feed": "/topics/ai.rss",
    }
    for path, target in expected.items():
        answer = ask_files(site, path)
        assert (answer.status, answer["Location"]) == (301, target), path
        assert answer["Cache-Control"] == site.server.ask(path)["Cache-Control"]
    for path in ("/none", "/topics/none.rss", "/.feedserver-export/state.sqlite", "/.feedserver-export/lock"):
        answer = ask_files(site, path)
        assert answer.status == 404, path
        assert b"There is nothing at this address" in answer.body
        for name in (
            "Cache-Control",
            "Content-Type",
            "Content-Security-Policy",
            "Access-Control-Allow-Origin",
        ):
            assert answer[name] == site.server.ask("/none")[name]


@pytest.mark.parametrize("listing", ["", "/topics/ai", "/providers/gazette.example", "/providers/gazette"])
@pytest.mark.parametrize(
    "end",
    [
        "/feed", "/rss", "/rss2", "/rdf", "/feed/rss", "/feed/rss2", "/feed/rdf", "/feed.xml", "/rss.xml",
        "/rss2.xml", "/index.xml", "/feed.rss", "/index.rss", "/feed.rdf", "/index.rdf", "/atom",
        "/feed/atom", "/atom.xml", "/feed.atom", "/index.atom", "/feed/json", "/feed.json", "/index.json",
        ".xml", ".rss.xml", ".atom.xml", ".", ")", ".rss)", ".json.", "/",
    ],
)  # fmt: skip
def test_an_exported_folder_redirects_guesses_as_the_server_does(site: Pair, listing: str, end: str) -> None:
    if not listing and not end.startswith("/"):
        return
    direct, answer = site.server.ask(listing + end), ask_files(site, listing + end)
    assert answer.status == direct.status
    assert answer["Location"] == direct["Location"].removeprefix("https://feeds.example")


@pytest.mark.parametrize("path", ["/none.xml", "/topics/none/feed", "/topics/feed.xml", "/topics/none."])
def test_an_exported_folder_redirects_to_nothing_that_is_missing(site: Pair, path: str) -> None:
    assert ask_files(site, path).status == site.server.ask(path).status == 404


ICONS = ["/favicon.ico", "/apple-touch-icon.png", "/apple-touch-icon-precomposed.png"]


@pytest.mark.parametrize("path", [*ICONS, "/apple-touch-icon-120x120.png"])
def test_an_exported_folder_has_an_icon_where_browsers_look_for_one(site: Pair, path: str) -> None:
    direct, answer = site.server.ask(path), ask_files(site, path)
    assert (answer.status, answer["Content-Type"]) == (
        direct.status,
        direct["Content-Type"],
    ) or path not in ICONS
    assert answer["Location"] == direct["Location"].removeprefix("https://feeds.example")
    assert answer["Cache-Control"] == direct["Cache-Control"] == "max-age=86400"
    if path in ICONS:
        assert (answer["Content-Type"], answer.body) == (direct["Content-Type"], direct.body)


def test_an_exported_folder_redirects_to_the_icon_of_the_site(tmp_path: Path) -> None:
    icon = "https://cdn.example/logo.png?v=1&w=$2"
    write_story(tmp_path / "articles", "_news/one")
    write_file(tmp_path, "feedserver.yaml", f"site: {{base_url: https://feeds.example, icon: '{icon}'}}\n")
    assert feedserver(tmp_path, "export", "out").stderr == ""
    (tmp_path / "nginx").mkdir()
    with nginx(tmp_path / "nginx", free_port(), tmp_path / "out") as (_, files):
        for path in ICONS:
            answer = files.ask(path)
            assert (answer.status, answer["Location"]) == (302, icon.replace("$", "%24"))
            assert answer["Cache-Control"] == "max-age=86400"
        assert b"cdn.example" in files.ask("/articles").body


@pytest.mark.parametrize(
    "path",
    [
        "/%5Cevil.example/",  # browsers take a backslash for a slash
        "/%5Cevil.example/feed",
        "/%5Cevil.example/a.rss",
        "/%5Cevil.example%0A/",
        "/topics/ai%0D%0ASet-Cookie:x/",
        "/topics/ai%0A/rss",
        "/topics/ai/%0A",
        "/topics/ai/atom%0A",
        "/topics/Power%20Apps/",
        "/%2F%5Cevil.example/2024-03.1.atom",
        "/topics/%C3%A9/atom",
    ],
)
def test_an_exported_folder_redirects_to_no_text_of_others(site: Pair, path: str) -> None:
    navigation = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document", "Sec_Fetch_Site": "cross-site"}
    for headers in ({}, navigation):
        answer = ask_files(site, path, **headers)
        assert (answer.status, answer["Location"], answer["Set-Cookie"]) == (404, "", "")


@pytest.mark.parametrize("path", ["//evil.example/", "/%2F/evil.example/feed", "/.//%2fevil.example/a.rss"])
def test_an_exported_folder_redirects_to_no_other_host(site: Pair, path: str) -> None:
    navigation = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document", "Sec_Fetch_Site": "cross-site"}
    assert re.match(r"/evil\.example|$", ask_files(site, path)["Location"])
    assert re.match(r"/evil\.example|$", ask_files(site, path, **navigation)["Location"])


def test_a_person_is_sent_from_an_exported_feed_to_its_page(site: Pair) -> None:
    navigation = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document", "Sec_Fetch_Site": "cross-site"}
    for path in ("/topics/ai.atom", "/topics/ai/2024-03.1.rss"):
        sent = ask_files(site, path, **navigation)
        assert (sent.status, sent["Location"], sent["Cache-Control"]) == (303, "/topics/ai", "no-store")
        assert sent["Vary"] == site.server.ask("/topics/ai.atom", navigation)["Vary"] != ""
    assert ask_files(site, "/topics/ai", **navigation).status == 200


def test_scripts_of_other_sites_may_ask_an_exported_feed(site: Pair) -> None:
    direct = site.server.ask("/topics/ai.rss", method="OPTIONS")
    answer = site.files.ask("/topics/ai.rss", method="OPTIONS")

    assert answer.status == direct.status == 204
    for name in ("Origin", "Methods", "Headers"):
        assert answer[f"Access-Control-Allow-{name}"] == direct[f"Access-Control-Allow-{name}"] != ""
    for name in ("Allow", "Access-Control-Max-Age", "Access-Control-Expose-Headers"):
        assert answer[name] == direct[name] != ""


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/topics/ai", "GET"),
        ("/", "GET"),
        ("/status.json", "GET"),
        ("/static/style.css", "GET"),
        ("/none", "GET"),
        ("/topics/ended", "GET"),
        ("/topics/ai/", "GET"),
        ("/topics/ai.rss", "DELETE"),
    ],
)
def test_scripts_of_other_sites_may_read_every_answer_of_an_export(
    site: Pair, path: str, method: str
) -> None:
    direct, answer = site.server.ask(path, method=method), site.files.ask(path, method=method)
    assert answer.status == direct.status
    for name in ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Allow"):
        assert answer[name] == direct[name], name
    assert answer["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "conditions",
    [{"If-Match": '"other"'}, {"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, {"If-Match": "*"}],
)
def test_an_export_answers_a_failed_precondition_as_the_server_does(
    site: Pair, conditions: dict[str, str]
) -> None:
    direct, answer = (one.ask("/topics/ai.rss", conditions) for one in (site.server, site.files))
    assert answer.status == direct.status == (200 if "*" in conditions.values() else 412)
    for name in ("Cache-Control", "Access-Control-Allow-Origin"):
        assert answer[name] == direct[name]
    assert (b"<rss" in answer.body) == (answer.status == 200)


# Addresses that the settings of `MOVED` name, and some beside them.
MOVED_PATHS = [
    "/old", "/old.rss", "/old.json", "/old/", "/older", "/slashed", "/slashed/",
    "/slashed.atom", "/old/2024-05.1.rss", "/slashed/2024-05.1.json", "/topics/tides/2024-05.1.rss",
    "/topics/tides/", "/topics/ai/",
    "/blog.xml", "/topics/tides", "/topics/tides.rss",
    "/topics/tides.atom", "/topics/ai", "/topics/ai.rss", "/gone", "/gone.rss", "/feeds", "/feeds.opml",
    "/topics/ended", "/topics/ended.json", "/topics/ended/2024-05.1.atom", "/topics/endedly",
    "/categories/news.json", "/categories/news.rss", "/categories/news",
    "/providers/a-name-that-is-far-longer-than-what-nginx-takes-for-a-plain-key-of-a-map.rss",
]  # fmt: skip


@pytest.mark.parametrize("path", MOVED_PATHS)
def test_an_exported_folder_tells_what_moved_or_ended_as_the_server_does(site: Pair, path: str) -> None:
    direct, answer = site.server.ask(path), ask_files(site, path)

    assert answer.status == direct.status
    assert answer["Location"] == direct["Location"].removeprefix("https://feeds.example")
    for name in ("Cache-Control", "Access-Control-Allow-Origin"):
        assert answer[name] == direct[name], name


def test_a_redirect_of_odd_characters_is_text_to_nginx(site: Pair) -> None:
    answer = ask_files(site, "/a%22%24uri%3B%7B2%7D.%5C%2B")
    assert (answer.status, answer["Location"]) == (301, "/topics/%24uri%22ai")
    for path in ("/a%22/x%3B%7B2%7D.%5C%2B", "/a%22%24uri%3B%7B2%7Dx%5C%2B", "/a%22%24uri%3B%7B2%7D.+"):
        assert ask_files(site, path).status == 404


# --- Below a path


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A site at https://feeds.example/news, and its export."""
    folder = tmp_path_factory.mktemp("below")
    with pair(folder, below="/news") as both:
        yield both


def test_an_export_below_a_path_has_every_document_where_its_address_says(below: Pair) -> None:
    for path in exported(below):
        direct, answer = below.server.ask(path or "/"), ask_files(below, f"/news{path}")
        if path not in ("/404.html", "/status", "/status.json"):
            assert (answer.status, answer.body) == (200, direct.body), path
            for name in LIKE_THE_SERVER:
                assert answer[name] == direct[name], (path, name)


def test_whatever_is_linked_from_an_export_below_a_path_is_there(below: Pair) -> None:
    waiting, seen = ["/news/"], {"/news/"}
    while waiting:
        path = waiting.pop()
        answer = ask_files(below, path)
        # The settings retired these, and pages link to them nevertheless.
        is_retired = path in ("/news/feeds", "/news/categories/news.json", "/news/topics/ended")
        assert answer.status == (410 if is_retired else 200), path
        text = answer.body.decode() if "/static/" not in path else ""
        for link in re.findall(r"""(?:href|src|xmlUrl|htmlUrl)=["']([^"']*)""", text):
            url = urlsplit(link)
            if url.netloc in ("", "feeds.example") and url.path not in seen:
                assert url.path.startswith("/news/") or url.path == "", (path, link)
                seen.add(url.path)
                waiting.append(url.path or path)
    assert {"/news/topics/bees", "/news/topics/bees.atom", "/news/all.opml", "/news/static/style.css"} <= seen


def test_redirects_of_an_export_below_a_path_stay_below_it(below: Pair) -> None:
    expected = {
        "/topics/ai/": "/topics/ai",
        "/feed": "/articles.rss",
        "/topics/ai/atom": "/topics/ai.atom",
        "/old.json": "/topics/ai.json",
        "/topics/tides": "/topics/bees",
    }
    for path, target in expected.items():
        direct, answer = below.server.ask(path), ask_files(below, f"/news{path}")
        assert (answer.status, answer["Location"]) == (301, f"/news{target}"), path
        assert direct["Location"] == f"https://feeds.example/news{target}"
    navigation = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document", "Sec_Fetch_Site": "none"}
    sent = ask_files(below, "/news/topics/ai/2024-03.1.rss", **navigation)
    assert (sent.status, sent["Location"]) == (303, "/news/topics/ai")


def test_what_is_missing_below_a_path_is_told_as_elsewhere(below: Pair) -> None:
    assert ask_files(below, "/news").body == ask_files(below, "/news/").body
    assert ask_files(below, "/news/topics/ended").status == 410
    for path in ("/news/none", "/news/.feedserver-export/state.sqlite", "/newspaper", "/news/news/topics/ai"):
        answer = ask_files(below, path)
        assert answer.status == 404, path
        assert b'href="/news/"' in answer.body


def test_another_server_can_pass_a_path_on_to_that_of_the_exported_folder(
    below: Pair, tmp_path: Path
) -> None:
    """As docs/guides/export.md shows it."""
    manual = (REPOSITORY / "docs" / "guides" / "export.md").read_text(encoding="utf-8")
    (location,) = re.findall(r"```nginx\n(location /news/.*?)```", manual, re.DOTALL)
    for name in ("files", "host"):
        (tmp_path / name).mkdir()
    port = free_port()
    with nginx(tmp_path / "files", below.server.port, below.server.folder / "out") as (_, files):
        location = location.replace("127.0.0.1:8081", f"127.0.0.1:{files.port}")
        write_file(tmp_path, "host/feedserver.conf", f"server {{ listen 127.0.0.1:{port}; {location} }}")
        write_file(tmp_path, "host/mime.types", "types { text/html html; }")
        user = "user root;" if os.getuid() == 0 else ""
        main = write_file(
            tmp_path, "host/nginx.conf", MAIN.format(folder=tmp_path / "host", modules="", user=user)
        )
        assert NGINX is not None
        command = [NGINX, "-p", str(tmp_path / "host"), "-c", str(main)]
        with started(command, port, tmp_path / "host") as host:
            host.wait_for(lambda: host.ask("/none").status == 404)
            asking = {"Accept-Encoding": "gzip"}
            for path in ("/news/", "/news/topics/ai", "/news/topics.json", "/news/articles.atom"):
                direct, passed = below.files.ask(path, asking), host.ask(path, asking)
                assert (passed.status, passed.body) == (200, direct.body), path
                for name in (*LIKE_THE_SERVER, "ETag", "Last-Modified"):
                    assert passed[name] == direct[name], (path, name)
            for path in ("/news/old.rss", "/news/feed", "/news/topics/ai/"):
                assert urlsplit(host.ask(path)["Location"]).path == below.files.ask(path)["Location"] != ""
