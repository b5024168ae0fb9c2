"""Rules of HTTP/1.1 for a request head that gunicorn 27 leaves to its user (RFC 9112).

A hook that gunicorn calls with each parsed request. It refuses a request without exactly one valid `Host`,
and closes the connection if `Connection` says so among other options. Reads no bodies, and does not know the
application.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gunicorn.http.errors import InvalidHeader
from gunicorn.http.message import Request

# `uri-host [":" port]` of RFC 9110 section 7.2; empty if the target has no authority.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")


def pre_request(_worker: object, request: Request) -> None:
    """Called by gunicorn before it answers a request.

    Raises:
        InvalidHeader: for gunicorn, which answers 400 and closes the connection.
    """
    hosts, options = [], []
    for name, value in request.headers:
        if name == "HOST":
            hosts.append(value)
        elif name == "CONNECTION":
            options.append(value)
    if request.version == (1, 1) and not is_one_host(hosts):
        raise InvalidHeader("HOST", req=request)
    if says_close(options):
        request.force_close()


def is_one_host(hosts: Sequence[str]) -> bool:
    """Whether there is one `Host` line, with a valid value (RFC 9112 section 3.2)."""
    return len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None


def says_close(lines: Sequence[str]) -> bool:
    """Whether `close` is among the options of the `Connection` lines (RFC 9112 section 9.6).

    gunicorn sees it only if it is the whole value of the first line.
    """
    options = ",".join(lines).lower()
    return "close" in options and "close" in (option.strip(" \t") for option in options.split(","))
