"""Configures all tests: how Hypothesis searches, the store that tests use, and a clean environment."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings

# No deadline: machines differ, and a slow example is no failure. 60 examples find what 100 do in most
# properties here, and leave the whole suite quick enough to be run often.
settings.register_profile("feedserver", deadline=None, max_examples=60)
settings.load_profile("feedserver")

_SERVERS = ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """Start a database for tests that take their store from `stores`, if FEEDSERVER_TEST_STORE says so."""
    is_worker = hasattr(config, "workerinput")  # of xdist: it inherits the environment
    if os.environ.get("FEEDSERVER_TEST_STORE") == "postgresql" and not is_worker:
        from databases import database_server

        server = _SERVERS.enter_context(database_server(max_connections="500"))
        os.environ["FEEDSERVER_TEST_DATABASE"] = server.url
    if os.environ.get("FEEDSERVER_TEST_DATABASE"):
        # Most tests leave an application, whose connections end with its process.
        config.addinivalue_line("filterwarnings", "ignore:.*BoundedConnection:ResourceWarning")
        config.addinivalue_line(
            "filterwarnings", "ignore:.*BaseConnection.__del__:pytest.PytestUnraisableExceptionWarning"
        )


def pytest_unconfigure() -> None:
    """Stop the database."""
    _SERVERS.close()


@pytest.fixture(autouse=True)
def _connections_end_with_their_test() -> Iterator[None]:
    yield
    if os.environ.get("FEEDSERVER_TEST_DATABASE"):
        gc.collect()


@pytest.fixture(autouse=True)
def _scripts_find_their_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool of processes sets this for its own process, and scripts of the tests are started from here."""
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
