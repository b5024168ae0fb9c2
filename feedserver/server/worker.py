"""gunicorn's worker with threads, whose connections need no thread until a whole request head has arrived.

gunicorn's own worker (`gthread`) waits in threads of its pool for the head, for the body and for clients to
read the response, and in its loop for clients to hang up, so a few silent clients stop it. Here the loop does
all reading and writing that could wait. A thread of the pool gets a connection with a whole head, answers and
is free; the loop sends the bytes that the client does not take at once. Bodies are not read, because no
address takes one: a request with a body is answered, and its connection is closed. Each state of a connection
has a deadline. At the limit of connections, the one that has waited longest is closed for the next.

Parsing, responses, reload and stop stay gunicorn's; the hook in `http1` refuses requests that its parser
should refuse. This is the only module that knows the internals of gunicorn's `gthread` 27;
`tests/test_gunicorn_internals.py` fails when a method that it builds on has changed. It does not know the
application. TLS, HTTP/2 and the PROXY protocol are left to a proxy, or to `-k gthread`.
"""

from __future__ import annotations

import errno
import selectors
import sys
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

from gunicorn import http, util
from gunicorn.http.body import LengthReader
from gunicorn.http.errors import LimitRequestHeaders, NoMoreData
from gunicorn.workers.gthread import ThreadWorker

from feedserver.server.connections import Connection, Waiting
from feedserver.server.limits import (
    CLOSING_SECONDS,
    HEAD_SECONDS,
    MOST_HEAD,
    SENDING_SECONDS,
    SWITCH,
    most_connections,
)
from feedserver.server.relay import LATE, Relay

# Bytes of responses that wait for their clients.
MOST_UNSENT = 64_000_000

# Seconds that an ending worker waits for its threads. Idle ones end at once.
END_SECONDS = 1.0

# Seconds to wait if the system has no descriptor left.
PAUSE = 0.01

_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Worker(ThreadWorker):
    """gunicorn's worker with threads, with a `Relay` for its pool and with `Connection`s."""

    tpool: Relay  # type: ignore[assignment]  # gunicorn uses no method that only its own pool has

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cfg.set("sendfile", False)  # it would wait for the client
        self._idle = Waiting(float(self.cfg.keepalive))
        self._heads = Waiting(HEAD_SECONDS)
        self._sending = Waiting(SENDING_SECONDS)
        self._closing = Waiting(CLOSING_SECONDS)
        self._has_left_port = False

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Called by gunicorn at the start.

        Raises:
            RuntimeError: for options of gunicorn's own worker only. gunicorn prints it and ends.
        """
        super().check_config(cfg, log)
        if cfg.is_ssl or "h2" in cfg.http_protocols or cfg.proxy_protocol != "off" or cfg.protocol != "http":
            raise RuntimeError(
                "feedserver.server.worker.Worker speaks plain HTTP/1.1 only: let a proxy before it speak TLS "
                "or HTTP/2, or run gunicorn with --worker-class gthread"
            )

    def init_process(self) -> None:
        """Called by gunicorn after the fork; returns when the worker ends."""
        sys.setswitchinterval(SWITCH)
        self._most_connections = most_connections(self.cfg.worker_connections)
        # gunicorn's loop stops accepting at this number. It is one above our limit, at which one is dropped.
        self.worker_connections = self._most_connections + 1
        super().init_process()

    def get_thread_pool(self) -> Relay:  # type: ignore[override]  # likewise
        """Called by gunicorn, once."""
        return Relay(self.cfg.threads)

    # --- The loop

    def run(self) -> None:
        """Called by gunicorn, once; returns when the worker ends, and its idle threads with it.

        A thread that ends frees its connections, which SQLAlchemy 2.1 has registered with `weakref.finalize`.
        At the same moment the interpreter, which ends too, walks through that registry, and prints a
        traceback if it changes.
        """
        super().run()
        self.tpool.join(END_SECONDS)

    def wait_for_and_dispatch_events(self, timeout: float | None) -> None:
        """Called by gunicorn over and over: attend to new connections, requests and answers."""
        connections = self.nr_conns
        super().wait_for_and_dispatch_events(LATE if self.tpool.is_behind() else timeout)
        # One connection is accepted at a time. The next of many must not wait for the first response.
        if self.nr_conns <= connections:
            self.tpool.wait()
        self.tpool.attend()

    def is_parent_alive(self) -> bool:
        """Called by gunicorn in each round. If the master died, leave the port to the next one at once."""
        is_alive = super().is_parent_alive()
        if not is_alive:
            self.alive = False  # so that open connections are closed with their next response
            self._has_left_port = True
            self.set_accept_enabled(False)
            for listener in self.sockets:
                listener.close()
        return is_alive

    def murder_keepalived(self, force: bool = False) -> None:
        """Called by gunicorn in each round, also while it stops: close connections whose deadline has passed.

        Args:
            force: close all that wait, because the worker ends.
        """
        if not self.alive and not self._has_left_port:
            self.is_parent_alive()
        for waiting, give_up in (
            (self._idle, self._close),
            (self._heads, self._refuse_late_head),
            (self._sending, self._give_up_sending),
            (self._closing, self._close),
        ):
            for connection in list(waiting) if force else waiting.overdue():
                (self._close if force else give_up)(connection)

    def _cap_keepalive(self, _deadline: float) -> None:
        """Called by gunicorn when it begins to stop: wait only briefly for requests that are not complete."""
        self._idle.hurry(CLOSING_SECONDS)
        self._heads.hurry(CLOSING_SECONDS)

    # --- A connection, from the first byte to the last

    def accept(self, listener: Any) -> None:
        """Called by gunicorn when a client connects."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in _NO_DESCRIPTOR:
                if not self._make_room():
                    time.sleep(PAUSE)
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):  # gone, or accepted by another worker
                raise
            return
        self.nr_conns += 1
        if self.nr_conns > self._most_connections:
            self._make_room()
        # An iterable instead of the socket, so that the parser cannot wait for the client.
        parser = http.get_parser(self.cfg, (), address)
        connection = Connection(client, address, listener.getsockname(), parser)
        self._heads.enter(connection)
        self._receive(connection)

    def _look(self, connection: Connection, _socket: object) -> None:
        """Go on with a connection that can be read from or written to."""
        if connection.waits is None:
            self._watch(connection, 0)  # it is being answered; further bytes can wait
        elif connection.waits is self._sending:
            self._send(connection)
        elif connection.waits is self._closing:
            self._discard(connection)
        else:
            self._receive(connection)

    def _receive(self, connection: Connection) -> None:
        if connection.receive():
            self._go_on(connection)
        else:
            self._close(connection)

    def _go_on(self, connection: Connection) -> None:
        """Have the next request answered if its head is there, or wait for it."""
        head = connection.take_head()
        if head:
            if connection.waits is not None:
                connection.waits.leave(connection)
            connection.parser.unreader.unread(head)
            self.enqueue_req(connection)  # type: ignore[arg-type]  # which looks for nothing in it
            return
        if connection.waits is None:
            self._idle.enter(connection)
        if connection.received and connection.waits is self._idle:
            self._idle.leave(connection)
            self._heads.enter(connection)
        self._watch(connection, selectors.EVENT_READ)

    def handle(self, conn: Any) -> bool:
        """Called by a thread of the pool: answer the request whose head the parser has.

        Returns:
            Whether another request may follow on this connection.
        """
        stays = False
        request = None
        try:
            request = next(conn.parser)
            _leave_body(request)
            stays = self.handle_request(request, conn)
            conn.sock.flush()
        except StopIteration:
            pass  # the application failed in the middle of its response
        except NoMoreData:
            if request is None:  # the head has no end, because it was too large
                too_large = LimitRequestHeaders(f"request head of more than {MOST_HEAD} bytes")
                self.handle_error(request, conn.sock, conn.client, too_large)
        except OSError as error:
            self.log.debug("a client is gone: %s", error)
            conn.sock.drop()
        except Exception as error:
            self.handle_error(request, conn.sock, conn.client, error)
        return stays

    def finish_request(self, conn: Any, fs: Future[bool]) -> None:
        """Called by gunicorn, in the loop, when a thread of the pool is done with a connection."""
        conn.stays = fs.exception() is None and fs.result()
        self._send(conn)

    def _send(self, connection: Connection) -> None:
        """Send the rest of an answer, then go on with the connection or close it."""
        try:
            is_sent = connection.sock.flush()
        except OSError:
            self._close(connection)
            return
        if not is_sent:
            is_new = connection.waits is None
            self._sending.enter(connection)
            connection.left = connection.unacknowledged()
            self._watch(connection, selectors.EVENT_WRITE)
            if is_new:
                self._bound_unsent()
            return
        if connection.waits is not None:
            connection.waits.leave(connection)
        if connection.stays:
            self._go_on(connection)
        else:
            connection.end_sending()
            self._closing.enter(connection)
            self._discard(connection)

    def _discard(self, connection: Connection) -> None:
        """Read and drop what a client still sends to a connection that is being closed, until it hangs up."""
        connection.received = b""
        if connection.receive():
            self._watch(connection, selectors.EVENT_READ)
        else:
            self._close(connection)

    # --- Ends

    def _close(self, connection: Connection) -> None:
        if connection.waits is not None:
            connection.waits.leave(connection)
        self._watch(connection, 0)
        util.close(connection.socket)
        self.nr_conns -= 1

    def _refuse_late_head(self, connection: Connection) -> None:
        """Answer 408 to an incomplete request head; close a connection without a request."""
        if not connection.received:
            self._close(connection)
            return
        self._heads.leave(connection)
        connection.stays = False
        reason = "The request head was not complete in time."
        util.write_error(connection.sock, 408, "Request Timeout", reason)  # type: ignore[arg-type]  # it writes
        self._send(connection)

    def _give_up_sending(self, connection: Connection) -> None:
        """Reset a connection whose client takes nothing; start the time again for one that takes little."""
        left = connection.unacknowledged()
        if left == connection.left:
            self._drop(connection)
        else:
            connection.left = left
            self._sending.enter(connection)

    def _bound_unsent(self) -> None:
        """Give up the responses that have waited longest, if too many bytes wait."""
        while len(self._sending) > 1 and self._unsent() > MOST_UNSENT:
            self._drop(self._sending.first())

    def _unsent(self) -> int:
        """Bytes of memory of unsent responses. A cached document that many clients get counts once."""
        kept = {id(data): len(data) for one in self._sending for data in one.sock.held()}
        return sum(kept.values())

    def _make_room(self) -> bool:
        """Close the connection that has waited longest in the least important state."""
        for waiting in (self._closing, self._idle, self._heads, self._sending):
            if len(waiting):
                self._drop(waiting.first())
                return True
        return False

    def _drop(self, connection: Connection) -> None:
        """Close a connection, and have the system drop the unsent bytes."""
        if connection.waits is self._sending:
            connection.reset()
        self._close(connection)

    def _watch(self, connection: Connection, events: int) -> None:
        """Register a connection for these events only."""
        if events == connection.watched:
            return
        if not events:
            self.poller.unregister(connection.socket)
        elif connection.watched:
            self.poller.modify(connection.socket, events, partial(self._look, connection))
        else:
            self.poller.register(connection.socket, events, partial(self._look, connection))
        connection.watched = events


def _leave_body(request: Any) -> None:
    """Have the connection closed after a request with a body, because nothing reads the body.

    A client that waits for `100 Continue` before it sends its body gets the response instead.
    """
    reader = request.body.reader
    if not isinstance(reader, LengthReader) or reader.length:
        request.force_close()
        request._expected_100_continue = False  # noqa: SLF001  there is no other way
