"""What an indexer is to do, and a state folder in which it may."""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import version

import msgspec

from feedserver import claims
from feedserver.articles.reading import PARSER_VERSION
from feedserver.errors import StateError
from feedserver.index.memory import Memory
from feedserver.index.schema import INDEX_SCHEMA_VERSION
from feedserver.plan import Plan
from feedserver.settings import Settings
from feedserver.wiring.planning import plan_of

# Packages that decide what the index holds of an article.
_PARSING_PACKAGES = ("nh3", "pyromark", "text-unidecode")


def make_plan(settings: Settings) -> Plan:
    """What the indexer is to do."""
    base = plan_of(settings)
    versions = [PARSER_VERSION, INDEX_SCHEMA_VERSION, *(version(name) for name in _PARSING_PACKAGES)]
    content = [base.roots, base.extensions, base.skip, base.max_file_size, base.selections, versions]
    fingerprint = hashlib.blake2b(msgspec.json.encode(content), digest_size=16).hexdigest()
    return msgspec.structs.replace(base, fingerprint=fingerprint)


def prepare_state(settings: Settings) -> None:
    """Make the state folder and check that it is ours.

    Raises:
        StateError: if it cannot be written or belongs to another site.
    """
    state_dir = settings.state.dir.resolve()
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(state_dir, f"cannot be made: {error.strerror}") from error
    if not os.access(state_dir, os.W_OK | os.X_OK):
        raise StateError(state_dir, "cannot be written by this user")
    memory = Memory(state_dir)
    try:
        if not settings.state.adopt:
            claims.check(memory, make_plan(settings).claim)
    finally:
        memory.close()
