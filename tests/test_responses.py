"""From a document to a response: validators, encodings and caching, against RFC 9110 and real clients."""

from __future__ import annotations

import gzip
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import brotli
import pytest
from flask import Response
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request as WerkzeugRequest

from feedserver.feeds.representation import Representation, digest
from feedserver.site.caching import CachePolicy
from feedserver.web import responses
from feedserver.web.policies import FEED_VARY, feed_policy
from feedserver.web.responses import document_response, page_response

NOON = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)
BODY = b"<item>the same words again</item>" * 100
ETAG = digest(BODY)
FEED = Representation(BODY, "application/rss+xml", ETAG, NOON)


def answer(
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    document: Representation = FEED,
    now: datetime = NOON,
) -> Response:
    request = EnvironBuilder(method=method, headers=Headers(dict(headers or {}))).get_request(WerkzeugRequest)
    policy = feed_policy("max-age=300", ["<a>; rel=b"])
    return document_response(request, document, policy, now=now)  # type: ignore[arg-type]  # Flask's request adds nothing that is used here


# --- Encodings


def test_the_document_is_sent_as_it_is_unless_an_encoding_is_wanted() -> None:
    response = answer()
    assert response.data == BODY
    assert "Content-Encoding" not in response.headers
    assert response.headers["ETag"] == f'"{ETAG}"'
    assert response.headers["Content-Type"] == "application/rss+xml; charset=utf-8"
    assert response.headers["Vary"] == FEED_VARY
    assert response.headers["Content-Length"] == str(len(BODY))


def test_a_client_that_wants_gzip_gets_it_under_a_tag_of_its_own() -> None:
    response = answer({"Accept-Encoding": "gzip, deflate"})
    assert gzip.decompress(response.data) == BODY
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["ETag"] == f'"{ETAG}-gzip"'
    assert response.headers["Vary"] == FEED_VARY
    assert response.headers["Content-Length"] == str(len(response.data))


@pytest.mark.parametrize("wish", ["br", "gzip, deflate, br", "gzip;q=0.9, br", "*"])
def test_a_client_that_takes_brotli_gets_it_under_a_tag_of_its_own(wish: str) -> None:
    response = answer({"Accept-Encoding": wish})
    assert brotli.decompress(response.data) == BODY
    assert response.headers["Content-Encoding"] == "br"
    assert response.headers["ETag"] == f'"{ETAG}-br"'


@pytest.mark.parametrize(
    "wish", ["gzip;q=0", "identity, gzip;q=0.5", "*;q=0", "deflate", "gzip;q=0.5, identity;q=1", "br;q=0"]
)
def test_a_client_that_prefers_no_encoding_gets_none(wish: str) -> None:
    assert answer({"Accept-Encoding": wish}).data == BODY


@pytest.mark.parametrize("wish", ["gzip", "br", "*"])
def test_a_document_that_no_encoding_would_shorten_is_sent_as_it_is(wish: str) -> None:
    short = Representation(b"short", "text/plain", digest(b"short"))
    response = answer({"Accept-Encoding": wish}, document=short)
    assert response.data == b"short"
    assert response.headers["ETag"] == f'"{digest(b"short")}"'


# --- If-None-Match

SUFFIXES = ["", "-gzip", ";gzip", "--gzip", "-br", "-deflate", "-zstd"]


@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "shape", ['"{}"', 'W/"{}"', "{}", "W/{}", '"other", "{}"', 'W/"a",W/"{}" , "c"', '  "{}"  ', '"", "{}"']
)
def test_whoever_names_the_current_document_gets_304(encoding: str, suffix: str, shape: str) -> None:
    response = answer({"Accept-Encoding": encoding, "If-None-Match": shape.format(ETAG + suffix)})
    assert response.status_code == 304


def test_an_asterisk_names_whatever_there_is() -> None:
    assert answer({"If-None-Match": "*"}).status_code == 304


@pytest.mark.parametrize(
    "tags",
    [
        '""',
        '"other"',
        f'"x{ETAG}"',
        f'"{ETAG}x"',
        f'"{ETAG}-"',
        f'"{ETAG}-gzip-old"',
        f'"{ETAG}gzip"',
        f'"{ETAG.upper()}"' if ETAG.upper() != ETAG else '"A"',
        f'"{ETAG[:-1]}"',
        '"-gzip"',
        ",,,",
        '"',
        f'"{ETAG} "',
    ],
)
def test_whoever_names_something_else_gets_the_document(tags: str) -> None:
    assert answer({"If-None-Match": tags}).status_code == 200


def test_a_304_carries_what_a_cache_must_know_and_nothing_of_the_content() -> None:
    response = answer({"Accept-Encoding": "gzip", "If-None-Match": f'"{ETAG}"'})
    headers = dict(response.get_wsgi_headers({}))
    assert headers["ETag"] == f'"{ETAG}-gzip"'
    assert headers["Vary"] == FEED_VARY
    assert headers["Cache-Control"] == "max-age=300"
    assert headers["Link"] == "<a>; rel=b"
    assert not {"Content-Type", "Content-Length", "Content-Encoding"} & set(headers)


@given(tags=st.text(alphabet='W/"*,; -gzipbr\t' + ETAG[:4]) | st.just(f'"{ETAG}"'), inside=st.booleans())
def test_no_list_of_tags_is_an_error(tags: str, inside: bool) -> None:
    named = f'{tags}, "{ETAG}"' if inside and tags.count('"') % 2 == 0 else tags
    response = answer({"If-None-Match": named})
    assert response.status_code == 304 if inside and named != tags else (200, 304)


@pytest.mark.parametrize(
    "piece",
    [
        '"0123456789abcdef0123456789abcdef", ',
        '"',
        '"a,',
        "W/",
        "-gzip",
        f"{ETAG}-gzip",
        ";gzip;gzip",
        "*,",
        " ,",
    ],
)
def test_a_megabyte_of_tags_is_read_in_linear_time(piece: str) -> None:
    def seconds(length: int) -> float:
        tags = (piece * (length // len(piece) + 1))[:length]
        taken = []
        for _ in range(3):  # of which the least is told: other programs add to the rest
            begun = time.process_time()
            answer({"If-None-Match": tags})
            taken.append(time.process_time() - begun)
        return min(taken)

    seconds(1000)
    # 16 times as long may take 16 times as long, and some more for noise; quadratic would be 256.
    assert seconds(1_000_000) < 64 * max(seconds(62_500), 0.002)


# --- If-Modified-Since


def http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("since", "status"),
    [
        (http_date(NOON), 304),
        (http_date(NOON + timedelta(seconds=1)), 200),  # later than now, as are the next ones
        (http_date(NOON + timedelta(days=4000)), 200),
        (http_date(NOON - timedelta(seconds=1)), 200),
        ("Sunday, 01-Jun-25 12:00:00 GMT", 304),
        ("Sun Jun  1 12:00:00 2025", 304),
        ("Sun, 01 Jun 2025 14:00:00 +0200", 304),
        ("2025-06-01", 200),
        ("yesterday", 200),
        ("", 200),
        ("0", 200),
        ("-1", 200),
        ("Sun, 99 Jun 2025 12:00:00 GMT", 200),
        ("Sun, 01 Jun 99999 12:00:00 GMT", 200),
        ("Sun, 01 Jun 2025 12:00:00 +9999999999999", 200),
        ("Fri, 31 Dec 9999 23:00:00 -0300", 200),
        ("٠", 200),
    ],
)
def test_a_date_decides_when_it_is_one(since: str, status: int) -> None:
    assert answer({"If-Modified-Since": since}).status_code == status


@pytest.mark.parametrize("since", [http_date(NOON), http_date(NOON + timedelta(days=1))])
def test_tags_count_and_dates_do_not_where_a_client_sends_both(since: str) -> None:
    assert answer({"If-None-Match": '"other"', "If-Modified-Since": since}).status_code == 200
    old = http_date(NOON - timedelta(days=1))
    assert answer({"If-None-Match": f'"{ETAG}"', "If-Modified-Since": old}).status_code == 304


def test_a_date_whose_second_has_not_come_is_not_told_and_not_compared() -> None:
    early = NOON - timedelta(milliseconds=1)
    response = answer({"If-Modified-Since": http_date(NOON)}, now=early)
    assert response.status_code == 200
    assert "Last-Modified" not in response.headers
    assert answer(now=NOON).headers["Last-Modified"] == "Sun, 01 Jun 2025 12:00:00 GMT"


@pytest.mark.parametrize("ahead", [timedelta(seconds=1), timedelta(days=1), timedelta(days=36_500)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_date_later_than_now_is_ignored(ahead: timedelta, method: str) -> None:
    """Otherwise a client whose clock is ahead would be told 304 for a change that it never saw."""
    later = {"If-Modified-Since": http_date(NOON + timedelta(hours=1) + ahead)}
    assert answer(later, method=method, now=NOON + timedelta(hours=1)).status_code == 200
    assert answer({**later, "If-None-Match": '"other"'}, method=method).status_code == 200
    assert answer({**later, "If-None-Match": f'"{ETAG}"'}, method=method).status_code == 304


def test_a_date_between_the_document_and_now_is_a_304() -> None:
    asked = {"If-Modified-Since": http_date(NOON + timedelta(hours=1))}
    assert answer(asked, now=NOON + timedelta(hours=1)).status_code == 304


def test_a_document_without_a_date_is_never_unmodified_since_one() -> None:
    undated = Representation(BODY, "text/html", ETAG)
    assert answer({"If-Modified-Since": http_date(NOON)}, document=undated).status_code == 200


# --- If-Match and If-Unmodified-Since

OLD, NEW = http_date(NOON - timedelta(seconds=1)), http_date(NOON)


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"If-Match": "*"}, 200),
        ({"If-Match": f'"{ETAG}"'}, 200),
        ({"If-Match": f'"other", "{ETAG}"'}, 200),
        ({"If-Match": f'"{ETAG}"', "If-None-Match": f'"{ETAG}"'}, 304),
        ({"If-Match": f'"{ETAG}"', "If-None-Match": '"other"'}, 200),
        ({"If-Match": f'"{ETAG}"', "If-Unmodified-Since": OLD}, 200),
        ({"If-Match": f'"{ETAG}"', "If-Modified-Since": NEW}, 304),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": f'W/"{ETAG}"'}, 412),  # the comparison is strong
        ({"If-Match": f'"{ETAG}-gzip"'}, 412),  # and of what is sent
        ({"If-Match": '"other"', "If-None-Match": f'"{ETAG}"'}, 412),
        ({"If-Match": '"other"', "If-Unmodified-Since": NEW}, 412),
        ({"If-Unmodified-Since": NEW}, 200),
        ({"If-Unmodified-Since": http_date(NOON + timedelta(days=1))}, 200),
        ({"If-Unmodified-Since": OLD}, 412),
        ({"If-Unmodified-Since": OLD, "If-None-Match": f'"{ETAG}"'}, 412),
        ({"If-Unmodified-Since": NEW, "If-None-Match": f'"{ETAG}"'}, 304),
        ({"If-Unmodified-Since": "yesterday"}, 200),
        ({"If-Unmodified-Since": "Sun, 01 Jun 2025 12:00:00 +99999999999"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_preconditions_come_before_the_question_whether_something_changed(
    conditions: dict[str, str], status: int, method: str
) -> None:
    assert answer(conditions, method=method).status_code == status


@pytest.mark.parametrize("conditions", [{"If-Match": '"other"'}, {"If-Unmodified-Since": OLD}])
def test_a_failed_precondition_is_answered_without_the_document(conditions: dict[str, str]) -> None:
    response = answer({**conditions, "Accept-Encoding": "gzip"})
    assert response.status_code == 412
    assert len(response.data) < 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert not {"ETag", "Last-Modified", "Content-Encoding", "Link"} & set(response.headers.keys())


def test_a_document_without_a_date_was_not_modified_since_any() -> None:
    undated = Representation(BODY, "text/html", ETAG)
    assert answer({"If-Unmodified-Since": OLD}, document=undated).status_code == 200


# --- HEAD, ranges, pages


@pytest.mark.parametrize("wish", ["identity", "gzip", "br"])
def test_head_gets_the_headers_of_get(wish: str) -> None:
    got = answer({"Accept-Encoding": wish})
    head = answer({"Accept-Encoding": wish}, method="HEAD")
    assert dict(head.headers) == dict(got.headers)


def test_a_range_is_not_served_in_part() -> None:
    response = answer({"Range": "bytes=0-9"})
    assert response.status_code == 200
    assert response.data == BODY


def test_a_page_is_conditional_and_an_error_is_not() -> None:
    request = EnvironBuilder().get_request(WerkzeugRequest)
    page = page_response(request, "<p>page", cache_control="max-age=60")  # type: ignore[arg-type]  # as above
    again = EnvironBuilder(headers=[("If-None-Match", page.headers["ETag"])]).get_request(WerkzeugRequest)
    assert page_response(again, "<p>page", cache_control="max-age=60").status_code == 304  # type: ignore[arg-type]  # as above
    error = page_response(again, "<p>page", cache_control="no-store", status=404)  # type: ignore[arg-type]  # as above
    assert error.status_code == 404
    assert "ETag" not in error.headers
    for response in (page, error):
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_the_cache_policy_says_how_long_stale_answers_may_serve() -> None:
    policy = CachePolicy(max_age=300, stale_while_revalidate=60, stale_if_error=7, page_max_age=5)
    assert policy.of_feeds() == "max-age=300, stale-while-revalidate=60, stale-if-error=7"
    assert policy.of_pages() == "max-age=5, stale-if-error=7"


def test_a_preflight_allows_what_feed_readers_send() -> None:
    response = responses.preflight_response()
    assert response.status_code == 204
    assert "Content-Type" not in response.headers
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert {"*", "authorization", "if-none-match", "if-modified-since", "a-im"} <= set(allowed.split(", "))
    assert response.headers["Access-Control-Max-Age"] == "86400"
