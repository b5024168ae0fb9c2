"""A Redis server of the tests' own, with nothing on the disk."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from servers import PATIENCE, free_port

SECRET = "of all machines that share a cache"  # noqa: S105  no secret, a test

LOOPBACK = "127.0.0.1"

# Its client is an extra that the tests do not install.
needs_client = pytest.mark.skipif(find_spec("redis") is None, reason="needs feedserver[redis]")


def is_installed() -> bool:
    """Whether tests can start a server, and feedserver can ask it."""
    return all(map(shutil.which, ("redis-server", "redis-cli"))) and find_spec("redis") is not None


needs_redis = pytest.mark.skipif(not is_installed(), reason="needs redis-server and feedserver[redis]")


class RedisServer:
    """A server, and how to start and end it.

    Args:
        folder: its own, for nothing.
        options: further options of the program.
        port: where it listens; with TLS, of that.
        host: where it listens.
        prefix: of its command, such as one that moves to another host.

    Attributes:
        url: of the first database.
        port: where it listens.
    """

    def __init__(
        self, folder: Path, *options: str, port: int, host: str = LOOPBACK, prefix: Sequence[str] = ()
    ) -> None:
        self.port = port
        self.url = f"redis://{host}:{port}/0"
        self._host = host
        self._process: subprocess.Popen[bytes] | None = None
        listen = ["--port", "0", "--tls-port"] if "--tls-cert-file" in options else ["--port"]
        place = ["--bind", host, *listen, str(port), "--save", "", "--dir", str(folder)]
        self._command = [*prefix, "redis-server", *place, *options]

    def start(self) -> None:
        """Start it without any values, and wait until it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_for_port(self.port, self._process, self._host)

    def ask(self, *command: str) -> list[str]:
        """The lines of the answer to a command, as redis-cli prints them."""
        line = ["redis-cli", "-h", self._host, "-p", str(self.port), *command]
        output = subprocess.run(line, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
        return output.splitlines()

    def flush(self) -> None:
        """Forget all values."""
        self.ask("FLUSHALL")

    def kill(self) -> None:
        """End it as a failure of its machine does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it, if it runs."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(PATIENCE)


def wait_for_port(port: int, process: subprocess.Popen[bytes], host: str = LOOPBACK) -> None:
    """Wait until a process listens."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended"
        with contextlib.suppress(OSError), socket.create_connection((host, port)):
            return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens within {PATIENCE} s")


@contextmanager
def redis_server(folder: Path, *options: str, port: int | None = None) -> Iterator[RedisServer]:
    """A running server."""
    server = RedisServer(folder, *options, port=port or free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()
