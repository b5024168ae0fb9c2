"""The worker that gunicorn runs: one thread answers while it keeps up, and nobody waits for who does not."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from servers import PATIENCE, Server, at_once, free_port, started

from feedserver.server.relay import LATE, Relay

THREADS = 3
WORKER = "feedserver.server.worker.Worker"

APPLICATION = """
import sys, threading, time

MUCH = b"x" * 30_000_000  # more than the system holds for a client that does not read
asked, go_on, enough = threading.Semaphore(0), threading.Event(), threading.Event()

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/held":
        asked.release()
        go_on.wait(60)
    if path == "/release":
        go_on.set()
    if path == "/wait-until-held":
        asked.acquire(timeout=60)
    if path == "/fails":
        raise ValueError("as it happens")
    if path == "/computes":
        end = time.monotonic() + 60
        while not enough.is_set() and time.monotonic() < end:
            sum(range(1000))
    if path == "/enough":
        enough.set()
    body = MUCH if path == "/much" else str(threading.get_ident()).encode()
    if path == "/thread":
        body = threading.current_thread().name.encode()
    if path == "/switch-interval":
        body = str(sys.getswitchinterval()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


# --- The pool


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A pool whose threads have ended afterwards."""
    relay = Relay(THREADS)
    yield relay
    relay.shutdown()


def attend(relay: Relay, condition: Callable[[], bool]) -> None:
    """Do what the worker does, until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        relay.attend()
        time.sleep(0.0005)


def hold(relay: Relay, until: threading.Event) -> Future[int]:
    """Have the runner held up, and wait until it is."""
    has_begun = threading.Event()

    def wait() -> int:
        has_begun.set()
        assert until.wait(PATIENCE)
        return threading.get_ident()

    future = relay.submit(wait)
    attend(relay, has_begun.is_set)
    return future


def test_the_tasks_of_one_moment_are_done_in_their_order_by_one_thread(relay: Relay) -> None:
    order: list[int] = []
    futures = [relay.submit(order.append, number) for number in range(100)]
    for future in futures:
        future.result(PATIENCE)  # without anybody who attends

    assert order == list(range(100))


def test_another_thread_takes_over_from_one_that_is_held_up(relay: Relay) -> None:
    until = threading.Event()
    held = hold(relay, until)
    other = relay.submit(threading.get_ident)
    attend(relay, other.done)
    assert not held.done()

    until.set()
    assert held.result(PATIENCE) != other.result()


def test_where_all_are_held_up_tasks_wait_for_the_first_who_is_not(relay: Relay) -> None:
    moments = [threading.Event() for _ in range(THREADS)]
    held = [hold(relay, until) for until in moments]
    waiting = relay.submit(threading.get_ident)
    for _ in range(20):
        relay.attend()
    assert not waiting.done()
    assert not relay.is_behind()  # so that nobody looks again and again

    moments[0].set()
    attend(relay, waiting.done)
    assert waiting.result() == held[0].result(PATIENCE)
    for until in moments[1:]:
        until.set()


def test_threads_that_were_held_up_serve_again(relay: Relay) -> None:
    threads = set()
    for _ in range(4 * THREADS):
        until = threading.Event()
        held = hold(relay, until)
        other = relay.submit(threading.get_ident)
        attend(relay, other.done)
        until.set()
        threads |= {held.result(PATIENCE), other.result()}

    assert len(threads) <= THREADS


def test_what_a_task_raises_is_for_who_asks_for_its_result(relay: Relay) -> None:
    def fail() -> None:
        raise SystemExit(3)

    future = relay.submit(fail)
    with pytest.raises(SystemExit):
        future.result(PATIENCE)
    assert relay.submit(lambda **given: given, one=1).result(PATIENCE) == {"one": 1}


def test_a_pool_that_is_shut_does_what_waits_and_its_threads_end() -> None:
    before = threading.active_count()
    relay, until = Relay(THREADS), threading.Event()
    held = [hold(relay, until) for _ in range(THREADS - 1)]
    waiting = [relay.submit(threading.get_ident) for _ in range(5)]
    threading.Timer(0.05, until.set).start()
    relay.shutdown()

    assert all(future.done() for future in (*held, *waiting))
    assert threading.active_count() - before <= 1  # the timer


def test_a_pool_that_is_joined_waits_for_its_threads_but_only_so_long_for_a_busy_one() -> None:
    relay, until = Relay(THREADS), threading.Event()
    hold(relay, until)
    attend(relay, relay.submit(threading.get_ident).done)
    relay.shutdown(wait=False)
    relay.join(0.01)
    assert "relay" in [thread.name for thread in threading.enumerate()]
    until.set()
    relay.join(PATIENCE)
    assert "relay" not in [thread.name for thread in threading.enumerate()]


def test_a_pool_that_gets_no_other_thread_goes_on_with_those_it_has(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first: list[threading.Thread] = []
    start = threading.Thread.start

    def start_one(thread: threading.Thread) -> None:
        if first:
            raise RuntimeError("can't start new thread")
        first.append(thread)
        start(thread)

    # From the first task on: on a busy machine the pool wants its second thread while that task begins.
    monkeypatch.setattr(threading.Thread, "start", start_one)
    monkeypatch.setattr("feedserver.server.relay.PAUSE", PATIENCE)
    until = threading.Event()
    held = hold(relay, until)
    waiting = relay.submit(threading.get_ident)
    for _ in range(20):
        relay.attend()
        time.sleep(LATE)
    until.set()
    attend(relay, waiting.done)
    assert waiting.result() == held.result()
    assert caplog.text.count("cannot start another thread") == 1


def test_a_pool_that_is_shut_takes_no_more() -> None:
    relay = Relay(THREADS)
    relay.shutdown()
    with pytest.raises(RuntimeError):
        relay.submit(threading.get_ident)


# --- The worker


@contextlib.contextmanager
def gunicorn(folder: Path) -> Iterator[Server]:
    """gunicorn with one worker, and an application that can be held up."""
    (folder / "held_up.py").write_text(APPLICATION, encoding="utf-8")
    port = free_port()
    options = (
        "--worker-class",
        WORKER,
        "--threads",
        str(THREADS),
        "--keep-alive",
        "5",
    )
    command = [sys.executable, "-m", "gunicorn", *options, "--no-control-socket"]
    with started([*command, "--bind", f"127.0.0.1:{port}", "held_up:application"], port, folder) as server:
        server.wait_for(lambda: server.ask("/").status == 200)
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gunicorn(tmp_path_factory.mktemp("worker")) as server:
        yield server


@contextlib.contextmanager
def kept_open(server: Server) -> Iterator[http.client.HTTPConnection]:
    """A connection that was used and stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        assert status_and_connection(connection, "/") == (200, "keep-alive")
        yield connection


def status_and_connection(connection: http.client.HTTPConnection, path: str) -> tuple[int, str | None]:
    """The answer, and whether the connection stays open."""
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("Connection")


@contextlib.contextmanager
def who_do_not_read(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """Clients that ask for much and take nothing of it."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
            client.sendall(b"GET /much HTTP/1.1\r\nHost: example.org\r\n\r\n")
            assert client.recv(1) == b"H"  # it is being answered
            clients.append(client)
        yield clients


def test_clients_that_do_not_read_hold_up_nobody_else(server: Server) -> None:
    with who_do_not_read(server, THREADS - 1):
        at_once(*(lambda: server.ask("/") for _ in range(20)))


def test_while_an_answer_is_computed_others_are_sent(server: Server) -> None:
    assert float(server.ask("/switch-interval").body) < 0.005  # Python's, for each call of the system
    with kept_open(server) as one, kept_open(server) as other:
        one.request("GET", "/computes")
        for path in ("/", "/", "/", "/enough"):
            assert status_and_connection(other, path) == (200, "keep-alive")
        assert one.getresponse().read() != b""


def test_when_all_threads_are_held_up_others_are_answered_as_soon_as_one_client_reads(server: Server) -> None:
    with who_do_not_read(server, THREADS) as clients, contextlib.ExitStack() as stack:
        waiting = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
        taken = 0
        while taken < 30_000_000:
            piece = clients[0].recv(1_000_000)
            assert piece
            taken += len(piece)
        assert waiting.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_requests_are_answered_by_the_threads_of_the_pool(server: Server) -> None:
    assert server.ask("/thread").body == b"relay"


def test_an_application_that_fails_costs_one_answer(server: Server) -> None:
    assert server.ask("/fails").status == 500
    assert server.ask("/").status == 200


def test_who_is_being_answered_is_answered_before_the_worker_stops(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as server, contextlib.ExitStack() as stack:
        statuses = []
        client = threading.Thread(target=lambda: statuses.append(server.ask("/held").status))
        client.start()
        assert server.ask("/wait-until-held").status == 200
        one, other = (stack.enter_context(kept_open(server)) for _ in range(2))
        server.process.send_signal(signal.SIGTERM)
        # A connection that was open may ask once more, and so tells when the worker knows.
        server.wait_for(lambda: status_and_connection(one, "/") == (200, "close"))
        assert status_and_connection(other, "/release") == (200, "close")
        client.join()
        assert statuses == [200]
        assert server.process.wait(PATIENCE) == 0


def test_a_stop_at_once_waits_for_no_client(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as server, who_do_not_read(server, THREADS):
        assert server.stop(signal.SIGQUIT) == 0
