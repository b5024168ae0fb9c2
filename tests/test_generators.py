"""The articles of a folder are those of the feed that its site generator makes itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from generators import GENERATORS, compared

# Differences that stay, each for a reason in docs/reference/presets.md.
KNOWN = {
    "docusaurus": [("title", "Plain"), ("id", "Low: tide")],
    "mkdocs": [("shorter body", "The Old Pier, Café")],
    "zola": [("title", "Untitled"), ("id", "In a folder")],
}


@pytest.mark.parametrize("name", GENERATORS)
def test_our_articles_are_those_of_the_feed_of_a_generator(name: str, tmp_path: Path) -> None:
    generator = GENERATORS[name]
    if generator.program() is None:
        pytest.skip(f"{name} is not installed (GENERATORS; see tests/generators.py)")
    found = compared(generator, tmp_path)

    assert [(one.change.value, one.title) for one in found.differences] == KNOWN.get(name, [])
    assert found.our_links == found.links
