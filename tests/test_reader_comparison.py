"""Parsers keep those fields of our documents that docs/reference/readers.md lists.

The packages of JavaScript are installed by `.ci/run`, which names their folder in READER_PARSERS; at a
desk `tests/reader_comparison.py` says how. The verdicts themselves are tested without them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import reader_comparison
from reader_comparison import judge

MODULES = os.environ.get("READER_PARSERS", "")


@pytest.mark.skipif(
    not MODULES or shutil.which("node") is None,
    reason="parsers of JavaScript are not installed (READER_PARSERS; see tests/reader_comparison.py)",
)
def test_parsers_keep_of_our_documents_what_the_page_says() -> None:
    for package in ("atoma", "fastfeedparser", "podcastparser"):
        pytest.importorskip(package)

    assert reader_comparison.written() == reader_comparison.compared(Path(MODULES))


@pytest.mark.parametrize(
    ("field", "stated", "kept", "verdict"),
    [
        ("title", ["A", "B"], ["A", " B\n"], "same"),
        ("title", ["A", "B"], ["A", "b"], "1 of 2"),
        ("title", ["A", ""], [None, "invented"], "none"),
        ("updated", ["2024-05-01T10:00:00Z"], ["Wed, 01 May 2024 12:00:00 +0200"], "same"),
        ("updated", ["2024-05-01T10:00:00Z"], [1714557600], "same"),
        ("authors", [["A", "B"], ["C"]], [["A"], ["C"]], "first"),
        ("authors", [["A", "B"], ["C"]], [["B"], ["C"]], "1 of 2"),
        ("content", ["<p>A &amp; <a href='x'>b</a></p>"], ['<P>A &#38;\n<a  href="x">b</a>'], "same"),
        ("content", ["<p>A<a href='x'>b</a></p>"], ["<p>Ab</p>"], "0 of 1"),
        ("sizes", [[{"size": 5}], [{"size": None}]], [[{"size": "5"}], [{"size": 0}]], "same"),
        ("durations", [[{"duration": 5}, {}]], [[{"duration": 5.0}]], "first"),
    ],
)
def test_a_field_fares_as_it_does_in_all_records_that_state_it(
    field: str, stated: list[Any], kept: list[Any], verdict: str
) -> None:
    key = "files" if field in ("sizes", "durations") else field
    pairs = [({key: a}, {key: b}) for a, b in zip(stated, kept, strict=True)]

    assert judge(field, pairs) == verdict
