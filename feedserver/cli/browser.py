"""Opens the site in a browser once the server answers, for `feedserver serve --open`.

A process of its own waits for that: gunicorn forks its workers, and a process with threads must not.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import webbrowser

from feedserver.system.processes import module_command, module_environment

# How long the server may take, and how often it is asked.
WAIT_SECONDS = 30.0
_ASK_SECONDS = 0.1


def open_when_served(host: str, port: int, url: str) -> None:
    """Open a URL in the browser of the user as soon as something listens at an address.

    Does not wait for it. Without a browser nothing happens: the command has printed the address.
    """
    command = module_command(__name__, host, str(port), url)
    subprocess.Popen(command, env=module_environment(), stdin=subprocess.DEVNULL)  # noqa: S603  our own module


def wait_and_open(host: str, port: int, url: str) -> int:
    """Wait until something listens, and open the URL; returns the exit status."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        try:
            with socket.create_connection((_reachable(host), port), timeout=1):
                pass
        except OSError:
            time.sleep(_ASK_SECONDS)
        else:
            webbrowser.open(url)
            break
    return 0


def _reachable(host: str) -> str:
    """An address that leads to a socket which listens at all addresses."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  nothing listens there


if __name__ == "__main__":
    sys.exit(wait_and_open(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
