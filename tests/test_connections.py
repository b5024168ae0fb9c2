"""Connections that make no thread wait: where a head ends, what is kept to be sent, whose time is up."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.server.connections import PIECE, SEND_AT, Connection, Outbox, Waiting
from feedserver.server.limits import MOST_HEAD

HEAD = b"GET /articles.rss HTTP/1.1\r\nHost: feeds.example\r\n\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield ours, theirs


def connection_of(ends: tuple[socket.socket, socket.socket]) -> Connection:
    return Connection(ends[0], ("192.0.2.1", 1234), ("192.0.2.2", 80), None)


# --- Heads


@given(heads=st.lists(st.sampled_from([HEAD, b"HEAD / HTTP/1.0\r\n\r\n", b"\r\n" + HEAD])), cuts=st.data())
def test_heads_are_taken_one_by_one_however_they_arrive(heads: list[bytes], cuts: st.DataObject) -> None:
    sent = b"".join(heads)
    places = cuts.draw(st.lists(st.integers(0, len(sent)), max_size=8))
    bounds = sorted({0, len(sent), *places})
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(one) for one in socket.socketpair())
        connection, taken = connection_of((ours, theirs)), []
        for begin, end in pairwise(bounds):
            theirs.sendall(sent[begin:end])
            assert connection.receive()
            while head := connection.take_head():
                taken.append(head)

    assert b"".join(taken) == sent
    assert len(taken) == len(heads)
    assert connection.received == b""


def test_nothing_is_taken_of_a_head_without_an_end(ends: tuple[socket.socket, socket.socket]) -> None:
    connection = connection_of(ends)
    for piece in (HEAD[i : i + 1] for i in range(len(HEAD) - 1)):
        ends[1].sendall(piece)
        assert connection.receive()
        assert connection.take_head() == b""


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\r\nHost: a\n\n", b"\n"])
def test_a_line_that_ends_in_lf_alone_is_for_the_parser_to_refuse(
    ends: tuple[socket.socket, socket.socket], sent: bytes
) -> None:
    connection = connection_of(ends)
    ends[1].sendall(sent)
    assert connection.receive()
    assert connection.take_head() == sent


def test_a_head_without_an_end_is_kept_up_to_its_limit(ends: tuple[socket.socket, socket.socket]) -> None:
    connection = connection_of(ends)
    for _ in range(MOST_HEAD // 1024):
        ends[1].sendall(b"a" * 1024)
        assert connection.receive()
        assert connection.take_head() == b""
    ends[1].sendall(b"a")
    assert connection.receive()
    assert len(connection.take_head()) == MOST_HEAD + 1


def test_a_read_takes_no_more_than_a_piece_and_never_waits(ends: tuple[socket.socket, socket.socket]) -> None:
    connection = connection_of(ends)
    assert connection.receive()  # nothing is there
    ends[1].sendall(b"a" * 3 * PIECE)
    assert connection.receive()
    assert len(connection.received) == PIECE


def test_the_end_of_what_a_client_sends_is_told(ends: tuple[socket.socket, socket.socket]) -> None:
    connection = connection_of(ends)
    ends[1].shutdown(socket.SHUT_WR)
    assert not connection.receive()


# --- Answers


def test_head_and_body_are_sent_together(ends: tuple[socket.socket, socket.socket]) -> None:
    outbox = connection_of(ends).sock
    outbox.sendall(b"head")
    outbox.sendall(b"")
    outbox.sendall(b"body")
    ends[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        ends[1].recv(100)
    assert outbox.flush()
    assert ends[1].recv(100) == b"headbody"


@given(sizes=st.lists(st.integers(0, 3 * SEND_AT), max_size=80))
def test_what_the_system_does_not_take_is_sent_later_and_in_order(sizes: list[int]) -> None:
    pieces = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(one) for one in socket.socketpair())
        theirs.setblocking(False)
        outbox, received = connection_of((ours, theirs)).sock, b""
        for piece in pieces:
            outbox.sendall(piece)  # which waits for nobody
        while not outbox.flush():
            assert set(outbox.held()) <= set(pieces)
            assert any(outbox.held())
            with contextlib.suppress(BlockingIOError):
                while piece := theirs.recv(1_000_000):
                    received += piece
        assert not any(outbox.held())
        with contextlib.suppress(BlockingIOError):
            while piece := theirs.recv(1_000_000):
                received += piece

    assert received == b"".join(pieces)


def test_a_client_that_takes_nothing_is_told_from_one_that_takes_little() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        theirs = stack.enter_context(socket.create_connection(listener.getsockname(), 10))
        ours = stack.enter_context(listener.accept()[0])
        connection = connection_of((ours, theirs))
        connection.sock.sendall(b"a" * 30_000_000)
        assert not connection.sock.flush()
        before = -1
        while connection.unacknowledged() != before:  # the systems of both ends take what they can
            before = connection.unacknowledged()
            time.sleep(0.2)
        assert before > 0
        taken = 0
        while connection.unacknowledged() == before and taken < 20_000_000:
            taken += len(theirs.recv(100_000))
        assert connection.unacknowledged() < before


def test_gunicorn_neither_waits_for_a_client_nor_closes_its_descriptor(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    outbox = Outbox(ends[0])
    assert outbox.gettimeout() == 0.0  # so that it is not made to block
    with pytest.raises(OSError, match="closes connections"):
        outbox.shutdown(socket.SHUT_WR)
    outbox.close()
    assert ends[0].fileno() >= 0


# --- Deadlines


def connections(count: int) -> list[Connection]:
    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(count)]
        for pair in pairs:
            stack.enter_context(pair[0])
            stack.enter_context(pair[1])
        return [connection_of(pair) for pair in pairs]


def test_the_time_of_who_came_first_is_up_first() -> None:
    waiting, (one, other, third) = Waiting(0.05), connections(3)
    for connection in (one, other, third):
        waiting.enter(connection)
    waiting.enter(one)  # which begins anew
    waiting.leave(third)
    assert waiting.first() is other
    assert waiting.overdue() == []
    assert (one.waits, third.waits, len(waiting)) == (waiting, None, 2)

    time.sleep(0.06)
    assert waiting.overdue() == [other, one]


def test_waiting_can_be_made_shorter_and_not_longer() -> None:
    waiting, (one, other) = Waiting(100.0), connections(2)
    waiting.enter(one)
    waiting.hurry(0.0)
    waiting.enter(other)
    waiting.hurry(50.0)
    time.sleep(0.01)
    assert waiting.overdue() == [one, other]
