"""Client connections that make no thread wait: receive and send buffers, and deadlines.

Until its whole request head has arrived, a connection costs a descriptor, an object and at most 48 kB.
Nothing here blocks: a read takes the bytes that have arrived, a write sends the bytes that the system takes
and keeps the rest. The worker decides when to read and write. This module knows nothing of gunicorn and
parses nothing: it only finds the end of a head.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import socket
import struct
import termios
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from feedserver.server.limits import MOST_HEAD

# Bytes of one read. A head has some 500.
PIECE = 16_384

# Bytes of a response that are collected before they are sent. gunicorn writes head and body separately. Sent
# together, they take one system call and mostly one segment.
SEND_AT = 65_536

# Buffers that one system call sends at most; Linux takes 1,024.
_BUFFERS = 64

_HEAD_END = b"\r\n\r\n"


class Outbox:
    """A client's socket as gunicorn sees it in a thread of the pool: writing never waits.

    It has the methods of a socket that gunicorn calls. Only the thread that owns the connection closes it,
    because another connection could have the same descriptor by then.
    """

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._pieces: deque[memoryview] = deque()

    def sendall(self, data: bytes) -> None:
        """Send bytes, and keep those that the system does not take now."""
        if data:
            self._pieces.append(memoryview(data))
            if len(data) >= SEND_AT or len(self._pieces) >= _BUFFERS:
                self.flush()

    def flush(self) -> bool:
        """Send as much as the system takes now.

        Returns:
            Whether everything is sent.
        """
        while self._pieces:
            pieces = list(islice(self._pieces, _BUFFERS))
            try:
                sent = self._client.sendmsg(pieces)
            except BlockingIOError:
                return False
            self._forget(sent)
            if sent < sum(map(len, pieces)):
                return False
        return True

    def held(self) -> Iterator[bytes]:
        """The objects with the unsent bytes. Other outboxes may keep the same objects."""
        for piece in self._pieces:
            yield piece.obj  # type: ignore[misc]  # a piece is one of bytes

    def drop(self) -> None:
        """Drop the unsent bytes, because the client is gone."""
        self._pieces.clear()

    def gettimeout(self) -> float:
        """As for a socket that does not block."""
        return 0.0

    def shutdown(self, _how: int) -> None:
        """Raise as a socket that is not connected, so that gunicorn does not wait for the client."""
        raise OSError(errno.ENOTCONN, "the worker closes connections")

    def close(self) -> None:
        """Do nothing: the worker closes the connection when this response is sent."""

    def _forget(self, sent: int) -> None:
        while sent:
            piece = self._pieces.popleft()
            if sent < len(piece):
                self._pieces.appendleft(piece[sent:])
                return
            sent -= len(piece)


class Connection:
    """A client's connection. gunicorn reads its attributes `sock`, `client` and `server`.

    Attributes:
        parser: gunicorn's parser for the requests of this connection. It gets whole heads only.
        waits: the list in which the connection waits, None while a request is being answered.
        watched: the events that the loop is registered for.
        left: bytes that the client had not acknowledged at the last check.
        stays: whether another request may follow the one that is being answered.
    """

    __slots__ = (
        "client", "left", "parser", "received", "server", "sock", "socket", "stays", "waits", "watched",
    )  # fmt: skip

    def __init__(self, accepted: socket.socket, client: Any, server: Any, parser: Any) -> None:
        accepted.setblocking(False)
        self.socket = accepted
        self.sock = Outbox(accepted)
        self.client = client
        self.server = server
        self.parser = parser
        self.received = b""
        self.waits: Waiting | None = None
        self.watched = 0
        self.left = 0
        self.stays = False

    def receive(self) -> bool:
        """Take the bytes that have arrived.

        Returns:
            False if the client will send nothing more.
        """
        try:
            piece = self.socket.recv(PIECE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.received = self.received + piece if self.received else piece
        return bool(piece)

    def take_head(self) -> bytes:
        """Take the next request head out of the received bytes; empty while it is not complete.

        Bytes that exceed the limit without an end are taken as well, and so is a line that ends in LF alone.
        No further bytes can make a head of them, and the parser reports the error.
        """
        received = self.received
        end = received.find(_HEAD_END) + len(_HEAD_END)
        if end < len(_HEAD_END):
            if len(received) <= MOST_HEAD and not _has_bare_newline(received):
                return b""
            end = len(received)
        self.received = received[end:]
        return received[:end]

    def unacknowledged(self) -> int:
        """Bytes in the system's buffer that the client has not acknowledged."""
        count = array.array("i", [0])
        fcntl.ioctl(self.socket, termios.TIOCOUTQ, count)
        return count[0]

    def end_sending(self) -> None:
        """Tell the client that nothing follows. Closing at once could destroy bytes that it has not read."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Have the system drop the unsent bytes too when the connection is closed."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _has_bare_newline(data: bytes) -> bool:
    return data.count(b"\n") != data.count(b"\r\n")


class Waiting:
    """Connections in one state with the same deadline, in the order of their deadlines.

    Args:
        seconds: how long each may wait.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until: OrderedDict[Connection, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._until)

    def enter(self, connection: Connection) -> None:
        """Add a connection, or start its time again."""
        connection.waits = self
        self._until[connection] = time.monotonic() + self.seconds
        self._until.move_to_end(connection)

    def leave(self, connection: Connection) -> None:
        """Remove a connection."""
        connection.waits = None
        del self._until[connection]

    def first(self) -> Connection:
        """The connection with the earliest deadline; there must be one."""
        return next(iter(self._until))

    def overdue(self) -> list[Connection]:
        """The connections whose deadline has passed."""
        now = time.monotonic()
        found = []
        for connection, until in self._until.items():
            if until > now:
                break
            found.append(connection)
        return found

    def hurry(self, seconds: float) -> None:
        """Shorten the deadlines: of connections here from now on, of others from when they are added."""
        self.seconds = min(self.seconds, seconds)
        latest = time.monotonic() + seconds
        for connection, until in self._until.items():
            self._until[connection] = min(until, latest)
