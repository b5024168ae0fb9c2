"""Real shared caches in their default configuration before a real server: Varnish, and nginx's proxy_cache.

`config/nginx.conf`, which has a cache key of its own, is tested in `test_nginx.py`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from builders import write_file
from servers import Server, free_port, serve, started, write_story

SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
NGINX = shutil.which("nginx", path=SEARCHED)
VARNISH = shutil.which("varnishd", path=SEARCHED)

# All that nginx needs to be a cache; nothing of it concerns Vary.
NGINX_CACHE = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=answers:1m use_temp_path=off;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{backend}; proxy_cache answers; }}
    }}
}}
"""

READER = {"Accept-Encoding": "gzip"}
TYPED = {**READER, "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
LINKED = {**TYPED, "Sec-Fetch-Site": "cross-site"}
OWN_LINK = {**TYPED, "Sec-Fetch-Site": "same-origin"}
SCRIPT = {**READER, "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site"}

# How each client is answered, whatever the cache was asked before.
CLIENTS = {
    "reader": (READER, 200),
    "typed": (TYPED, 303),
    "linked": (LINKED, 303),
    "own link": (OWN_LINK, 200),
    "script": (SCRIPT, 200),
}


class Cached:
    """A server, and a shared cache before it."""

    def __init__(self, server: Server, cache: Server) -> None:
        self.server = server
        self.cache = cache
        self._asked = 0

    def asked(self) -> int:
        """How many requests reached the server since this was asked last."""
        self.server.ask("/end")  # a line is written after its answer, and by one of several threads
        self.server.wait_for(lambda: "/end" in self.server.said().splitlines()[-1])
        total = self.server.said().count('" 200 ') + self.server.said().count('" 30')
        asked, self._asked = total - self._asked, total
        return asked


@contextlib.contextmanager
def varnish(folder: Path, backend: int) -> Iterator[Server]:
    """Varnish with its built-in rules and nothing else."""
    assert VARNISH is not None
    port = free_port()
    command = [
        VARNISH, "-F", "-j", "none", "-n", str(folder / "varnish"), "-s", "malloc,16m",
        "-a", f"127.0.0.1:{port}", "-b", f"127.0.0.1:{backend}",
    ]  # fmt: skip
    with started(command, port, folder) as cache:
        yield cache


@contextlib.contextmanager
def plain_nginx(folder: Path, backend: int) -> Iterator[Server]:
    """nginx with a cache and no further rule."""
    assert NGINX is not None
    port = free_port()
    user = "user root;" if os.getuid() == 0 else ""
    text = NGINX_CACHE.format(folder=folder, port=port, backend=backend, user=user)
    command = [NGINX, "-p", str(folder), "-c", str(write_file(folder, "nginx.conf", text))]
    with started(command, port, folder) as cache:
        yield cache


CACHES = [
    pytest.param(varnish, marks=pytest.mark.skipif(VARNISH is None, reason="needs varnish"), id="varnish"),
    pytest.param(plain_nginx, marks=pytest.mark.skipif(NGINX is None, reason="needs nginx"), id="nginx"),
]


@pytest.fixture(scope="module", params=CACHES)
def cached(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cached]:
    folder = tmp_path_factory.mktemp("caches")
    (folder / "cache-folder").mkdir()
    write_story(folder / "articles", "_news/one", title="First", topics=["AI"], body="A text. " * 200)
    with (
        serve(folder, "--access-log", "--workers", "1") as server,
        request.param(folder / "cache-folder", server.port) as cache,
    ):
        cache.wait_for(lambda: cache.ask("/healthz").status == 200)
        yield Cached(server, cache)


@pytest.mark.parametrize("order", list(itertools.permutations(CLIENTS, 3)), ids=" then ".join)
def test_no_client_is_sent_the_answer_for_another_one(cached: Cached, order: tuple[str, ...]) -> None:
    path = f"/topics/ai.rss?{'-'.join(order).replace(' ', '-')}"
    for name in (*order, *order):
        headers, status = CLIENTS[name]
        answer = cached.cache.ask(path, headers)
        assert answer.status == status, name
        assert urlsplit(answer["Location"]).path == ("/topics/ai" if status == 303 else "")


def test_readers_are_answered_from_the_cache_whatever_browsers_asked(cached: Cached) -> None:
    path = "/articles.atom?readers"
    for headers in (TYPED, READER, OWN_LINK, SCRIPT):
        cached.cache.ask(path, headers)
    cached.asked()
    held = cached.cache.ask(path, READER)
    assert held.status == 200
    assert cached.cache.ask(path, {**READER, "If-None-Match": held["ETag"]}).status == 304
    for headers in (OWN_LINK, SCRIPT):
        assert cached.cache.ask(path, headers).body == held.body
    assert cached.asked() == 0


def test_a_browser_that_names_the_cached_feed_is_redirected_all_the_same(cached: Cached) -> None:
    path = "/articles.rss?held"
    tag = cached.cache.ask(path, READER)["ETag"]
    for headers in (TYPED, LINKED):
        assert cached.cache.ask(path, {**headers, "If-None-Match": tag}).status == 303
    assert cached.cache.ask(path, {**READER, "If-None-Match": tag}).status == 304
