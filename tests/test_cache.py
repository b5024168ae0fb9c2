"""The cache: what was set comes back or nothing does, and no failure of a backend reaches a request."""

from __future__ import annotations

import contextlib
import errno
import gc
import hashlib
import logging
import os
import pickle
import re
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cachelib import SimpleCache
from cachelib.base import BaseCache
from hypothesis import given
from hypothesis import strategies as st
from redis_servers import needs_redis, redis_server
from servers import free_port
from unprivileged import open_folder, unprivileged

from feedserver.errors import SettingsError
from feedserver.feeds import cache as caching
from feedserver.feeds.cache import FeedCache

__all__ = ["open_folder"]  # a fixture, by its name

KEY = "0123456789abcdef" * 2
SECRET = "of all processes of the tests"  # noqa: S105  no secret, a test
VALUE = b"\x00<feed>\xff</feed>" * 1000


def open_cache(
    url: str, folder: Path, max_age: int, *, max_size: int = 10_000_000, secret: str = SECRET
) -> FeedCache:
    return caching.open_cache(url, folder, lambda: secret, max_age=max_age, max_size=max_size)


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "cache"


@pytest.fixture
def cache(folder: Path) -> FeedCache:
    return open_cache("", folder, 60)


# --- What was set comes back


@pytest.mark.parametrize("url", ["", "file://{}/of%20its%20own", "memory://"])
def test_what_was_set_comes_back(url: str, tmp_path: Path) -> None:
    cache = open_cache(url.format(tmp_path), tmp_path / "cache", 60)
    assert cache.get(KEY) is None
    cache.set(KEY, VALUE)
    cache.set("other", b"")
    assert cache.get(KEY) == VALUE
    assert cache.get("other") == b""
    assert cache.failures == 0


def test_a_file_url_names_the_folder(tmp_path: Path, folder: Path) -> None:
    open_cache(f"file://{tmp_path}/of%20its%20own", folder, 60).set(KEY, VALUE)
    assert len(files_in(tmp_path / "of its own")) == 1
    assert not folder.exists()


def test_the_null_cache_keeps_nothing(folder: Path) -> None:
    cache = open_cache("null://", folder, 60)
    cache.set(KEY, VALUE)
    assert (cache.get(KEY), cache.failures, cache.sweep(time.time())) == (None, 0, 0)


@given(value=st.binary(), again=st.binary())
def test_any_bytes_come_back_and_the_last_ones_set(value: bytes, again: bytes) -> None:
    cache = open_cache("memory://", Path("unused"), 60)
    cache.set(KEY, value)
    assert cache.get(KEY) == value
    cache.set(KEY, again)
    assert cache.get(KEY) == again


def test_another_process_gets_what_was_set(folder: Path, cache: FeedCache) -> None:
    cache.set(KEY, VALUE)
    assert open_cache("", folder, 60).get(KEY) == VALUE


def test_opening_creates_and_connects_nothing(folder: Path, tmp_path: Path) -> None:
    open_cache("", folder, 60)
    open_cache(f"file://{tmp_path}/x", folder, 60)
    assert list(tmp_path.iterdir()) == []


def test_a_value_expires(folder: Path) -> None:
    cache = open_cache("", folder, 1)
    cache.set(KEY, VALUE)
    file = files_in(folder)[0]
    content = file.read_bytes()
    file.write_bytes(struct.pack("I", int(time.time()) - 1) + content[4:])
    assert cache.get(KEY) is None
    assert cache.failures == 0


# --- Values that are not what was set


def sealed_files() -> Iterator[tuple[str, bytes]]:
    expiry = struct.pack("I", int(time.time()) + 1000)
    yield "empty", b""
    yield "cut in the expiry", expiry[:3]
    yield "no digest", expiry
    yield "cut in the digest", expiry + b"\x01" * 15
    yield "wrong digest", expiry + b"\x01" * 16 + VALUE
    yield "a pickle", expiry + pickle.dumps(VALUE)


@pytest.mark.parametrize(
    "content", [content for _, content in sealed_files()], ids=[n for n, _ in sealed_files()]
)
def test_a_damaged_file_is_a_miss_and_is_healed_by_the_next_set(
    content: bytes, folder: Path, cache: FeedCache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.set(KEY, VALUE)
    files_in(folder)[0].write_bytes(content)
    assert cache.get(KEY) is None
    cache.set(KEY, VALUE)
    assert cache.get(KEY) == VALUE
    assert caplog.records == []


def test_a_file_cut_off_or_changed_anywhere_is_a_miss(folder: Path, cache: FeedCache) -> None:
    cache.set(KEY, b"<feed/>")
    file = files_in(folder)[0]
    whole = file.read_bytes()
    for index in range(len(whole)):
        file.write_bytes(whole[:index])
        assert cache.get(KEY) is None
        if index >= 4:
            file.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
            assert cache.get(KEY) is None


@pytest.mark.parametrize("stored", [3, "text", VALUE, None, [VALUE]])
def test_a_value_that_others_stored_is_a_miss(stored: object) -> None:
    backend = SimpleCache()
    backend.set(KEY, stored)
    assert FeedCache(lambda: backend, lambda: SECRET).get(KEY) is None


# --- Versions


@pytest.mark.parametrize("url", ["", "memory://"])
def test_a_value_stands_in_for_others_of_its_series_alone(url: str, folder: Path) -> None:
    cache = open_cache(url, folder, 60)
    cache.set(KEY, VALUE, "version 1", "before")
    assert cache.get(KEY, "version 1") == cache.latest(KEY) == cache.latest(KEY, "before") == VALUE
    assert cache.latest(KEY, "after") is None
    cache.set(KEY, VALUE, "version 1", "after")
    assert (cache.latest(KEY, "before"), cache.latest(KEY, "after")) == (None, VALUE)


@pytest.mark.parametrize("url", ["", "memory://"])
def test_a_new_version_takes_the_place_of_the_one_before(url: str, folder: Path) -> None:
    cache = open_cache(url, folder, 60)
    for turn in range(10):
        cache.set(KEY, b"%d" % turn, f"version {turn}")
    assert cache.get(KEY, "version 9") == cache.latest(KEY) == b"9"
    assert [cache.get(KEY, version) for version in ("version 8", "", "version 90")] == [None] * 3
    if not url:
        assert len(files_in(folder)) == 1


# --- Others who can write to the cache


class Open(BaseCache):
    """A backend that everybody can read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        self.values[key] = value
        return True


def forgeries(backend: Open, name: str, other: str) -> Iterator[bytes]:
    """All that can be made of what is stored, by somebody who knows the program but not the secret."""
    stored = backend.values[name]
    evil = b"<evil/>"
    yield backend.values[other]
    yield hashlib.blake2b(evil, digest_size=16).digest() + evil
    yield stored[:16] + backend.values[other][16:]
    yield stored[:32] + evil
    yield stored + evil
    yield stored[:16] + stored[32:]
    for guess in ("", "secret", name):
        key = guess.encode()
        yield hashlib.blake2b(stored[16:32] + evil, digest_size=16, key=key).digest() + stored[16:32] + evil
        foreign = Open()
        FeedCache(lambda: foreign, lambda: guess).set(KEY, evil, "1")  # noqa: B023  used at once
        yield next(iter(foreign.values.values()))


def test_nobody_without_the_secret_makes_a_value(folder: Path) -> None:
    backend = Open()
    cache = FeedCache(lambda: backend, lambda: SECRET)
    cache.set(KEY, VALUE, "1")
    cache.set("another", b"of another name", "1")
    name, other = backend.values
    for forged in list(forgeries(backend, name, other)):
        backend.values[name] = forged
        assert (cache.get(KEY, "1"), cache.latest(KEY)) == (None, None)
    assert cache.failures == 0


@given(data=st.data())
def test_a_value_that_was_changed_in_any_way_is_a_miss(data: st.DataObject) -> None:
    backend = Open()
    cache = FeedCache(lambda: backend, lambda: SECRET)
    cache.set(KEY, b"<feed/>", "1")
    (name,) = backend.values
    stored = backend.values[name]
    changed = data.draw(
        st.binary()
        | st.integers(0, len(stored) - 1).map(lambda at: stored[:at])
        | st.tuples(st.integers(0, len(stored) - 1), st.integers(1, 255)).map(
            lambda flip: stored[: flip[0]] + bytes([stored[flip[0]] ^ flip[1]]) + stored[flip[0] + 1 :]
        )
    )
    backend.values[name] = changed
    assert cache.latest(KEY) is None


def test_sites_with_other_secrets_share_a_backend_and_nothing_else() -> None:
    backend = Open()
    ours, theirs = FeedCache(lambda: backend, lambda: "ours"), FeedCache(lambda: backend, lambda: "theirs")
    ours.set(KEY, b"ours")
    assert theirs.get(KEY) is None
    theirs.set(KEY, b"theirs")
    assert (ours.get(KEY), theirs.get(KEY)) == (b"ours", b"theirs")


def test_without_its_secret_a_cache_keeps_and_gives_nothing(folder: Path) -> None:
    def lost() -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    backend = Open()
    cache = FeedCache(lambda: backend, lost)
    cache.set(KEY, VALUE)
    assert (cache.get(KEY), backend.values, cache.failures) == (None, {}, 2)


def plant_pipe(path: Path) -> None:
    os.mkfifo(path)


def plant_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def plant_folder(path: Path) -> None:
    path.mkdir()


def plant_huge_file(path: Path) -> None:
    path.touch()
    os.truncate(path, 10**12)  # sparse


def plant_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):
        server.bind(path.name)


@pytest.mark.parametrize(
    "plant",
    [plant_pipe, plant_link, plant_folder, plant_huge_file, plant_socket],
    ids=lambda one: one.__name__,
)
def test_what_others_put_in_place_of_a_value_is_neither_waited_for_nor_followed(
    plant: Callable[[Path], None], folder: Path, cache: FeedCache
) -> None:
    cache.set(KEY, VALUE)
    (file,) = files_in(folder)
    file.unlink()
    plant(file)
    assert cache.get(KEY) is None
    cache.set("another", VALUE)
    assert cache.get("another") == VALUE
    cache.sweep(time.time())
    assert cache.get(KEY) is None


# --- Failures


class Broken(BaseCache):
    """A backend that fails, each time in the given way, and takes the given time for it."""

    def __init__(self, *errors: Exception, seconds: float = 0) -> None:
        super().__init__()
        self.errors = list(errors)
        self.seconds = seconds
        self.now = 0.0
        self.calls = 0

    def get(self, key: str) -> Any:
        self.calls += 1
        self.now += self.seconds
        raise self.errors[(self.calls - 1) % len(self.errors)]

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        self.get(key)
        return True

    def clock(self) -> float:
        return self.now


def test_any_exception_of_a_backend_is_a_miss_and_is_counted() -> None:
    broken = Broken(ConnectionError("gone"), ValueError("odd"), RecursionError())
    cache = FeedCache(lambda: broken, lambda: SECRET)
    for _ in range(3):
        assert cache.get(KEY) is None
        cache.set(KEY, VALUE)
    assert cache.failures == 6


def test_each_kind_of_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    full, denied = OSError(errno.ENOSPC, "No space left"), OSError(errno.EACCES, "Permission denied")
    broken = Broken(full, denied, ValueError("odd"))
    cache = FeedCache(lambda: broken, lambda: SECRET)
    for _ in range(30):
        cache.get(KEY)
    assert [(record.name, record.levelno) for record in caplog.records] == [
        ("feedserver.feeds.cache", logging.WARNING)
    ] * 3
    assert "No space left" in caplog.records[0].getMessage()


def test_an_interrupt_is_no_failure_of_the_cache() -> None:
    broken = Broken(KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        FeedCache(lambda: broken, lambda: SECRET).get(KEY)


def test_a_backend_that_fails_slowly_is_left_alone_for_ten_seconds() -> None:
    broken = Broken(TimeoutError(), seconds=0.2)
    cache = FeedCache(lambda: broken, lambda: SECRET, clock=broken.clock)
    for _ in range(100):
        cache.get(KEY)
        cache.set(KEY, VALUE)
    assert broken.calls == 1
    broken.now += 10
    cache.get(KEY)
    assert broken.calls == 2


def test_a_backend_that_fails_quickly_is_asked_again() -> None:
    broken = Broken(TimeoutError())
    cache = FeedCache(lambda: broken, lambda: SECRET, clock=broken.clock)
    cache.get(KEY)
    cache.get(KEY)
    assert broken.calls == 2


def test_a_file_in_place_of_the_folder_costs_only_the_cache(folder: Path, cache: FeedCache) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("I am a file")
    for _ in range(2):
        cache.set(KEY, VALUE)
        assert cache.get(KEY) is None
    assert cache.sweep(time.time()) == 0
    assert cache.failures == 5
    assert folder.read_text() == "I am a file"


def test_a_folder_in_place_of_a_value_costs_only_that_value(
    folder: Path, cache: FeedCache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.set(KEY, VALUE)
    file = files_in(folder)[0]
    file.unlink()
    file.mkdir()
    cache.set(KEY, VALUE)
    assert cache.get(KEY) is None
    assert files_in(folder) == []  # no temporary file is left
    cache.set("other", VALUE)
    assert cache.get("other") == VALUE
    assert {record.name for record in caplog.records} == {"feedserver.feeds.cache"}


def test_a_folder_removed_while_the_server_runs_is_made_again(folder: Path, cache: FeedCache) -> None:
    cache.set(KEY, VALUE)
    for file in files_in(folder):
        file.unlink()
    folder.rmdir()
    assert cache.get(KEY) is None
    cache.set(KEY, VALUE)
    assert cache.get(KEY) == VALUE
    assert cache.failures == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_files_of_another_user_stall_no_request() -> None:
    program = f"""if True:
        import os, sys, time
        from pathlib import Path
        from feedserver.feeds.cache import open_cache
        os.setgid(65534); os.setuid(65534)
        cache = open_cache("", Path(sys.argv[1]), lambda: {SECRET!r}, max_age=60, max_size=10**7)
        start = time.monotonic()
        assert cache.get({KEY!r}) is None
        cache.set({KEY!r}, b"mine")
        assert cache.failures == 2
        assert time.monotonic() - start < 1, time.monotonic() - start
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        cache = open_cache("", folder, 60)
        cache.set(KEY, VALUE)
        subprocess.run([sys.executable, "-c", program, name], check=True, cwd=Path(__file__).parent.parent)
        assert cache.get(KEY) == VALUE


def test_a_folder_that_may_only_be_read_is_read(open_folder: Path) -> None:
    cache = open_cache("", open_folder, 60)
    cache.set(KEY, VALUE)
    for file in files_in(open_folder):
        file.chmod(0o644)
    open_folder.chmod(0o555)
    with unprivileged():
        cache.set("other", VALUE)
        assert cache.get(KEY) == VALUE
        assert cache.get("other") is None
    assert cache.failures == 1


def test_a_disk_that_is_full_costs_the_values_that_do_not_fit_and_leaves_no_scraps(folder: Path) -> None:
    """A limit of the process on file sizes stands in for the disk: a write fails half way, likewise."""
    program = f"""if True:
        import resource, sys
        from pathlib import Path
        from feedserver.feeds.cache import open_cache
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        cache = open_cache("", Path(sys.argv[1]), lambda: {SECRET!r}, max_age=60, max_size=10**7)
        cache.set({KEY!r}, b"x" * 100_000)
        assert cache.get({KEY!r}) is None
        assert cache.failures == 1
        cache.set({KEY!r}, b"fits")
        assert cache.get({KEY!r}) == b"fits"
    """
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True, cwd=Path(__file__).parent.parent)
    assert len(files_in(folder)) == 1


# --- Sweeping


def test_sweeping_removes_old_values_and_abandoned_temporary_files_only(
    folder: Path, cache: FeedCache
) -> None:
    now = time.time()
    for key in ("old", "new"):
        cache.set(key, VALUE)
        if key == "old":
            os.utime(files_in(folder)[0], (now, now - 61))
    for name, age in (
        ("tmpabcdefgh.__wz_cache", 3601),
        ("tmpijklmnop.__wz_cache", 3599),
        ("diary.txt", 10**6),
    ):
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (now, now - age))
    (folder / "photographs").mkdir()
    assert cache.sweep(now) == 2
    assert (cache.get("old"), cache.get("new")) == (None, VALUE)
    assert {"tmpijklmnop.__wz_cache", "diary.txt", "photographs"} < {path.name for path in folder.iterdir()}
    assert cache.sweep(now) == 0


def test_what_expired_is_swept(folder: Path, cache: FeedCache) -> None:
    cache.set(KEY, VALUE)
    assert cache.sweep(time.time() + 59) == 0
    assert cache.sweep(time.time() + 61) == 1
    assert files_in(folder) == []


# --- The limit


def size_of(folder: Path) -> int:
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.iterdir())


@pytest.mark.parametrize("size", [10, 4_000, 30_000, 600_000])
def test_the_folder_stays_below_its_limit_and_keeps_what_was_written_last(size: int, folder: Path) -> None:
    limit, begun = 2_000_000, time.time() - 500
    cache = open_cache("", folder, 1000, max_size=limit)
    for turn in range(700 if size < 600_000 else 30):
        cache.set(f"key {turn}", b"x" * size)
        newest = max(files_in(folder), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (begun + turn / 2,) * 2)  # file systems keep time in ticks
        if turn % 50 == 0:
            assert size_of(folder) <= limit
        assert cache.get(f"key {turn}") is not None
    assert size_of(folder) <= limit
    kept = [cache.get(f"key {number}") is not None for number in range(turn + 1)]
    assert kept == sorted(kept)  # those that went are the first
    assert sum(kept) * max(size, 4096) > limit / 2
    assert cache.failures == 0


def test_a_lower_limit_holds_from_the_first_value_on(folder: Path, cache: FeedCache) -> None:
    for number in range(100):
        cache.set(f"key {number}", b"x" * 30_000)
    assert size_of(folder) > 3_000_000
    open_cache("", folder, 60, max_size=1_000_000).set(KEY, VALUE)
    assert size_of(folder) <= 1_000_000


def test_a_value_beyond_the_limit_is_not_kept_and_costs_nothing_else(folder: Path) -> None:
    cache = open_cache("", folder, 60, max_size=1_000_000)
    cache.set(KEY, b"x" * 1_100_000)
    assert (cache.get(KEY), cache.failures, size_of(folder)) == (None, 0, 0)


def test_files_of_a_clock_that_was_ahead_do_not_stay(folder: Path, cache: FeedCache) -> None:
    cache.set(KEY, VALUE)
    later = time.time() + 400 * 86_400
    os.utime(files_in(folder)[0], (later, later))
    assert cache.sweep(time.time()) == 1


FILLER = f"""if True:
    import sys
    from pathlib import Path
    from feedserver.feeds.cache import open_cache
    cache = open_cache("", Path(sys.argv[1]), lambda: {SECRET!r}, max_age=60, max_size=2_000_000)
    for turn in range(300):
        cache.set(f"{{sys.argv[2]}} {{turn}}", bytes([turn % 251]) * 20_000)
    assert cache.failures == 0, cache.failures
"""


def test_the_limit_holds_for_many_processes_one_of_which_is_killed(folder: Path) -> None:
    command = [sys.executable, "-c", FILLER, str(folder)]
    root = Path(__file__).parent.parent
    fillers = [subprocess.Popen([*command, str(number)], cwd=root) for number in range(4)]
    most = 0
    while any(filler.poll() is None for filler in fillers):
        if folder.exists():
            fillers[0].kill()
            with contextlib.suppress(FileNotFoundError):
                most = max(most, size_of(folder))
        time.sleep(0.01)
    assert [filler.wait() for filler in fillers[1:]] == [0, 0, 0]
    assert most <= 2_000_000


def test_the_cache_in_memory_has_the_limit_too() -> None:
    cache = open_cache("memory://", Path("unused"), 60, max_size=1_000_000)
    for number in range(5000):
        cache.set(f"key {number}", b"")
    kept = sum(cache.get(f"key {number}") is not None for number in range(5000))
    assert 0 < kept < 2_000
    cache.set(KEY, b"x" * 999_000)
    assert cache.get("key 4999") is None
    cache.set(KEY, b"x" * 2_000_000)
    assert (cache.get(KEY), cache.failures) == (None, 0)


def test_the_memory_cache_needs_no_sweeping() -> None:
    cache = open_cache("memory://", Path("unused"), 60)
    cache.set(KEY, VALUE)
    assert cache.sweep(time.time() + 10**6) == 0


# --- Many at once

WORKER = f"""if True:
    import sys, time
    from pathlib import Path
    from feedserver.feeds.cache import open_cache
    cache = open_cache("", Path(sys.argv[1]), lambda: {SECRET!r}, max_age=60, max_size=10**7)
    hits = 0
    for turn in range(150):
        key = f"key-{{turn % 5}}"
        value = cache.get(key)
        if value is not None:
            hits += 1
            assert len(value) == 20_000 and len(set(value)) == 1, "torn"
        cache.set(key, bytes([turn % 251]) * 20_000)
        if turn % 10 == 0:
            cache.sweep(time.time())
    assert hits and cache.failures == 0, (hits, cache.failures)
"""


def test_processes_that_write_the_same_keys_never_see_half_a_value(folder: Path) -> None:
    root = Path(__file__).parent.parent
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(folder)], cwd=root) for _ in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert len(files_in(folder)) == 5


# --- Servers


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("redis://localhost", "redis", "redis"),
        ("rediss://localhost", "redis", "redis"),
        ("memcached://localhost:11211", "pymemcache.client.base", "memcached"),
    ],
)
def test_a_missing_package_is_named(
    url: str, package: str, extra: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError, match=rf"cache\.url: .* not installed: feedserver\[{extra}\]"):
        open_cache(url, folder, 60)


def test_an_unknown_scheme_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"cache\.url: mysql:// is no cache"):
        open_cache("mysql://localhost", folder, 60)


class RedisHandler(socketserver.StreamRequestHandler):
    """As much of Redis as a cache needs: SET and GET; anything else is unknown."""

    def handle(self) -> None:
        while header := self.rfile.readline():
            words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2] for _ in range(int(header[1:]))]
            stored: dict[bytes, bytes] = self.server.stored  # type: ignore[attr-defined]
            if words[0] == b"SET":
                stored[words[1]] = words[2]
                self.server.lifetimes.append(words[3:])  # type: ignore[attr-defined]
                self.wfile.write(b"+OK\r\n")
            elif words[0] == b"GET" and words[1] in stored:
                value = stored[words[1]]
                self.wfile.write(b"$%d\r\n%s\r\n" % (len(value), value))
            elif words[0] == b"GET":
                self.wfile.write(b"$-1\r\n")
            else:
                self.wfile.write(b"-ERR unknown command\r\n")


class MemcachedHandler(socketserver.StreamRequestHandler):
    """As much of Memcached as a cache needs: set and get."""

    def handle(self) -> None:
        while words := self.rfile.readline().split():
            stored: dict[bytes, bytes] = self.server.stored  # type: ignore[attr-defined]
            if words[0] == b"set":
                stored[words[1]] = self.rfile.read(int(words[4]) + 2)[:-2]
                self.server.lifetimes.append(words[3:4])  # type: ignore[attr-defined]
                self.wfile.write(b"STORED\r\n")
            elif value := stored.get(words[1]):
                self.wfile.write(b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (words[1], len(value), value))
            else:
                self.wfile.write(b"END\r\n")


@contextlib.contextmanager
def serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[socketserver.ThreadingTCPServer]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        server.stored, server.lifetimes = {}, []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


Connect = Callable[[str, int], FeedCache]


@pytest.fixture
def connect(folder: Path) -> Iterator[Connect]:
    """Opens a cache at a port. A connection lives as long as its process, so the cache closes none."""

    def open_at(scheme: str, port: int) -> FeedCache:
        package = {"redis": "redis", "memcached": "pymemcache"}[scheme]
        pytest.importorskip(package, reason=f"needs feedserver[{scheme}]")
        return open_cache(f"{scheme}://127.0.0.1:{port}", folder, 60)

    yield open_at
    gc.collect()


with_servers = pytest.mark.parametrize(
    ("scheme", "handler"),
    [
        pytest.param(
            scheme, handler, marks=pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
        )
        for scheme, handler in (("redis", RedisHandler), ("memcached", MemcachedHandler))
    ],
)


@with_servers
def test_a_server_keeps_values_under_our_prefix_for_the_maximum_age(
    scheme: str, handler: type[socketserver.BaseRequestHandler], connect: Connect
) -> None:
    with serving(handler) as server:
        cache = connect(scheme, server.server_address[1])
        assert cache.get(KEY) is None
        cache.set(KEY, VALUE)
        assert cache.get(KEY) == VALUE
        assert cache.failures == 0
        stored: dict[bytes, bytes] = server.stored  # type: ignore[attr-defined]
        (key,) = stored
        assert re.fullmatch(rb"feedserver:[^:]*:[0-9a-f]{40}", key)
        lifetime = int(server.lifetimes[0][-1])  # type: ignore[attr-defined]
        assert lifetime == 60 or abs(lifetime - time.time() - 60) < 10
        for turn in range(10):  # what is superseded is replaced, and nothing of it stays
            cache.set(KEY, b"%d" % turn, f"version {turn}")
        assert (list(stored), cache.latest(KEY)) == ([key], b"9")
        stored[key] += b"x"
        assert cache.get(KEY, "version 9") is None


@with_servers
def test_a_server_that_does_not_answer_costs_one_short_timeout(
    scheme: str, handler: object, connect: Connect
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        cache = connect(scheme, deaf.getsockname()[1])
        start = time.monotonic()
        for _ in range(20):
            assert cache.get(KEY) is None
            cache.set(KEY, VALUE)
        assert time.monotonic() - start < 1
        assert cache.failures == 1


@with_servers
def test_a_server_that_is_not_there_is_a_miss(scheme: str, handler: object, connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    cache = connect(scheme, port)
    cache.set(KEY, VALUE)
    assert cache.get(KEY) is None
    assert cache.failures >= 1


@needs_redis
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_real_redis_may_go_and_come_back(tmp_path: Path, connect: Connect) -> None:
    port = free_port()
    cache = connect("redis", port)
    with redis_server(tmp_path, port=port):
        cache.set(KEY, VALUE)
        assert cache.get(KEY) == VALUE
        assert cache.failures == 0
    for _ in range(20):
        cache.set(KEY, VALUE)
        assert cache.get(KEY) is None
    assert cache.failures > 0
    with redis_server(tmp_path, port=port):
        cache.set(KEY, VALUE)
        assert cache.get(KEY) == VALUE
