"""Representation: digest, encodings, Last-Modified and the choice of an encoding."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.feeds.representation import (
    ENCODINGS,
    Representation,
    choose_encoding,
    digest,
    last_modified_after,
)

TEXT = b"<item>the same words again</item>" * 100


def represent(body: bytes) -> Representation:
    return Representation(body, "application/rss+xml", digest(body))


# --- Digest and encodings


def test_the_digest_is_128_bits_of_blake2b() -> None:
    assert digest(b"feed") == "9af3a81e5ec7d3b9bad7791110198c42"  # `b2sum --length 128` says the same


@given(one=st.binary(), other=st.binary())
def test_equal_digests_mean_equal_bodies(one: bytes, other: bytes) -> None:
    assert (digest(one) == digest(other)) == (one == other)


DECODERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "br": brotli.decompress}

# Prints an encoding of what comes in; with a word before, as if Brotli were not installed.
PROGRAM = """if True:
    import sys
    if sys.argv[2:]:
        sys.modules["brotli"] = None
    from feedserver.feeds.representation import ENCODINGS, Representation
    print(ENCODINGS, file=sys.stderr)
    body = sys.stdin.buffer.read()
    sys.stdout.buffer.write(Representation(body, "text/xml", "").encoded(sys.argv[1]) or b"")
"""


def elsewhere(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], input=TEXT, capture_output=True, check=True
    )


def test_brotli_is_had_where_it_is_installed_and_is_the_better_one() -> None:
    assert ENCODINGS == ("br", "gzip")


def test_without_brotli_there_is_gzip() -> None:
    other = elsewhere("gzip", "without")
    assert other.stderr.decode().strip() == "('gzip',)"
    assert gzip.decompress(other.stdout) == TEXT


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_is_smaller_and_holds_the_body(encoding: str) -> None:
    packed = represent(TEXT).encoded(encoding)
    assert packed is not None
    assert len(packed) < len(TEXT)
    assert DECODERS[encoding](packed) == TEXT


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_packed_representation_is_the_same_document_in_fewer_bytes(encoding: str) -> None:
    document = represent(TEXT)
    packed = document.encoded(encoding)
    before = document.held_bytes
    assert document.pack()
    assert packed is not None
    assert (before, document.held_bytes) == (len(TEXT) + len(packed), len(packed))
    assert document == represent(TEXT)
    assert document.body == TEXT
    assert [document.encoded(one) for one in ENCODINGS] == [represent(TEXT).encoded(one) for one in ENCODINGS]
    assert document.held_bytes > before  # the body again, and both encodings
    assert document.pack()
    assert document.pack()  # it is still a document that can be kept without its body


@pytest.mark.parametrize("body", [TEXT, b"short", b""])
def test_what_was_never_coded_is_not_packed(body: bytes) -> None:
    document = represent(body)
    if body != TEXT:  # these do not pay
        assert [document.encoded(encoding) for encoding in ENCODINGS] == [None, None]
    assert not document.pack()
    assert (document.body, document.held_bytes) == (body, len(body))


def test_gzip_holds_no_time() -> None:
    packed = represent(TEXT).encoded("gzip")
    assert packed is not None
    assert packed[4:8] == bytes(4)  # MTIME, RFC 1952 section 2.3.1


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_gives_the_same_bytes_in_another_process(encoding: str) -> None:
    assert elsewhere(encoding).stdout == represent(TEXT).encoded(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("body", [b"", b"x" * 499, os.urandom(5000)], ids=["empty", "short", "random"])
def test_an_encoding_is_not_offered_when_it_does_not_pay(body: bytes, encoding: str) -> None:
    assert represent(body).encoded(encoding) is None


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_is_offered_from_500_bytes_on(encoding: str) -> None:
    assert represent(b"x" * 500).encoded(encoding) is not None


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_is_made_once(encoding: str) -> None:
    document = represent(TEXT)
    assert document.encoded(encoding) is document.encoded(encoding)


def test_threads_that_come_at_once_get_the_same_encoding() -> None:
    document = represent(TEXT * 50)
    with ThreadPoolExecutor(8) as threads:
        assert len({threads.submit(document.encoded, "gzip").result() for _ in range(16)}) == 1


def test_a_representation_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        represent(TEXT).body = b""  # type: ignore[misc]


def test_asking_for_an_encoding_does_not_make_two_equal_representations_differ() -> None:
    one, other = represent(TEXT), represent(TEXT)
    one.encoded("gzip")
    assert one == other


# --- Last-Modified

NOON = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)
times = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)


@pytest.mark.parametrize(
    ("now", "previous", "expected"),
    [
        (NOON, None, NOON),
        (NOON + timedelta(microseconds=1), None, NOON + timedelta(seconds=1)),
        (NOON + timedelta(microseconds=999_999), None, NOON + timedelta(seconds=1)),
        (NOON, NOON, NOON + timedelta(seconds=1)),
        (NOON, NOON - timedelta(seconds=1), NOON),
        (NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=1, seconds=1)),
        (NOON, NOON - timedelta(milliseconds=300), NOON + timedelta(seconds=1)),
        (NOON.astimezone(timezone(timedelta(hours=2))), None, NOON),
    ],
)
def test_last_modified_is_rounded_up_and_later_than_the_previous_one(
    now: datetime, previous: datetime | None, expected: datetime
) -> None:
    result = last_modified_after(now, previous)
    assert result == expected
    assert result.tzinfo is UTC


@given(now=times, previous=st.none() | times)
def test_last_modified_is_the_first_whole_second_that_keeps_the_rules(
    now: datetime, previous: datetime | None
) -> None:
    def keeps_the_rules(moment: datetime) -> bool:
        later = previous is None or moment - previous >= timedelta(seconds=1)
        return moment.microsecond == 0 and moment >= now and later

    result = last_modified_after(now, previous)
    assert keeps_the_rules(result)
    assert not keeps_the_rules(result - timedelta(seconds=1))


# --- The choice of an encoding


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        # no wish, or none for an encoding
        (None, "identity"),
        ("", "identity"),
        ("identity", "identity"),
        ("deflate", "identity"),
        # what clients send
        ("gzip", "gzip"),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "br"),
        # weights
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=0.5, identity;q=1", "identity"),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("identity;q=0.5, *;q=0.5", "br"),
        ("gzip ; Q=0.5 , br\t;\tq=0.4", "gzip"),
        ("gzip;level=9;q=0.5, br;q=0.4", "gzip"),
        # refusals
        ("gzip;q=0", "identity"),
        ("gzip;q=0.000, br;q=0.", "identity"),
        ("gzip;q=0, *", "br"),
        ("br;q=0, *;q=0.1", "gzip"),
        ("identity;q=0", "identity"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("identity;q=0, *;q=0.2", "br"),
        ("*;q=0", "identity"),
        ("*;q=0, gzip;q=0.3", "gzip"),
        ("gzip;q=0.3, *;q=0.5, br;q=0", "identity"),
        ("gzip, gzip;q=0", "identity"),
        # malformed
        ("gzip;q=abc, br;q=0.1", "br"),
        ("gzip;q=", "identity"),
        ("gzip;q=2", "identity"),
        ("gzip;q=-1", "identity"),
        ("gzip;q=nan", "identity"),
        ("gzip;q=٠.٥", "identity"),
        (",,;;=,;q=1,=", "identity"),
        ("gzip;;", "gzip"),
    ],
)
def test_the_encoding_is_chosen_as_rfc_9110_asks(accept_encoding: str | None, expected: str) -> None:
    assert choose_encoding(accept_encoding, ("br", "gzip")) == expected


def test_equal_weights_go_to_the_earlier_of_the_available_encodings() -> None:
    assert choose_encoding("gzip, br", ("br", "gzip")) == "br"
    assert choose_encoding("gzip, br", ("gzip", "br")) == "gzip"
    assert choose_encoding("identity, gzip", ("identity", "gzip")) == "gzip"


def test_identity_is_the_answer_when_nothing_else_is_available() -> None:
    assert choose_encoding("gzip, *", ()) == "identity"


@given(
    field=st.text() | st.text(alphabet="gzipbrq*=;,.01 \t"),
    available=st.permutations(["br", "gzip", "identity"]),
)
def test_no_field_value_raises_or_yields_what_is_not_available(field: str, available: list[str]) -> None:
    assert choose_encoding(field, available[:2]) in {*available[:2], "identity"}


thousandths = st.none() | st.integers(min_value=0, max_value=1000)


@given(
    listed=st.dictionaries(st.sampled_from(["gzip", "br", "zstd", "identity", "*"]), thousandths),
    available=st.lists(st.sampled_from(["gzip", "br", "zstd"]), unique=True),
)
def test_no_acceptable_encoding_has_a_higher_weight_than_the_one_chosen(
    listed: dict[str, int | None], available: list[str]
) -> None:
    field = ", ".join(name if q is None else f"{name};q={q / 1000:.3f}" for name, q in listed.items())
    weights = {name: 1000 if q is None else q for name, q in listed.items()}
    # Identity that nobody mentions is acceptable, below the least weight that can be written.
    unlisted = {"identity": weights.get("*", 0.5)}
    candidates = {
        name: weights.get(name, unlisted.get(name, weights.get("*", 0))) for name in (*available, "identity")
    }
    acceptable = {name: weight for name, weight in candidates.items() if weight > 0}
    chosen = choose_encoding(field, available)
    if not acceptable:
        assert chosen == "identity"
    else:
        assert acceptable[chosen] == max(acceptable.values())
        ties = [name for name in (*available, "identity") if acceptable.get(name) == acceptable[chosen]]
        assert chosen == ties[0]
