"""The engines of a server, by the names of the setting `server.engine`.

Both are workers of gunicorn's master, so that settings, hooks, logs, reload and stop are the same. Each is
one module, which only a server with this engine imports: granian is an extra.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from feedserver.errors import SettingsError

WORKERS: Final = {
    "gunicorn": "feedserver.server.worker.Worker",
    "granian": "feedserver.server.granian_worker.GranianWorker",
}

# The versions of granian whose internals `granian_worker` knows.
GRANIAN: Final = "2.8"


def check_engine(engine: str) -> None:
    """Check whether an engine can be used.

    Args:
        engine: a key of `WORKERS`.

    Raises:
        SettingsError: if its package is not installed, or in a version that is not known.
    """
    if engine != "granian":
        return
    try:
        found = version(engine)
    except PackageNotFoundError as error:
        problem = "server.engine: granian needs a package that is not installed: feedserver[granian]"
        raise SettingsError([problem]) from error
    if not found.startswith(f"{GRANIAN}."):
        raise SettingsError([f"server.engine: granian {GRANIAN} is needed, and {found} is installed"])
