"""Who asks: a person who opened an address in a browser, somebody on this machine, an operator.

Pure: judges a request by its headers and its peer, and answers nothing. Keeps promise 6 for the status:
where it is not certain that a request comes from this machine, it does not.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from urllib.parse import parse_qs

from flask import Request

# A request with one of these came through a proxy, whose own address says nothing of the client's.
_PROXY_HEADER = re.compile(
    r"forwarded|x-forwarded.*|via|(?:x-real|x-client|true-client|cf-connecting)-ip", re.IGNORECASE
)


def is_navigation(asked: Request) -> bool:
    """Whether a person opened the address in a browser, other than by a link of ours (Fetch Metadata)."""
    return (
        asked.headers.get("Sec-Fetch-Mode") == "navigate"
        and asked.headers.get("Sec-Fetch-Dest") == "document"
        and asked.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin"
    )


def is_on_this_machine(asked: Request) -> bool:
    """Whether the client is on this machine, and is no proxy on this machine that speaks for others.

    A proxy gives itself away by its headers, by a public name in Host (which is also how a page of
    elsewhere shows itself that was pointed here by its DNS), or by HTTP/1.0, which is what nginx
    speaks to the servers behind it unless told otherwise.
    """
    return (
        _is_loopback(asked.remote_addr)
        and _is_loopback(re.sub(r":\d*$", "", asked.host).strip("[]"))
        and asked.environ.get("SERVER_PROTOCOL") != "HTTP/1.0"
        and not any(_PROXY_HEADER.fullmatch(name) for name, _ in asked.headers)
    )


def has_token(asked: Request, token: str) -> bool:
    """Whether the request shows the token, as a bearer or as `?token=`; nobody shows an empty one."""
    bearer = asked.authorization.token if asked.authorization else None
    # Not by request.args, which fails for a query that is not UTF-8.
    query = parse_qs(asked.query_string.decode("latin-1"), errors="surrogateescape").get("token", [])
    shown = [one.encode("utf-8", "surrogateescape") for one in (bearer, *query) if one]
    return bool(token) and any(hmac.compare_digest(one, token.encode()) for one in shown)


def _is_loopback(host: str | None) -> bool:
    """Whether a host is this machine; the peer of a Unix socket has none, and is likely a proxy."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
