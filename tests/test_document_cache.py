"""The document cache: which representations a process keeps, and in which forms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feedserver.feeds.document_cache import DocumentCache
from feedserver.feeds.representation import ENCODINGS, Representation, digest

REVISION = ("build", 1)
ROOM = 40_000


def document(number: int, size: int = 10_000) -> Representation:
    body = f"document {number}, in many words. ".encode() * (size // 30)
    return Representation(body, "application/rss+xml", digest(body))


def always() -> bool:
    return True


def keep_in_gzip(cache: DocumentCache, count: int) -> list[Representation]:
    """Cache documents that were asked for in gzip, numbered from 0."""
    documents = [document(number) for number in range(count)]
    for number, one in enumerate(documents):
        one.encoded("gzip")
        cache.keep(number, REVISION, one)
    return documents


def found(cache: DocumentCache, numbers: range) -> list[Representation]:
    looked = (cache.find(number, REVISION) for number in numbers)
    return [one for one in looked if one is not None]


def test_documents_that_are_asked_for_in_an_encoding_are_kept_in_greater_number() -> None:
    plain, coded = DocumentCache(ROOM, ROOM, always), DocumentCache(ROOM, ROOM, always)
    for number in range(20):
        plain.keep(number, REVISION, document(number))
        coded.keep(number, REVISION, document(number))
        kept = coded.find(number, REVISION)
        assert kept is not None
        kept.encoded("gzip")
    assert found(plain, range(20)) == [document(number) for number in (17, 18, 19)]
    assert found(coded, range(20)) == [document(number) for number in range(20)]


def test_what_is_cold_lets_go_of_its_body() -> None:
    cache = DocumentCache(ROOM, ROOM, always)
    documents = [document(number) for number in range(4)]
    for number, one in enumerate(documents):
        cache.keep(number, REVISION, one)
        one.encoded("gzip")
        cache.find(0, REVISION)  # somebody asks for this one all the time
    assert [one.held_bytes < 1_000 for one in documents] == [False, True, False, False]
    assert documents[1].body == document(1).body


def test_packed_documents_that_stay_cold_go() -> None:
    cache = DocumentCache(ROOM, 500, always)
    keep_in_gzip(cache, 9)
    kept = found(cache, range(9))
    assert kept == [document(number) for number in range(9)][-len(kept) :]
    assert 3 < len(kept) < 9


def test_a_document_that_is_made_anew_takes_the_place_of_the_packed_one() -> None:
    cache, later = DocumentCache(ROOM, ROOM, always), ("build", 2)
    keep_in_gzip(cache, 9)
    cache.keep(0, later, document(100))
    assert (cache.find(0, REVISION), cache.find(0, later), cache.last(0)) == (
        None,
        document(100),
        document(100),
    )


def test_a_document_that_was_replaced_does_not_come_back() -> None:
    cache = DocumentCache(ROOM, ROOM, always)
    keep_in_gzip(cache, 3)
    for number in (1, 2):  # hotter than the one that is replaced
        cache.find(number, REVISION)
    cache.keep(0, ("build", 2), document(100, 2 * ROOM))  # and by one that finds no room
    assert cache.last(0) is None


def test_what_is_in_demand_again_holds_its_body_once_more() -> None:
    cache = DocumentCache(ROOM, ROOM, always)
    documents = keep_in_gzip(cache, 4)
    packed = cache.find(0, REVISION)
    assert packed is not None
    assert packed.held_bytes < packed.size == len(packed.body) < packed.held_bytes
    cache.keep(9, REVISION, document(9))
    assert [one.held_bytes > one.size for one in documents] == [True, False, False, True]


def test_a_packed_document_that_was_in_demand_in_its_encoding_alone_is_kept_when_it_is_cold_again() -> None:
    cache = DocumentCache(ROOM, ROOM, always)
    keep_in_gzip(cache, 9)
    for _ in range(3):
        assert found(cache, range(9)) == [document(number) for number in range(9)]


def test_a_document_larger_than_the_cache_leaves_the_others_alone() -> None:
    cache = DocumentCache(ROOM, ROOM, always)
    cache.keep(1, REVISION, document(1))
    cache.keep(2, REVISION, document(2, 2 * ROOM))
    assert found(cache, range(3)) == [document(1)]


def test_a_full_cache_still_finds_most_documents_of_a_rotation_that_is_one_too_long() -> None:
    cache = DocumentCache(ROOM * 10, 0)
    documents = [document(number) for number in range(33)]  # 32 have room
    hits = 0
    for _ in range(100):
        for number, one in enumerate(documents):
            if cache.find(number, REVISION) is None:
                cache.keep(number, REVISION, one)
            else:
                hits += 1
    assert hits > 100 * len(documents) * 0.8


def test_a_full_cache_takes_the_next_state_of_a_document_that_it_keeps() -> None:
    cache = DocumentCache(ROOM, 0, lambda: False)
    for number in range(9):
        cache.keep(number, REVISION, document(number))
    kept = found(cache, range(9))
    for number in range(9):
        cache.keep(number, ("build", 2), document(number + 100))
    assert [cache.last(number) for number in range(9)] == [
        document(number + 100) if document(number) in kept else None for number in range(9)
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.integers(0, 3),
            st.integers(0, 2_000),
            st.sampled_from([None, *ENCODINGS]),
            st.integers(0, 9),
        )
    )
)
def test_any_use_of_a_cache_finds_what_was_kept_last_or_nothing(
    steps: list[tuple[int, int, int, str | None, int]],
) -> None:
    cache, last = DocumentCache(1_500, 300), dict[int, tuple[tuple[str, int], Representation]]()
    for name, commit, size, encoding, other in steps:
        revision = ("build", commit)
        kept = cache.find(name, revision)
        if kept is None:
            kept = document(name, size)
            cache.keep(name, revision, kept)
            last[name] = revision, kept
        assert last[name] == (revision, kept)
        assert digest(kept.body) == kept.etag
        if encoding:
            kept.encoded(encoding)
        assert cache.last(other) in (None, last.get(other, REVISION)[1])
    whole, packed = cache._whole, cache._packed  # noqa: SLF001  to look does change them
    assert sum(one.held_bytes for _, one, *_ in packed.values()) <= 300
    assert sum(one.size for _, one, *_ in whole.values()) <= 1_500 * 4 // 5
    assert whole.keys().isdisjoint(packed)
