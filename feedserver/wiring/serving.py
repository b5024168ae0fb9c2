"""Takes the lock that all processes share which publish from one state folder."""

from __future__ import annotations

from pathlib import Path

from feedserver.indexing.lock import ServersLock, refuse_other_indexer
from feedserver.settings.sources import Settings
from feedserver.wiring.indexing import make_plan
from feedserver.wiring.publishing import make_publisher


def join_servers(settings: Settings, server: str = "") -> ServersLock:
    """Join the processes that publish from the settings' state folder, if they publish the same.

    Args:
        settings: of this process.
        server: as for `ServersLock`.

    Raises:
        ServerBusyError: if a server, an export or an indexer with other folders or settings is running.
    """
    plan = make_plan(settings)
    state_dir = Path(plan.state_dir)
    lock = ServersLock(state_dir, f"{plan.fingerprint}-{make_publisher(settings).fingerprint}", server)
    try:
        # After a reload the indexer of the old workers may still run, and ends with them.
        if not lock.is_joined:
            refuse_other_indexer(state_dir, plan.fingerprint)
    except BaseException:
        lock.release()
        raise
    return lock
