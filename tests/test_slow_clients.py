"""Clients that are slow, silent or in the way cost nobody else anything. Real sockets, without TLS."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import ENGINES, PATIENCE, Server, alive, free_port, started

from feedserver.server.engines import WORKERS

THREADS = 2
MUCH = 30_000_000  # bytes; more than the system holds for a client that does not read

APPLICATION = f"""
MUCH = b"x" * {MUCH}

def application(environ, start_response):
    path = environ["PATH_INFO"]
    body = MUCH if path == "/much" else path.encode()
    if path == "/much-anew":
        body = MUCH + b"x"
    if path == "/read":
        body = str(len(environ["wsgi.input"].read())).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    if path == "/cut":
        return cut(body)
    return [body]

def cut(body):
    yield body[:1]
    raise ValueError("in the middle of an answer")
"""

# Deadlines that a test can wait for, and bounds that it can reach. Read by gunicorn before it forks.
SHORT = """
from feedserver.server import limits
limits.HEAD_SECONDS, limits.SENDING_SECONDS, limits.CLOSING_SECONDS = 0.8, 0.8, 0.5
"""
SMALL = "from feedserver.server import worker\nworker.MOST_UNSENT = 60_100_000\n"

GET = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"
# As in the configuration of the project.
HOOK = "from feedserver.server.http1 import pre_request\n"
MUCH_GET = b"GET /much HTTP/1.1\r\nHost: example.org\r\n\r\n"


# Where the engines differ; the last tests of this module say what granian does instead.
on_gunicorn = pytest.mark.parametrize("server", ["gunicorn"], indirect=True)
on_hasty_gunicorn = pytest.mark.parametrize("hasty", ["gunicorn"], indirect=True)
on_granian = pytest.mark.parametrize("server", ["granian"], indirect=True)
on_each_engine = pytest.mark.parametrize("engine", ENGINES)


@contextlib.contextmanager
def gunicorn(folder: Path, *options: str, config: str = "", engine: str = "gunicorn") -> Iterator[Server]:
    """gunicorn with one worker of an engine, and an application that answers at once."""
    (folder / "quick.py").write_text(APPLICATION, encoding="utf-8")
    (folder / "short.py").write_text(f"{HOOK}{config}", encoding="utf-8")
    port = free_port()
    kind = (
        "--worker-class",
        WORKERS[engine],
        "--threads",
        str(THREADS),
        "--keep-alive",
        "5",
    )
    command = [sys.executable, "-m", "gunicorn", "-c", "short.py", *kind, *options, "--no-control-socket"]
    with started([*command, "--bind", f"127.0.0.1:{port}", "quick:application"], port, folder) as server:
        server.wait_for(lambda: server.ask("/").status == 200)
        yield server


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the deadlines that it has."""
    with gunicorn(tmp_path_factory.mktemp("slow"), engine=request.param) as server:
        yield server


@pytest.fixture(scope="module", params=ENGINES)
def hasty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with short deadlines."""
    with gunicorn(tmp_path_factory.mktemp("hasty"), config=SHORT, engine=request.param) as server:
        yield server


@contextlib.contextmanager
def connected(server: Server, sent: bytes = b"", count: int = 1) -> Iterator[list[socket.socket]]:
    """Clients that have sent something and stay."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
            client.sendall(sent)
            clients.append(client)
        yield clients


def read_until_end(client: socket.socket) -> bytes:
    """All that comes until the server hangs up."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(1_000_000):
            pieces.append(piece)
    return b"".join(pieces)


def seconds_of(action: Callable[[], object]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def read_answer(client: socket.socket) -> bytes:
    """One answer with its `Content-Length`, on a connection that stays."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = client.recv(1)
        assert piece
        received += piece
    head = received.decode("latin-1").lower()
    length = int(head.partition("content-length: ")[2].split("\r\n")[0])
    pieces = [received]
    while length:
        piece = client.recv(min(length, 1_000_000))
        assert piece
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


# --- Nobody else waits

POST = b"POST / HTTP/1.1\r\nHost: example.org\r\n"
SLOW = {
    "nothing": b"",
    "a method": b"GET / ",
    "half a head": GET[:-2],
    "a head without an end": b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 3000,
    "half a body": POST + b"Content-Length: 1000\r\n\r\nhalf",
    "half a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n400\r\nhalf",
    "no body, after Expect": POST + b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
    "a request, and keeps the connection": GET,
    "a request, and does not hang up": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "a request, and reads nothing": MUCH_GET,
    "many requests, and reads nothing": MUCH_GET * 200,
    "what is no request": b"\r\n\r\n\r\n" * 100,
    "bytes of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_a_client_that_keeps_the_server_waiting_costs_others_nothing(server: Server, sent: bytes) -> None:
    with connected(server, sent, 10 * THREADS):
        # In a worker that waits for one of them each of these would take seconds.
        assert seconds_of(lambda: [server.ask("/") for _ in range(10)]) < 5


def test_a_head_may_come_byte_by_byte(server: Server) -> None:
    with connected(server, count=THREADS + 1) as clients:
        for byte in b"GET /slowly HTTP/1.1\r\nHost: example.org\r\n\r\n":
            for client in clients:
                client.sendall(bytes([byte]))
            time.sleep(0.002)
        for client in clients:
            assert read_answer(client).endswith(b"\r\n\r\n/slowly")


def test_requests_that_come_together_are_answered_in_their_order(server: Server) -> None:
    paths = [f"/{number}" for number in range(500)]
    with connected(server) as (client,):
        client.sendall("".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n" for path in paths).encode())
        for path in paths:
            assert read_answer(client).endswith(f"\r\n\r\n{path}".encode())


def test_an_answer_is_whole_however_slowly_it_is_read(server: Server) -> None:
    with connected(server, MUCH_GET) as (client,):
        time.sleep(0.2)
        assert len(read_answer(client)) > MUCH
        client.sendall(GET)  # and the connection stays
        assert read_answer(client).endswith(b"\r\n\r\n/")


@on_gunicorn
def test_a_client_that_ends_its_side_is_answered(server: Server) -> None:
    with connected(server, GET) as (client,):
        client.shutdown(socket.SHUT_WR)
        assert read_until_end(client).endswith(b"\r\n\r\n/")


@on_gunicorn
def test_a_thousand_clients_may_wait(server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip("this process may not open so many connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        with connected(server, GET, 500), connected(server, GET[:-2], 600):
            assert seconds_of(lambda: [server.ask("/") for _ in range(10)]) < 5
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- Bodies


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 4\r\n\r\nbody",
        b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ],
)
def test_a_request_with_a_body_is_answered_unread_and_its_connection_closed(
    server: Server, rest: bytes
) -> None:
    with connected(server, POST + rest + GET) as (client,):
        received = read_until_end(client)

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.count(b"HTTP/1.1") == 1  # a body is never taken for a request
    assert b"connection: close\r\n" in received.lower()


def test_a_body_of_no_bytes_is_none(server: Server) -> None:
    with connected(server, POST + b"Content-Length: 0\r\n\r\n" + GET) as (client,):
        assert b"connection: close" not in read_answer(client).lower()
        assert read_answer(client).endswith(b"\r\n\r\n/")


def test_an_application_that_reads_a_body_waits_for_nothing(server: Server) -> None:
    with connected(server, b"GET /read HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n") as (client,):
        assert read_until_end(client).endswith(b"\r\n\r\n0")


# --- What is refused


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # without Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 101 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 10_000, 431),
    ],
)
def test_what_cannot_be_a_request_is_refused_at_once(server: Server, sent: bytes, status: int) -> None:
    with connected(server, sent) as (client,):
        assert read_until_end(client).startswith(f"HTTP/1.1 {status} ".encode())


@on_gunicorn
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"a" * 40_000, 414),
    ],
)
def test_gunicorn_refuses_more_than_it_must(server: Server, sent: bytes, status: int) -> None:
    with connected(server, sent) as (client,):
        assert read_until_end(client).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("value", ["close", "TE, close", "close,TE", "Keep-Alive , Close"])
def test_close_is_one_of_the_options_of_a_connection(server: Server, version: str, value: str) -> None:
    request = f"GET / HTTP/{version}\r\nHost: example.org\r\nTE: trailers\r\nConnection: {value}\r\n\r\n"
    with connected(server, request.encode()) as (client,):
        received = read_until_end(client)
    assert received.startswith(f"HTTP/{version} 200 ".encode())
    # HTTP/1.0 closes without saying so.
    assert version == "1.0" or b"connection: close\r\n" in received.lower()


def test_a_request_of_http_1_0_needs_no_host(server: Server) -> None:
    with connected(server, b"GET / HTTP/1.0\r\n\r\n") as (client,):
        assert read_until_end(client).startswith(b"HTTP/1.0 200 OK\r\n")


@on_gunicorn
def test_an_application_that_fails_in_the_middle_holds_up_no_thread(server: Server) -> None:
    with connected(server, b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n", 4 * THREADS) as clients:
        assert seconds_of(lambda: server.ask("/")) < 5
        for client in clients:
            assert read_until_end(client).endswith(b"\r\n\r\n/")  # less than was announced


# --- Deadlines


@pytest.mark.parametrize("sent", ["nothing", "a request, and keeps the connection"])
def test_a_client_that_says_nothing_is_hung_up_on(hasty: Server, sent: str) -> None:
    with connected(hasty, SLOW[sent]) as (client,):
        assert b" 408 " not in read_until_end(client)


@on_hasty_gunicorn
def test_a_head_that_does_not_end_is_refused(hasty: Server) -> None:
    with connected(hasty, GET[:-2], 2 * THREADS) as clients:
        for client in clients:
            assert read_until_end(client).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_head_that_comes_too_slowly_is_refused_as_well(hasty: Server) -> None:
    with connected(hasty) as (client,):
        begun = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - begun < PATIENCE:  # each byte in time, and the whole not
                client.sendall(b"G")
                time.sleep(0.1)
        assert time.monotonic() - begun < PATIENCE


def test_an_answer_that_nobody_reads_is_given_up(hasty: Server) -> None:
    with connected(hasty, MUCH_GET, 2 * THREADS) as clients:
        time.sleep(4)
        for client in clients:
            assert len(read_until_end(client)) < MUCH


def test_an_answer_that_is_read_slowly_is_not_given_up(hasty: Server) -> None:
    with connected(hasty, MUCH_GET) as (client,):
        received, end = 0, time.monotonic() + 4
        while time.monotonic() < end:
            received += len(client.recv(100_000))
            time.sleep(0.1)
        while received < MUCH:
            piece = client.recv(1_000_000)
            assert piece
            received += len(piece)


# --- Bounds


@pytest.mark.parametrize("sent", ["nothing", "half a head", "a request, and keeps the connection"])
def test_at_the_limit_of_connections_the_oldest_makes_room(tmp_path: Path, sent: str) -> None:
    with (
        gunicorn(tmp_path, "--worker-connections", "20") as server,
        connected(server, SLOW[sent], 60) as clients,
    ):
        for _ in range(10):
            assert server.ask("/").status == 200
        first, last = clients[0], clients[-1]
        read_until_end(first)
        last.settimeout(0.2)
        with pytest.raises(TimeoutError):
            read_until_end(last)


def test_answers_that_wait_are_bounded_in_bytes(tmp_path: Path) -> None:
    anew = MUCH_GET.replace(b"/much", b"/much-anew")
    with gunicorn(tmp_path, config=SMALL) as server, connected(server, anew, 6) as clients:
        assert server.ask("/").status == 200
        time.sleep(0.5)
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        sizes = sorted(len(read_until_end(client)) for client in clients)

    assert sizes[-3] < MUCH  # two of them are held
    assert sizes[-1] > MUCH


def test_an_answer_that_many_clients_are_sent_counts_once(tmp_path: Path) -> None:
    with gunicorn(tmp_path, config=SMALL) as server, connected(server, MUCH_GET, 6) as clients:
        assert server.ask("/").status == 200
        assert all(len(read_answer(client)) > MUCH for client in clients)


def test_a_worker_without_descriptors_goes_on_with_those_it_has(tmp_path: Path) -> None:
    limited = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))\n"
    with gunicorn(tmp_path, config=limited) as server, connected(server, GET[:-2], 400):
        for _ in range(10):
            assert server.ask("/").status == 200


# --- Beginning and end


@on_each_engine
@pytest.mark.parametrize("option", [("--keyfile", "a", "--certfile", "b"), ("--proxy-protocol", "v2")])
def test_what_only_a_proxy_can_do_is_refused_at_the_start(
    tmp_path: Path, option: tuple[str, ...], engine: str
) -> None:
    (tmp_path / "quick.py").write_text(APPLICATION, encoding="utf-8")
    for name in "ab":
        (tmp_path / name).touch()
    kind = ("--worker-class", WORKERS[engine], "--bind", f"127.0.0.1:{free_port()}")
    ended = subprocess.run(
        [sys.executable, "-m", "gunicorn", *kind, *option, "--no-control-socket", "quick:application"],
        cwd=tmp_path, env={**os.environ}, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip

    assert ended.returncode != 0
    assert "let a proxy before it speak TLS" in ended.stderr + ended.stdout


@on_each_engine
def test_the_port_is_free_soon_after_the_master_was_killed(tmp_path: Path, engine: str) -> None:
    with gunicorn(tmp_path, "--workers", "3", engine=engine) as server, connected(server, GET, 20) as clients:
        workers = server.family()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        begun = time.monotonic()
        while True:  # with clients that go on asking
            for client in clients:
                with contextlib.suppress(OSError):
                    client.sendall(GET)
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", server.port)):
                break
            assert time.monotonic() - begun < PATIENCE
            time.sleep(0.02)
        assert time.monotonic() - begun < 5  # a second and a bit, on a machine that has time
        end = time.monotonic() + PATIENCE
        while alive(workers):
            assert time.monotonic() < end
            time.sleep(0.05)


@on_each_engine
def test_silent_clients_do_not_hold_up_a_stop(tmp_path: Path, engine: str) -> None:
    grace = ("--graceful-timeout", "10")  # as in the configuration of the project
    with (
        gunicorn(tmp_path, *grace, engine=engine) as server,
        connected(server, GET[:-2], 5),
        connected(server, GET, 5),
    ):
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 9  # before the grace that clients with an answer under way have


# --- Where granian differs


def test_granian_closes_a_late_head_without_an_answer(tmp_path: Path) -> None:
    with gunicorn(tmp_path, config=SHORT, engine="granian") as hasty, connected(hasty, GET[:-2]) as (client,):
        assert read_until_end(client) == b""


@on_granian
@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b""),
        (b"a" * 100_000, b"HTTP/1.1 4"),
        (b"GET / HTTP/1.1\nHost: a\nConnection: close\n\n", b"HTTP/1.1 200 "),
        (b"GET http://a/ HTTP/1.1\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200 "),
        (b"GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", b"HTTP/1.1 400 "),
    ],
)
def test_granian_is_stricter_and_laxer_than_gunicorn(server: Server, sent: bytes, answer: bytes) -> None:
    with connected(server, sent) as (client,):
        received = read_until_end(client)
    assert received.startswith(answer)
    assert bool(received) is bool(answer)


@on_granian
def test_granian_answers_a_failure_in_the_middle_with_500(server: Server) -> None:
    with connected(server, b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n") as (client,):
        assert read_answer(client).startswith(b"HTTP/1.1 500 ")
    assert "Error handling request GET /cut" in server.said()
    assert "ValueError: in the middle of an answer" in server.said()


def test_at_the_limit_of_connections_granian_lets_the_next_wait_for_a_deadline(tmp_path: Path) -> None:
    with (
        gunicorn(tmp_path, "--worker-connections", "20", config=SHORT, engine="granian") as server,
        connected(server, GET[:-2], 60),
    ):
        for _ in range(3):
            assert server.ask("/").status == 200
