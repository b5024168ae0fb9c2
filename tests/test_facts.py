"""Facts are rows of key and JSON, which other releases may have written."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from feedserver.index.facts import (
    OPEN_MONTH,
    Beginning,
    BuildFacts,
    FinishedScan,
    HistoryFacts,
    PublishedIds,
    SeenRoot,
)
from feedserver.model import HistoryOrigin

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def test_what_was_noted_comes_back_and_nothing_else_is_written() -> None:
    facts = BuildFacts(
        pending=0,
        scan=FinishedScan(started=NOON, finished=NOON, files=2),
        mirrored=HistoryFacts(roots=("/ä",), seen_roots={"/ä": SeenRoot(folder="1:2")}),
    )

    assert [key for key, _ in facts.rows()] == ["pending", "scan", "history_facts"]
    assert BuildFacts.of(facts.rows()) == facts


def test_rows_of_an_older_release_are_understood() -> None:
    rows = [
        ("schema", '"2"'),
        ("sequence", '"1717201000000002"'),
        ("history", '{"origin": "begun", "since": 5}'),
        ("ids", '{"authority": "feeds.example", "year": 2024}'),
    ]

    assert HistoryFacts.of(rows) == HistoryFacts(
        schema=2,
        sequence=1_717_201_000_000_002,
        beginning=Beginning(origin=HistoryOrigin.BEGUN, since=5),
        ids=PublishedIds(authority="feeds.example", year=2024),
    )


def test_a_row_that_no_field_is_named_after_is_left_alone() -> None:
    assert BuildFacts.of([("scan_started", "2024-05-01T12:00:00+00:00")]) == BuildFacts()


@pytest.mark.parametrize("value", ["", "{", '"many"', "1.5"])
def test_a_damaged_row_is_an_error(value: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        BuildFacts.of([("pending", value)])


def test_the_fact_that_queries_ask_for_by_its_key_is_one() -> None:
    assert BuildFacts(open_month=1).rows() == [(OPEN_MONTH, "1")]
