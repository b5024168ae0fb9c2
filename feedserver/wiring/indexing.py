"""Makes the plan of the indexer from the settings, and prepares its state folder."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import msgspec

from feedserver.articles.field_keys import KEYS
from feedserver.articles.reading import PARSER_VERSION
from feedserver.articles.selections.words import FOLDING
from feedserver.errors import HistoryLostError, ServerBusyError, StateError, StoreUnreachableError
from feedserver.index.schema import INDEX_SCHEMA_VERSION
from feedserver.index.sqlite import takeover
from feedserver.index.sqlite.builds import HISTORY_FILE
from feedserver.index.stores import open_store
from feedserver.indexing import ownership
from feedserver.indexing.lock import IndexerLock, ServersLock
from feedserver.indexing.plan import Plan
from feedserver.settings.sources import Settings
from feedserver.system import private
from feedserver.wiring.planning import plan_of, store_address

log = logging.getLogger(__name__)

# Packages that determine the content of the index for an article.
_PARSING_PACKAGES = ("emoji", "nh3", "pyromark", "text-unidecode")

# How long a process waits for another one that takes the same state folder over, and between two tries.
TAKEOVER_SECONDS = 5.0
_TRY_SECONDS = 0.05


def make_plan(settings: Settings) -> Plan:
    """The plan of the indexer."""
    base = plan_of(settings)
    versions = [PARSER_VERSION, INDEX_SCHEMA_VERSION, FOLDING, *(version(name) for name in _PARSING_PACKAGES)]
    reading = [base.roots, base.extensions, base.skip, base.max_file_size, base.listing_rules, versions]
    content = [*reading, sorted(KEYS.items())]
    fingerprint = hashlib.blake2b(msgspec.json.encode(content), digest_size=16).hexdigest()
    return msgspec.structs.replace(base, fingerprint=fingerprint)


def prepare_state(settings: Settings) -> None:
    """Create the state folder, close it to other users, and check that it belongs to this site.

    Raises:
        StateError: if it cannot be written or belongs to another site.
    """
    state_dir = settings.state.dir.resolve()
    try:
        private.make_folder(state_dir)
    except OSError as error:
        raise StateError(state_dir, f"cannot be made: {error.strerror}") from error
    if not os.access(state_dir, os.R_OK | os.W_OK | os.X_OK):
        raise StateError(state_dir, "cannot be written by this user")
    _keep_private(state_dir)
    if not settings.index.url:
        take_over(state_dir)
    try:
        with closing(open_store(store_address(settings)).history()) as history:
            if not settings.state.adopt and settings.index.role != "web":
                ownership.check(history, make_plan(settings).ownership)
    except HistoryLostError as error:
        # The server starts all the same: the indexer repairs this, and feeds are served meanwhile.
        log.warning("%s; the indexer repairs it or sets it aside", error)
    except StoreUnreachableError as error:
        # The same: what is cached is served until the database is there.
        log.warning("%s", error)


def take_over(state_dir: Path) -> None:
    """Rename the publication history of an older release, before anything opens it.

    Not while a server or indexer of that release runs: it would begin another history under the old name. Of
    several processes that start together, one does it and the others wait.

    Raises:
        ServerBusyError: if an older release is running.
        StateError: if the file cannot be renamed.
    """
    until = time.monotonic() + TAKEOVER_SECONDS
    while takeover.is_needed(state_dir) and not _try_takeover(state_dir):
        if time.monotonic() >= until:
            raise ServerBusyError(
                f"{state_dir}: is in use by an older version of feedserver; stop it, then start this one"
            )
        time.sleep(_TRY_SECONDS)


def _try_takeover(state_dir: Path) -> bool:
    lock = IndexerLock.acquire(state_dir)
    if lock is None:
        return False
    try:
        # Asked again under the lock: the process that was first holds the servers' lock by now.
        if takeover.is_needed(state_dir):
            with ServersLock(state_dir, "takeover"):
                takeover.take_over(state_dir)
            log.info("the publication history in %s is now called %s", state_dir, HISTORY_FILE)
    finally:
        lock.release()
    return True


def _keep_private(state_dir: Path) -> None:
    try:
        for sentence in private.tighten(state_dir):
            log.warning("%s: %s", state_dir, sentence)
    except OSError as error:
        raise StateError(state_dir, f"cannot be made private: {error.strerror}") from error
