"""Configures all tests: how Hypothesis searches, and an environment that no other test has changed."""

from __future__ import annotations

import pytest
from hypothesis import settings

# No deadline: machines differ, and a slow example is no failure. 60 examples find what 100 do in most
# properties here, and leave the whole suite quick enough to be run often.
settings.register_profile("feedserver", deadline=None, max_examples=60)
settings.load_profile("feedserver")


@pytest.fixture(autouse=True)
def _scripts_find_their_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool of processes sets this for its own process, and scripts of the tests are started from here."""
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
