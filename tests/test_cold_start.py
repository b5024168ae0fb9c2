"""Ten processes with an empty cache in a real Redis render each document once or twice, whatever happens."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cold_start import Fleet, Job, Report, documents_of, fleet, site_of
from redis_servers import RedisServer, needs_redis, redis_server
from servers import PATIENCE, REPOSITORY, index, settings_of

ARTICLES = REPOSITORY / "samples" / "articles"
PROCESSES = 10
# A process on a busy machine may get no turn for seconds. That is no failure of Redis, and no dead holder.
PATIENT = f"?socket_timeout={PATIENCE}&socket_connect_timeout={PATIENCE}"

pytestmark = needs_redis


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with the index of the samples."""
    folder = tmp_path_factory.mktemp("cold") / "state"
    index(settings_of(folder, ARTICLES))
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
def job(state: Path, tmp_path: Path, server: RedisServer) -> Job:
    """The job of all processes: as in a server, but patient."""
    begun = str(tmp_path / "begun")
    return Job(str(state), str(ARTICLES), server.url + PATIENT, begun, lifetime=PATIENCE, wait=2 * PATIENCE)


def addresses_of(job: Job) -> list[str]:
    return [document.address for document in documents_of(site_of(job))]


def assert_equal(reports: list[Report], addresses: list[str]) -> None:
    """All processes got the same bytes of all documents."""
    for report in reports:
        assert report.etags == reports[0].etags
        assert sorted(report.etags) == sorted(addresses)


def most(started: Fleet) -> int:
    return max(started.renderings().values())


def test_each_document_is_rendered_once_or_twice_and_not_ten_times(job: Job) -> None:
    addresses = addresses_of(job)
    assert len(addresses) > 300
    with fleet([job] * PROCESSES) as started:
        started.release()
        reports = started.reports()
        assert len(reports) == PROCESSES
        assert_equal(reports, addresses)
        assert set(started.renderings()) == set(addresses)
        assert most(started) <= 2
        assert sum(report.failures for report in reports) == 0


def test_another_process_renders_in_place_of_one_that_was_killed_in_the_middle(job: Job) -> None:
    addresses = addresses_of(job)
    mortal = replace(job, lifetime=5.0, fatal=addresses[len(addresses) // 2])
    with fleet([mortal] * PROCESSES) as started:
        started.release()
        reports = started.reports()
        assert len(reports) == PROCESSES - 1
        assert_equal(reports, addresses)
        assert started.renderings()[mortal.fatal] == 2
        assert most(started) <= 2


def test_processes_go_on_by_themselves_when_redis_is_killed_in_the_middle(
    job: Job, server: RedisServer
) -> None:
    addresses = addresses_of(job)
    with fleet([job] * PROCESSES) as started:
        started.release()
        end = time.monotonic() + PATIENCE
        while len(started.renderings()) < len(addresses) // 4 and time.monotonic() < end:
            time.sleep(0.005)
        server.kill()
        reports = started.reports()
        assert len(reports) == PROCESSES
        assert_equal(reports, addresses)
        assert sum(report.failures for report in reports) > 0


class Delayed(socketserver.BaseRequestHandler):
    """Passes bytes between a client and a server, and those of the server late."""

    def handle(self) -> None:
        """Pass on until one of them ends."""
        server: DelayedServer = self.server  # type: ignore[assignment]
        client: socket.socket = self.request
        with socket.create_connection(("127.0.0.1", server.target)) as backend, contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([client, backend], [], [])
                for source, target in ((client, backend), (backend, client)):
                    if source in ready:
                        received = source.recv(65536)
                        if not received:
                            return
                        if source is backend:
                            time.sleep(server.delay)
                        target.sendall(received)


class DelayedServer(socketserver.ThreadingTCPServer):
    """A proxy before a server.

    Args:
        target: the port of the server.
        delay: of each answer, in seconds.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, target: int, delay: float) -> None:
        super().__init__(("127.0.0.1", 0), Delayed)
        self.target = target
        self.delay = delay


@contextlib.contextmanager
def delayed(server: RedisServer, delay: float) -> Iterator[str]:
    """The URL of a Redis that answers late."""
    with DelayedServer(server.port, delay) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"redis://127.0.0.1:{proxy.server_address[1]}/0"
        finally:
            proxy.shutdown()
            thread.join()


def test_a_slow_redis_changes_nothing_of_that(job: Job, server: RedisServer) -> None:
    with delayed(server, 0.005) as url:
        slow = replace(job, url=url + PATIENT)
        with fleet([slow] * PROCESSES) as started:
            started.release()
            reports = started.reports()
            assert_equal(reports, addresses_of(job))
            assert most(started) <= 2


def test_a_redis_that_is_slower_than_allowed_is_left_alone(job: Job, server: RedisServer) -> None:
    with delayed(server, PATIENCE) as url:
        slow = replace(job, url=url)
        with fleet([slow] * PROCESSES) as started:
            started.release()
            reports = started.reports()
            assert len(reports) == PROCESSES
            assert_equal(reports, addresses_of(job))
            # One question for many documents: it was asked again after ten seconds at the earliest.
            assert all(1 <= report.failures < 30 for report in reports)
