"""Deaths of indexers are known to all processes, and let the next one wait."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from servers import index, quiet_app, settings_of, write_story

from feedserver.indexing.deaths import (
    MOST_DEATHS,
    RECORD,
    Death,
    delay_after,
    in_words,
    known_deaths,
    leave_words,
    note_death,
)

NOW = 1_750_000_000.0


def death(at: float, lived: float = 0.1, reason: str = "signal SIGKILL") -> Death:
    return Death(at=NOW + at, lived=lived, reason=reason)


@pytest.mark.parametrize(
    ("deaths", "delay"),
    [
        ([], 0.0),
        ([death(0)], 0.5),
        ([death(0), death(1)], 1.0),
        ([death(0), death(1), death(2)], 2.0),
        ([death(number) for number in range(8)], 10.0),
        ([death(0, lived=60)], 0.0),
        ([death(0), death(1), death(70, lived=60)], 0.0),
        ([death(0), death(1), death(70, lived=60), death(71)], 0.5),
        ([death(0), death(1), death(600)], 0.5),
    ],
)
def test_the_next_one_waits_longer_after_each_that_died_at_once(deaths: list[Death], delay: float) -> None:
    assert delay_after(deaths) == delay


def test_what_is_noted_is_known_to_all_and_bounded(tmp_path: Path) -> None:
    for number in range(MOST_DEATHS + 5):
        note_death(tmp_path, death(number))
    known = known_deaths(tmp_path, NOW + 30)
    assert len(known) == MOST_DEATHS
    assert known[-1] == death(MOST_DEATHS + 4)
    assert known_deaths(tmp_path, NOW + 7200) == ()
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]


def test_last_words_belong_to_the_next_death_alone(tmp_path: Path) -> None:
    leave_words(tmp_path, "the disk is full")
    assert note_death(tmp_path, death(0))[-1].words == "the disk is full"
    assert note_death(tmp_path, death(1))[-1].words == ""


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[1]", b'{"at":', b'[{"at":"x"}]'])
def test_a_damaged_record_says_nothing_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RECORD).write_bytes(content)
    assert known_deaths(tmp_path, NOW) == ()
    assert note_death(tmp_path, death(0)) == (death(0),)


def test_status_and_readiness_say_when_an_indexer_died_more_than_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_story(tmp_path / "articles", "one")
    settings = settings_of(tmp_path / "state", tmp_path / "articles", status={"token": "secret-token"})
    index(settings)
    client = quiet_app(settings).test_client()
    operator = {"Authorization": "Bearer secret-token"}
    monkeypatch.setattr("feedserver.site.status.time.time", lambda: NOW + 10)

    note_death(settings.state.dir, death(0))
    assert client.get("/readyz").text == "ready\n"
    assert "indexer" not in json.loads(client.get("/status.json").data)

    leave_words(settings.state.dir, "told to operators alone")
    deaths = note_death(settings.state.dir, death(1, reason="exit status 1"))
    said = "the indexer died 2 times within an hour, the last time by exit status 1"
    assert in_words(deaths) == said
    assert client.get("/readyz").text == f"ready; {said}\n"
    assert client.get("/readyz").status_code == 200
    for path in ("/status", "/status.json"):
        assert said in client.get(path).text
        assert "told to operators alone" not in client.get(path).text
        assert "by exit status 1: told to operators alone" in client.get(path, headers=operator).text
