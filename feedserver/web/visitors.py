"""Properties of a request: a browser that opens an address, a client on this machine, an operator.

Pure: judges a request by its headers and its peer, and answers nothing. Keeps promise 6 for the status: a
request counts as local only if that is certain.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from urllib.parse import parse_qs

from flask import Request

# A request with one of these headers came through a proxy, whose address says nothing about the client's.
_PROXY_HEADER = re.compile(
    r"forwarded|x-forwarded.*|via|(?:x-real|x-client|true-client|cf-connecting)-ip", re.IGNORECASE
)

# RFC 6750, section 2.1. The token of the settings may be any text.
_BEARER = re.compile(r"bearer +(?P<token>.+?)\s*", re.IGNORECASE | re.DOTALL)


# The request headers that `is_navigation` reads. Answers that depend on it name them in `Vary`.
NAVIGATION_HEADERS = ("Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site")


def is_navigation(asked: Request) -> bool:
    """Whether a browser opens the address in a tab, and not by a link of this site (Fetch Metadata)."""
    return (
        asked.headers.get("Sec-Fetch-Mode") == "navigate"
        and asked.headers.get("Sec-Fetch-Dest") == "document"
        and asked.headers.get("Sec-Fetch-Site", "") not in ("", "same-origin")
    )


def wants_websocket(asked: Request) -> bool:
    """Whether a request wants to change to the WebSocket protocol (RFC 6455 section 4.2.1)."""
    options = asked.headers.get("Connection", "").lower().split(",")
    return "upgrade" in map(str.strip, options) and asked.headers.get("Upgrade", "").lower() == "websocket"


def is_on_this_machine(asked: Request) -> bool:
    """Whether the client is on this machine and is not a proxy for other clients.

    A proxy is recognised by its headers, by a public name in `Host`, or by HTTP/1.0, which nginx uses for the
    servers behind it by default. A public name in `Host` also reveals a page of another site whose DNS points
    to this machine. A script of another site, in a browser on this machine, sends `Origin`; scripts of this
    site send none with GET.
    """
    return (
        _is_loopback(asked.remote_addr)
        and _is_loopback(re.sub(r":\d*$", "", asked.host).strip("[]"))
        and asked.environ.get("SERVER_PROTOCOL") != "HTTP/1.0"
        and "Origin" not in asked.headers
        and not any(_PROXY_HEADER.fullmatch(name) for name, _ in asked.headers)
    )


def has_token(asked: Request, token: str) -> bool:
    """Whether the request has the token, as a bearer or as `?token=`; an empty token is never valid."""
    # Parsed here, because Werkzeug 3.1 raises for `Basic` followed by a byte beyond ASCII.
    bearer = _BEARER.fullmatch(asked.environ.get("HTTP_AUTHORIZATION", ""))
    # Not `request.args`, which fails for a query that is not UTF-8.
    query = parse_qs(asked.query_string.decode("latin-1"), errors="surrogateescape").get("token", [])
    shown = [one.encode("utf-8", "surrogateescape") for one in query]
    if bearer is not None:
        shown.append(bearer["token"].encode("latin-1"))  # the bytes as they were sent (PEP 3333)
    return bool(token) and any(hmac.compare_digest(one, token.encode()) for one in shown)


def _is_loopback(host: str | None) -> bool:
    """Whether a host is this machine. The peer of a Unix socket has no address, and is probably a proxy."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
