"""Rules of HTTP/1.1 that the engines leave to their user: one valid Host, and when a connection closes."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest
from servers import PATIENCE, REPOSITORY, Server, free_port, started, write_story

from feedserver.server.engines import WORKERS
from feedserver.server.http1 import is_one_host, says_close

CONFIG = str(REPOSITORY / "config" / "gunicorn.conf.py")


@pytest.fixture(scope="module", params=[*WORKERS.values(), "gthread"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one worker: of each engine, and gunicorn's own."""
    folder = tmp_path_factory.mktemp("http1")
    write_story(folder / "articles", "_news/one")
    port = free_port()
    options = ("--workers", "1", "--worker-class", request.param, "--bind", f"127.0.0.1:{port}")
    command = [sys.executable, "-m", "gunicorn", "-c", CONFIG, *options, "wsgi:app"]
    with started(command, port, folder, {"FEEDSERVER_ARTICLES": "[articles]"}) as server:
        server.wait_until_ready()
        yield server


@pytest.mark.parametrize(
    "hosts",
    [
        ["127.0.0.1"],
        ["feeds.example:8000"],
        ["[::1]:8000"],
        ["[2001:db8::1]"],
        ["xn--bcher-kva.example"],
        ["a:"],
    ],
)
def test_one_valid_host_is_answered(server: Server, hosts: list[str]) -> None:
    assert status_of(server, "HTTP/1.1", hosts) == 200
    assert is_one_host(hosts)


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["a", "b"],
        ["a", "a"],
        ["a b"],
        ["a/b"],
        ["user@a"],
        ["a:b"],
        ["::1"],
        ["[::1"],
        ["a,b,c:1:2"],
        ["\xe9"],
        ["a?"],
    ],
)
def test_a_request_without_one_valid_host_is_refused_and_closed(server: Server, hosts: list[str]) -> None:
    assert status_of(server, "HTTP/1.1", hosts) == 400
    assert not is_one_host(hosts)


def test_an_empty_host_is_valid_where_the_engine_can_tell_it_from_none(
    server: Server, request: pytest.FixtureRequest
) -> None:
    is_granian = WORKERS["granian"] in request.node.callspec.params.values()
    assert status_of(server, "HTTP/1.1", [""]) == (400 if is_granian else 200)
    assert is_one_host([""])


def test_older_requests_need_no_host(server: Server) -> None:
    assert status_of(server, "HTTP/1.0", []) == 200


def status_of(server: Server, version: str, hosts: list[str]) -> int:
    """The status of the answer, after which the connection closes whether it was asked to or not."""
    lines = [
        f"GET /articles.rss {version}",
        *(f"Host: {host}" for host in hosts),
        "Connection: close",
        "",
        "",
    ]
    return int(server.send("\r\n".join(lines).encode("latin-1")).split()[1])


@pytest.mark.parametrize(
    ("lines", "closes"),
    [
        ([], False),
        (["keep-alive"], False),
        (["TE"], False),
        (["closed"], False),
        (["close"], True),
        (["Close"], True),
        (["TE, close"], True),
        (["close, TE"], True),
        (["keep-alive,\tCLOSE"], True),
        (["TE", "close"], True),
        (["keep-alive", "close"], True),
    ],
)
def test_a_connection_closes_when_close_is_among_its_options(
    server: Server, lines: list[str], closes: bool
) -> None:
    assert says_close(lines) is closes
    options = "".join(f"Connection: {line}\r\n" for line in lines)
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(f"HEAD /articles.rss HTTP/1.1\r\nHost: a\r\n{options}\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received and (piece := connection.recv(65536)):
            received += piece
        assert received.startswith(b"HTTP/1.1 200")
        assert (b"connection: close" in received.lower()) is closes
        if closes:
            assert connection.recv(1) == b""
        else:
            connection.sendall(b"HEAD /articles.rss HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
