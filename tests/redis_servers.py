"""A Redis server of the tests' own, on loopback, with nothing on the disk."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import PATIENCE, free_port

SECRET = "of all machines that share a cache"  # noqa: S105  no secret, a test

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")


class RedisServer:
    """A server, and how to end it.

    Args:
        folder: its own, for nothing.
        options: further options of the program.
        port: where it listens; with TLS, of that.

    Attributes:
        url: of the first database.
        port: on 127.0.0.1.
    """

    def __init__(self, folder: Path, *options: str, port: int) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        listen = ["--port", "0", "--tls-port"] if "--tls-cert-file" in options else ["--port"]
        command = [
            "redis-server",
            "--bind",
            "127.0.0.1",
            *listen,
            str(port),
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        self._process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)

    def wait(self) -> None:
        """Wait until it listens."""
        wait_for_port(self.port, self._process)

    def ask(self, *command: str) -> list[str]:
        """The lines of the answer to a command, as redis-cli prints them."""
        line = ["redis-cli", "-p", str(self.port), *command]
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
        self._process.send_signal(number)
        self._process.wait(PATIENCE)


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process listens on loopback."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens within {PATIENCE} s")


@contextmanager
def redis_server(folder: Path, *options: str, port: int | None = None) -> Iterator[RedisServer]:
    """A running server."""
    server = RedisServer(folder, *options, port=port or free_port())
    try:
        server.wait()
        yield server
    finally:
        server.stop()
