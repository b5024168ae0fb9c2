"""URLs of the web, as feeds may hold them: absolute, http or https, ASCII only.

IRIs become URIs (RFC 3987 section 3.1), because aggregators do not agree on anything else (RSS profile
section 3.4). Nothing is fetched.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit

# URLs that need no work: nearly all real ones. Must agree with the full algorithm (a property test). Runs of
# characters are possessive: a choice for each one took 4.0 µs for the address of a picture, this 0.3.
_READY = re.compile(
    r"https?://[a-z0-9][a-z0-9-]*+(?:\.[a-z0-9][a-z0-9-]*+)++"
    r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]++|%[0-9A-Fa-f]{2})*+)?"
    r"(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]++|%[0-9A-Fa-f]{2})++)?"
)
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*)(?:\.[a-z0-9_][a-z0-9_-]*)*\.?")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_MAX_HOST = 253  # RFC 1035 section 2.3.4; also bounds the work of the IDNA codec
_MAX_URL = 8_192  # nginx and Apache refuse longer request lines
# `urlsplit` normalises a host before its length can be checked, in quadratic time.
_LONG_AUTHORITY = re.compile(r"[^/?#]*+//[^/?#]{500}")
_SAFE = "%/:@!$&'()*+,;=~"


def absolute_url(text: str, base: str = "") -> str | None:
    """The absolute http(s) URL that a text means, in ASCII; None if it is relative and there is no base.

    Raises:
        ValueError: it is no URL of the web: another scheme, no or a malformed host or port, control
            characters, more than 8,192 characters.
    """
    url = text.strip()
    if _READY.fullmatch(url) and len(url) <= _MAX_HOST:
        return url
    if len(url) > _MAX_URL or _LONG_AUTHORITY.match(url):
        raise ValueError("too long")
    if _FORBIDDEN.search(url):
        raise ValueError("control character in a URL")
    if not urlsplit(url).scheme:
        if not url or not base:
            return None
        url = urljoin(base, url)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise ValueError("not a URL of the web")
    return urlunsplit(
        SplitResult(
            parts.scheme,
            _authority(parts),
            _encoded(parts.path),
            _encoded(parts.query, "?"),
            _encoded(parts.fragment, "?"),
        )
    )


def _authority(parts: SplitResult) -> str:
    user, at, _ = parts.netloc.rpartition("@")
    port = "" if parts.port is None else f":{parts.port}"
    return f"{_encoded(user)}{at}{_host(parts)}{port}"


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if len(host) > _MAX_HOST:
        raise ValueError("host too long")
    if ":" in host:
        return f"[{IPv6Address(host)}]"
    if not host.isascii():
        host = host.encode("idna").decode("ascii").lower()
    if not _HOST.fullmatch(host):
        raise ValueError("no or a malformed host")
    return host


def _encoded(part: str, also_safe: str = "") -> str:
    return quote(_LONE_PERCENT.sub("%25", part), safe=_SAFE + also_safe)
