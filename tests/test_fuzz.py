"""The fuzzer: makes the same file of a seed again, finds planted faults, and survives what kills."""

from __future__ import annotations

import os
import signal
from pathlib import PurePosixPath

import fuzz
import pytest

from feedserver.articles.reading import read_article
from feedserver.articles.selections.values import ListingRules
from feedserver.articles.visibility import Visibility
from feedserver.index.file_values import FileContent
from feedserver.model import Reading, Verdict

CORPUS = fuzz.corpus_files()


def test_some_files_are_read_as_promised() -> None:
    assert fuzz.read_files(range(200), CORPUS) is None


def test_a_seed_makes_the_same_file_again() -> None:
    assert fuzz.made(7, CORPUS) == fuzz.made(7, CORPUS)
    assert len({fuzz.made(seed, CORPUS)[1] for seed in range(50)}) > 40


def test_every_file_of_the_corpus_is_an_article_or_taxonomy() -> None:
    for suffix, raw in CORPUS:
        reading = read_article(raw, PurePosixPath(f"news/a{suffix}"), fuzz.MTIME, fuzz.RULES)
        assert reading.verdict in {Verdict.ARTICLE, Verdict.TAXONOMY}, raw


def test_an_exception_of_a_reader_is_found_with_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_reading: Reading, _rules: ListingRules) -> FileContent:
        raise ZeroDivisionError

    monkeypatch.setattr(fuzz, "content_of", fail)
    found = fuzz.read_files(range(5, 10), CORPUS)

    assert found is not None
    assert found[0] == 5
    assert "ZeroDivisionError" in found[1]


def test_a_file_that_kills_its_reader_is_found_with_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(seed: int, corpus: object) -> str:
        if seed == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return ""

    monkeypatch.setattr(fuzz, "problem_with", die)
    found = fuzz.read_files(range(5, 10), CORPUS)

    assert found is not None
    assert found[0] == 8
    assert "killed" in found[1]


def test_an_article_that_is_shown_in_spite_of_its_first_key_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = next(seed for seed in range(1_000) if fuzz.made(seed, CORPUS)[2])
    visible = Visibility(is_hidden=False)
    monkeypatch.setattr("feedserver.articles.reading.visibility_of", lambda fields: visible)
    monkeypatch.setattr("feedserver.articles.reading.hides_at_margin", lambda front, hidden_if: False)
    problems = {fuzz.problem_with(seed, CORPUS) for seed in range(hidden, hidden + 300)}

    assert any("is shown" in problem for problem in problems)
