"""What holds for all tests: how Hypothesis searches."""

from __future__ import annotations

from hypothesis import settings

# No deadline: machines differ, and a slow example is no failure. 60 examples find what 100 do in most
# properties here, and leave the whole suite quick enough to be run often.
settings.register_profile("feedserver", deadline=None, max_examples=60)
settings.load_profile("feedserver")
