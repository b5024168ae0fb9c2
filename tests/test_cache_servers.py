"""The cache in real servers: TLS, passwords, rights, one prefix per site, and the locks of Redis."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from certificates import Authority, needs_openssl
from redis_servers import SECRET, RedisServer, needs_client, needs_redis, redis_server, wait_for_port
from servers import PATIENCE, free_port, settings_of

from feedserver.errors import SettingsError
from feedserver.feeds import memcached
from feedserver.feeds.cache import FeedCache, open_cache
from feedserver.feeds.cache_servers import Claim, ServerAccess
from feedserver.wiring.application import warn_of_cache

SITE = "https://feeds.example"
VALUE = b"<feed/>" * 1000
NAME, VERSION, SERIES = "name", "version", "series"
PATIENT = f"socket_timeout={PATIENCE}&socket_connect_timeout={PATIENCE}"
# The commands that the guide allows in Redis; cachelib before 0.15 needs `SETEX`.
COMMANDS = ("+get", "+set", "+setex", "+eval", "+getrange", "+del")

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """A connection lives as long as its process, so the cache closes none."""
    yield
    gc.collect()


def cache_at(url: str, access: ServerAccess | None = None, secret: str = SECRET) -> FeedCache:
    """A cache as another machine opens it, but patient with a server on a busy machine."""
    patient = url if url.startswith("memcached") else f"{url}{'&' if '?' in url else '?'}{PATIENT}"
    access = access or ServerAccess(SITE)
    return open_cache(patient, Path("unused"), lambda: secret, max_age=600, max_size=1, access=access)


def keeps(cache: FeedCache) -> bool:
    """Whether a value that is set comes back; if not, that was a failure."""
    cache.set(NAME, VALUE, VERSION)
    kept = cache.get(NAME, VERSION) == VALUE
    assert kept == (cache.failures == 0)
    return kept


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


# --- TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def with_tls(authority: Authority, certificate: tuple[Path, Path], clients: str = "no") -> list[str]:
    files = ["--tls-cert-file", str(certificate[0]), "--tls-key-file", str(certificate[1])]
    return [*files, "--tls-ca-cert-file", str(authority.certificate), "--tls-auth-clients", clients]


@needs_redis
@needs_openssl
def test_redis_is_trusted_by_the_authority_that_the_url_names(authority: Authority, tmp_path: Path) -> None:
    with redis_server(tmp_path, *with_tls(authority, authority.issue("server"))) as server:
        url = f"rediss://127.0.0.1:{server.port}/0"
        assert keeps(cache_at(f"{url}?ssl_ca_certs={authority.certificate}"))
        other = Authority(tmp_path / "other")
        assert not keeps(cache_at(f"{url}?ssl_ca_certs={other.certificate}"))
        assert not keeps(cache_at(url))  # the authorities of the system
        assert not keeps(cache_at(f"redis://127.0.0.1:{server.port}/0"))


@needs_redis
@needs_openssl
def test_a_certificate_of_another_host_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    with redis_server(tmp_path, *with_tls(authority, authority.issue("server", "IP:127.0.0.9"))) as server:
        url = f"rediss://127.0.0.1:{server.port}/0?ssl_ca_certs={authority.certificate}"
        assert not keeps(cache_at(url))
        assert keeps(cache_at(f"{url}&ssl_check_hostname=false"))


@needs_redis
@needs_openssl
def test_redis_may_ask_for_a_certificate_of_the_client(authority: Authority, tmp_path: Path) -> None:
    with redis_server(tmp_path, *with_tls(authority, authority.issue("server"), "yes")) as server:
        certificate, key = authority.issue("client", "DNS:client.example")
        url = f"rediss://127.0.0.1:{server.port}/0?ssl_ca_certs={authority.certificate}"
        assert keeps(cache_at(f"{url}&ssl_certfile={certificate}&ssl_keyfile={key}"))
        assert not keeps(cache_at(url))


@needs_client
@pytest.mark.parametrize(
    "url",
    ["redis://127.0.0.1?ssl_ca_certs=ca.pem", "rediss://127.0.0.1?ssl_ca_cert=ca.pem", "redis://a?db=x"],
)
def test_a_parameter_that_is_not_known_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match=r"cache\.url: a parameter"):
        open_cache(url, Path("unused"), lambda: SECRET, max_age=60, max_size=1)


# --- Passwords and rights


@needs_redis
def test_the_password_is_in_the_url_the_settings_or_a_file(tmp_path: Path) -> None:
    word = "h:u/s@h"
    file = tmp_path / "password"
    file.write_text(f"{word}\nand a second line\n")
    with redis_server(tmp_path, "--requirepass", word) as server:
        address = f"127.0.0.1:{server.port}/0"
        assert keeps(cache_at(f"redis://:h%3Au%2Fs%40h@{address}"))
        assert keeps(cache_at(f"redis://{address}", ServerAccess(SITE, password=word)))
        assert keeps(cache_at(f"redis://{address}", ServerAccess(SITE, password_file=str(file))))
        assert not keeps(cache_at(f"redis://{address}"))
        assert not keeps(cache_at(f"redis://:wrong@{address}"))
        assert not keeps(
            cache_at(f"redis://{address}", ServerAccess(SITE, password_file=str(tmp_path / "x")))
        )


@needs_redis
def test_a_user_needs_the_commands_of_the_guide_and_the_keys_of_its_site(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rights = (*COMMANDS, "~feedserver:feeds.example:*")
    user = f"user feeds on >word {' '.join(rights)}\nuser default off\n"
    (tmp_path / "users").write_text(user)
    with redis_server(tmp_path, "--aclfile", str(tmp_path / "users")) as server:
        url = f"redis://feeds@127.0.0.1:{server.port}"
        ours = cache_at(url, ServerAccess(SITE, password="word"))  # noqa: S106  a test
        assert keeps(ours)
        assert ours.claim("other", VERSION, "token", PATIENCE) is Claim.OURS
        ours.release("other", VERSION, "token")
        assert ours.claim("other", VERSION, "another", PATIENCE) is Claim.OURS
        assert ours.failures == 0
        theirs = cache_at(url, ServerAccess("https://other.example", password="word"))  # noqa: S106
        assert not keeps(theirs)
        assert theirs.claim("other", VERSION, "token", PATIENCE) is None
    assert "word" not in caplog.text


# --- Sites


@needs_redis
def test_two_sites_on_one_redis_never_meet_even_with_one_secret(server: RedisServer) -> None:
    sites = [cache_at(server.url, ServerAccess(site)) for site in (SITE, f"{SITE}/blog", "https://b.example")]
    sites.append(cache_at(server.url, ServerAccess(SITE), secret="of another site that says the same"))  # noqa: S106
    for number, site in enumerate(sites):
        assert site.get(NAME, VERSION) is None
        site.set(NAME, b"%d" % number, VERSION, SERIES)
        assert site.claim("other", VERSION, "token", PATIENCE) is Claim.OURS
    assert [site.get(NAME, VERSION) for site in sites] == [b"0", b"1", b"2", b"3"]
    assert [site.failures for site in sites] == [0] * 4


@needs_redis
def test_an_operator_finds_and_deletes_the_keys_of_one_site(server: RedisServer) -> None:
    ours, theirs = (cache_at(server.url, ServerAccess(site)) for site in (SITE, "https://b.example"))
    assert keeps(ours)
    assert keeps(theirs)
    keys = server.ask("--scan", "--pattern", "feedserver:feeds.example:*")
    assert len(keys) == 1
    server.ask("DEL", *keys)
    assert (ours.get(NAME, VERSION), theirs.get(NAME, VERSION)) == (None, VALUE)


def test_any_site_has_a_prefix_that_servers_and_patterns_take() -> None:
    for site, prefix in (
        ("https://Feeds.Example/a b/*", "feedserver:feeds.example/a_b/_:"),
        ("http://[::1]:8000", "feedserver:_::1_:8000:"),
        (f"https://{'x' * 300}", f"feedserver:{'x' * 150}:"),
    ):
        assert ServerAccess(site).prefix == prefix


# --- Locks


@needs_redis
def test_a_lock_belongs_to_one_claim_until_it_is_released(server: RedisServer) -> None:
    first, second = cache_at(server.url), cache_at(server.url)
    assert first.claim(NAME, VERSION, "first", PATIENCE) is Claim.OURS
    assert second.claim(NAME, VERSION, "second", PATIENCE) is Claim.TAKEN
    assert second.claim(NAME, "another version", "second", PATIENCE) is Claim.OURS
    second.release(NAME, VERSION, "second")  # not its own
    assert second.claim(NAME, VERSION, "second", PATIENCE) is Claim.TAKEN
    first.release(NAME, VERSION, "first")
    assert second.claim(NAME, VERSION, "second", PATIENCE) is Claim.OURS
    assert (first.failures, second.failures) == (0, 0)


@needs_redis
def test_a_lock_ends_by_itself_and_then_only_its_new_holder_frees_it(server: RedisServer) -> None:
    dead, alive = cache_at(server.url), cache_at(server.url)
    assert dead.claim(NAME, VERSION, "dead", 0.05) is Claim.OURS
    claim = None
    while claim is not Claim.OURS:
        claim = alive.claim(NAME, VERSION, "alive", PATIENCE)
        assert claim is not None
    dead.release(NAME, VERSION, "dead")
    assert dead.claim(NAME, VERSION, "dead", PATIENCE) is Claim.TAKEN


@needs_redis
def test_nobody_gets_a_lock_where_there_is_a_copy_of_the_version(server: RedisServer) -> None:
    first, second = cache_at(server.url), cache_at(server.url)
    assert first.claim(NAME, VERSION, "first", PATIENCE) is Claim.OURS
    assert first.set(NAME, VALUE, VERSION, SERIES)
    assert second.claim(NAME, VERSION, "second", PATIENCE) is Claim.VALUE
    assert second.claim(NAME, "a newer version", "second", PATIENCE) is Claim.OURS
    copy = second.find(NAME, VERSION, SERIES)
    assert copy is not None
    assert copy == (VALUE, True)
    assert second.find(NAME, VERSION, "another series") == (VALUE, False)


@needs_redis
def test_a_full_redis_has_no_locks_and_costs_no_wait(server: RedisServer) -> None:
    server.ask("CONFIG", "SET", "maxmemory", "1")
    cache = cache_at(server.url)
    assert cache.claim(NAME, VERSION, "token", PATIENCE) is None
    assert not cache.set(NAME, VALUE, VERSION)
    assert cache.get(NAME, VERSION) is None


@pytest.mark.parametrize("url", ["", "memory://", "null://"])
def test_other_caches_have_no_locks(url: str, tmp_path: Path) -> None:
    cache = open_cache(url, tmp_path, lambda: SECRET, max_age=60, max_size=10_000_000)
    assert cache.claim(NAME, VERSION, "token", PATIENCE) is None
    cache.release(NAME, VERSION, "token")
    assert cache.failures == 0


# --- Memcached


needs_memcached = pytest.mark.skipif(
    shutil.which("memcached") is None or find_spec("pymemcache") is None,
    reason="needs memcached and feedserver[memcached]",
)


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for a Memcached on a busy machine; pymemcache has no parameters of a URL."""
    monkeypatch.setattr(memcached, "_ANSWER_SECONDS", PATIENCE)


@contextlib.contextmanager
def memcached_server(*options: str) -> Iterator[str]:
    """The host and port of a running server."""
    port = free_port()
    user = pwd.getpwuid(os.geteuid()).pw_name  # which can read the files of the test
    command = ["memcached", "-l", "127.0.0.1", "-p", str(port), "-u", user, "-U", "0", "-m", "16"]
    with subprocess.Popen([*command, *options]) as process:
        try:
            wait_for_port(port, process)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def memcached_with_tls(authority: Authority, certificate: tuple[Path, Path], verifies: int = 0) -> list[str]:
    files = f"ssl_chain_cert={certificate[0]},ssl_key={certificate[1]},ssl_ca_cert={authority.certificate}"
    return ["-Z", "-o", f"{files},ssl_verify_mode={verifies}"]


@needs_memcached
@pytest.mark.usefixtures("_patient")
def test_a_real_memcached_keeps_values_of_sites_apart() -> None:
    with memcached_server() as server:
        url = f"memcached://{server}"
        long = ServerAccess(f"https://{'x' * 300}")
        ours, theirs = cache_at(url), cache_at(url, long)
        ours.set(NAME, VALUE, VERSION, SERIES)
        theirs.set(NAME, b"theirs", VERSION, SERIES)
        assert (ours.get(NAME, VERSION), theirs.get(NAME, VERSION)) == (VALUE, b"theirs")
        assert ours.claim(NAME, VERSION, "token", PATIENCE) is None
        ours.set("large", b"x" * 2_000_000)  # of a server's default limit of one megabyte
        assert ours.get("large") is None
        assert keeps(theirs)


@needs_memcached
@needs_openssl
@pytest.mark.usefixtures("_patient")
def test_memcached_is_trusted_by_the_authority_and_the_host_that_the_url_names(
    authority: Authority, tmp_path: Path
) -> None:
    with memcached_server(*memcached_with_tls(authority, authority.issue("server"))) as server:
        assert keeps(cache_at(f"memcacheds://{server}?ssl_ca_certs={authority.certificate}"))
        other = Authority(tmp_path / "other")
        assert not keeps(cache_at(f"memcacheds://{server}?ssl_ca_certs={other.certificate}"))
        assert not keeps(cache_at(f"memcacheds://{server}"))  # the authorities of the system
    with memcached_server(*memcached_with_tls(authority, authority.issue("b", "IP:127.0.0.9"))) as server:
        assert not keeps(cache_at(f"memcacheds://{server}?ssl_ca_certs={authority.certificate}"))


@needs_memcached
@needs_openssl
@pytest.mark.usefixtures("_patient")
def test_memcached_may_ask_for_a_certificate_of_the_client(authority: Authority) -> None:
    with memcached_server(*memcached_with_tls(authority, authority.issue("server"), 2)) as server:
        certificate, key = authority.issue("client", "DNS:client.example")
        url = f"memcacheds://{server}?ssl_ca_certs={authority.certificate}"
        assert keeps(cache_at(f"{url}&ssl_certfile={certificate}&ssl_keyfile={key}"))
        assert not keeps(cache_at(url))


@needs_memcached
@pytest.mark.usefixtures("_patient")
def test_a_user_of_memcached_has_a_password_in_the_url_the_settings_or_a_file(tmp_path: Path) -> None:
    word = "h:u/s@h"
    (tmp_path / "users").write_text(f"feeds:{word}\n")
    file = tmp_path / "password"
    file.write_text(f"{word}\n")
    with memcached_server("-Y", str(tmp_path / "users")) as server:
        assert keeps(cache_at(f"memcached://feeds:h%3Au%2Fs%40h@{server}"))
        url = f"memcached://feeds@{server}"
        assert keeps(cache_at(url, ServerAccess(SITE, password=word)))
        assert keeps(cache_at(url, ServerAccess(SITE, password_file=str(file))))
        assert not keeps(cache_at(url, ServerAccess(SITE, password="wrong")))  # noqa: S106  a test
        assert not keeps(cache_at(f"memcached://{server}"))


@needs_memcached
@pytest.mark.usefixtures("_patient")
def test_a_memcached_that_asks_for_no_user_keeps_no_password() -> None:
    with memcached_server() as server:
        assert keeps(cache_at(f"memcached://feeds:word@{server}"))
        host, _, port = server.partition(":")
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rwb") as lines:
            lines.write(b"get feedserver:feeds.example:user\r\n")
            lines.flush()
            assert lines.readline() == b"END\r\n"


@pytest.mark.skipif(find_spec("pymemcache") is None, reason="needs feedserver[memcached]")
@pytest.mark.parametrize(
    ("url", "password", "reason"),
    [
        ("memcached://a:1?ssl_ca_certs=x", "", "memcached:// has no parameter ssl_ca_certs"),
        ("memcacheds://a:1?ssl_ca_cert=x", "", "memcacheds:// has no parameter ssl_ca_cert"),
        ("memcached://user@a:1", "", "needs a user and a password, or neither"),
        ("memcached://a:1", "word", "needs a user and a password, or neither"),
    ],
)
def test_a_url_of_memcached_that_cannot_be_used_is_refused_at_the_start(
    url: str, password: str, reason: str
) -> None:
    with pytest.raises(SettingsError, match=f"cache.url: .*{re.escape(reason)}"):
        cache_at(url, ServerAccess(SITE, password=password))


# --- At the start


@pytest.mark.parametrize(
    ("cache", "database", "is_warned"),
    [
        ({"url": "redis://cache"}, "postgresql://database/feeds", True),
        ({"url": "memcached://cache:11211"}, "postgresql://database/feeds", True),
        ({"url": "redis://cache", "secret": SECRET}, "postgresql://database/feeds", False),
        ({"url": "redis://cache"}, "", False),
        ({}, "postgresql://database/feeds", False),
    ],
)
def test_machines_that_share_no_secret_are_warned_of(
    cache: dict[str, str], database: str, is_warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(tmp_path, tmp_path, cache=cache, index={"url": database})
    with caplog.at_level(logging.WARNING):
        warn_of_cache(settings)
    assert ("cache.secret is empty" in caplog.text) is is_warned
