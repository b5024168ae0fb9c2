"""The lock of renderings: one process renders, the others wait within a bound, and any failure renders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cachelib import NullCache
from hypothesis import given
from hypothesis import strategies as st
from servers import index, settings_of, write_story

from feedserver.feeds import feed_renderer
from feedserver.feeds.cache import FeedCache
from feedserver.feeds.cache_servers import Claim
from feedserver.feeds.document import Document
from feedserver.feeds.publisher import Publisher
from feedserver.feeds.render_lock import LIFETIME, WAIT, RenderLock, Turn
from feedserver.index.archives import parse_archive
from feedserver.index.stores import open_store
from feedserver.model import Feed, Format, Kind, ListingKey
from feedserver.render import render
from feedserver.settings.sources import Settings
from feedserver.wiring.planning import store_address
from feedserver.wiring.publishing import feed_limits, site_facts


class Scripted(FeedCache):
    """A cache that answers claims as it is told, and the last answer again and again.

    Args:
        answers: of claims.
        seconds: that each takes.
    """

    def __init__(self, *answers: Claim | None, seconds: float = 0.0) -> None:
        super().__init__(NullCache, lambda: "secret")
        self.now = 0.0
        self.tokens: list[str] = []
        self.released: list[str] = []
        self.copies: list[bytes] = []
        self._answers = list(answers)
        self._seconds = seconds

    def claim(self, name: str, version: str, token: str, seconds: float) -> Claim | None:
        self.now += self._seconds
        self.tokens.append(token)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def release(self, name: str, version: str, token: str) -> None:
        self.released.append(token)

    def set(self, name: str, value: bytes, version: str = "", series: str = "") -> bool:
        self.copies.append(value)
        return True

    def pause(self, seconds: float) -> None:
        self.now += seconds


def lock_of(cache: Scripted) -> RenderLock:
    return RenderLock(cache, clock=lambda: cache.now, sleep=cache.pause)


@pytest.mark.parametrize(
    ("answers", "turn"),
    [
        ([Claim.OURS], Turn(is_awaited=True, is_late=False)),
        ([Claim.TAKEN, Claim.OURS], Turn(is_awaited=True, is_late=True)),
        ([Claim.VALUE], Turn(is_awaited=False, is_late=True)),
        ([Claim.TAKEN, Claim.TAKEN, Claim.VALUE], Turn(is_awaited=False, is_late=True)),
        ([None], Turn(is_awaited=False, is_late=False)),
        ([Claim.TAKEN, None], Turn(is_awaited=False, is_late=True)),
    ],
)
def test_a_process_renders_takes_the_copy_or_does_without_the_lock(
    answers: list[Claim | None], turn: Turn
) -> None:
    cache = Scripted(*answers)
    with lock_of(cache).turn("name", "version") as given_turn:
        assert given_turn == turn
        assert cache.released == []
    assert cache.released == (cache.tokens[-1:] if turn.is_awaited else [])


@given(seconds=st.floats(0, 1))
def test_the_wait_ends_however_long_the_answers_take(seconds: float) -> None:
    cache = Scripted(Claim.TAKEN, seconds=seconds)
    with lock_of(cache).turn("name", "version") as turn:
        assert turn == Turn(is_awaited=False, is_late=seconds < WAIT)
    assert cache.now <= WAIT + seconds + 0.01
    assert cache.released == []


def test_all_claims_of_a_turn_have_one_token_and_another_turn_has_another() -> None:
    cache = Scripted(Claim.TAKEN, Claim.TAKEN, Claim.OURS)
    for _ in range(2):
        with lock_of(cache).turn("name", "version"):
            pass
    first, second = set(cache.tokens[:3]), set(cache.tokens[3:])
    assert (len(first), len(second), first & second) == (1, 1, set())


def test_a_rendering_that_fails_gives_the_lock_back() -> None:
    cache = Scripted(Claim.OURS)
    with pytest.raises(ZeroDivisionError), lock_of(cache).turn("name", "version"):
        raise ZeroDivisionError
    assert cache.released == cache.tokens


def test_a_process_waits_longer_than_a_lock_lives() -> None:
    assert LIFETIME < WAIT


# --- The answers of other processes


EVERYTHING = Document(ListingKey(kind=Kind.ARTICLES), Format.RSS)
ARCHIVE = EVERYTHING._replace(archive=parse_archive("2024-05.1"))  # the month of the articles


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a site with two articles."""
    made = settings_of(tmp_path / "state", tmp_path / "articles")
    for name in ("one", "two"):
        write_story(tmp_path / "articles", name)
    index(made)
    return made


def publisher_of(settings: Settings, cache: FeedCache, lock: RenderLock) -> Publisher:
    store = open_store(store_address(settings))
    return Publisher(store, site_facts(settings), feed_limits(settings), cache, lock=lock)


def hiding(settings: Settings) -> Callable[[], None]:
    """Hides one of the articles."""

    def hide() -> None:
        write_story(settings.articles[0].path, "one", draft=True)
        index(settings)

    return hide


def test_a_document_that_others_wait_for_is_shared_before_it_is_sent(settings: Settings) -> None:
    cache = Scripted(Claim.OURS)
    found = publisher_of(settings, cache, lock_of(cache)).feeds.find(EVERYTHING)
    assert cache.copies == [found.representation.body]
    assert cache.released == cache.tokens
    found.share()
    assert len(cache.copies) == 1


def test_one_that_nobody_waits_for_is_shared_afterwards(settings: Settings) -> None:
    cache = Scripted(None)
    found = publisher_of(settings, cache, lock_of(cache)).feeds.find(EVERYTHING)
    assert cache.copies == []
    found.share()
    assert cache.copies == [found.representation.body]


@pytest.mark.parametrize("document", [EVERYTHING, ARCHIVE], ids=lambda one: one.address)
@pytest.mark.parametrize("answer", [Claim.OURS, Claim.VALUE, Claim.TAKEN, None])
def test_an_article_that_is_hidden_while_a_process_waits_is_not_in_its_answer(
    settings: Settings, answer: Claim | None, document: Document
) -> None:
    cache = Scripted(Claim.TAKEN, answer)
    hide = hiding(settings)

    def hide_once(seconds: float) -> None:
        cache.pause(WAIT)
        hide()

    lock = RenderLock(cache, clock=lambda: cache.now, sleep=hide_once)
    body = publisher_of(settings, cache, lock).feed_document(document).body
    assert body.count(b"<item>") == 1


def test_an_article_that_is_hidden_while_it_is_rendered_is_in_no_copy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Scripted(Claim.OURS)
    hide = hiding(settings)

    def render_and_hide(feed: Feed, fmt: Format) -> bytes:
        hide()
        return render(feed, fmt)

    monkeypatch.setattr(feed_renderer, "render", render_and_hide)
    publisher_of(settings, cache, lock_of(cache)).feed_document(EVERYTHING)
    assert cache.copies == []
    assert cache.released == cache.tokens
