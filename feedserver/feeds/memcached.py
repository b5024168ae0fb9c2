"""The cache in Memcached, through cachelib and pymemcache, with TLS, and with a user and a password.

pymemcache 4.0 knows neither users nor URLs. Memcached with a file of users (`-Y`) takes the first `set` of a
connection for a user and a password, whatever its key. The private method of pymemcache that connects is
extended for that; `tests/test_cache_servers.py` tries it with a real server. Nothing is pickled. Does not
know what the values are.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from cachelib import MemcachedCache
from cachelib.base import BaseCache

from feedserver.errors import SettingsError

SCHEMES: Final = ("memcached", "memcacheds")  # the second with TLS

_ANSWER_SECONDS: Final = 0.2  # for a server to connect, and for each answer
_PARAMETERS: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def check_url(url: str, *, has_password: bool) -> None:
    """Refuse what would otherwise fail at each connection.

    Args:
        url: as of `open_memcached`.
        has_password: whether there is a password beside the URL.

    Raises:
        SettingsError: the URL has a parameter that is not known, or a user or a password without the other.
    """
    parts = urlsplit(url)
    known = _PARAMETERS if parts.scheme == SCHEMES[1] else ()
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            raise SettingsError([f"cache.url: {parts.scheme}:// has no parameter {name}"])
    if bool(parts.username) != (has_password or bool(parts.password)):
        msg = "cache.url: Memcached needs a user and a password, or neither: memcached://user@host:port"
        raise SettingsError([msg])


def open_memcached(
    package: ModuleType, url: str, password: Callable[[], str], *, max_age: int, prefix: str
) -> BaseCache:
    """The cache in a server. Connects with the first question.

    Args:
        package: `pymemcache.client.base`.
        url: `memcached://user@host:port`, or `memcacheds://…` for TLS; the user may be left out.
        password: of the user, if the URL has none.
        max_age: seconds after which a value is removed.
        prefix: of all keys.

    Raises:
        OSError: a file of a certificate cannot be read.
    """
    parts = urlsplit(url)
    # Pooled, because threads share it. It waits for replies, because an unread error garbles the next one.
    pool = _pool_class(package, prefix, _credentials(parts, password))(
        (parts.hostname, parts.port),
        connect_timeout=_ANSWER_SECONDS,
        timeout=_ANSWER_SECONDS,
        no_delay=True,
        default_noreply=False,
        tls_context=_tls(parts),
    )
    return MemcachedCache(pool, default_timeout=max_age, key_prefix=prefix)


def _credentials(parts: SplitResult, password: Callable[[], str]) -> bytes:
    if not parts.username:
        return b""
    word = unquote(parts.password) if parts.password else password()
    return f"{unquote(parts.username)} {word}".encode()


def _tls(parts: SplitResult) -> ssl.SSLContext | None:
    if parts.scheme != SCHEMES[1]:
        return None
    files = dict(parse_qsl(parts.query))
    context = ssl.create_default_context(cafile=files.get("ssl_ca_certs"))
    if "ssl_certfile" in files:
        context.load_cert_chain(files["ssl_certfile"], files.get("ssl_keyfile"))
    return context


def _pool_class(package: ModuleType, prefix: str, credentials: bytes) -> Any:
    """A class of pools whose connections begin with the credentials, if there are any."""
    # Of types that are not known here, because the package is an extra.
    client: Any = package.Client
    pool: Any = package.PooledClient
    if not credentials:
        return pool

    class Client(client):  # type: ignore[misc]  # see above
        def _connect(self) -> None:
            super()._connect()
            # A server that asks for no user takes it for a value, which it drops at once.
            self.set(f"{prefix}user", credentials, expire=-1)

    class Pool(pool):  # type: ignore[misc]  # see above
        client_class = Client

    return Pool
