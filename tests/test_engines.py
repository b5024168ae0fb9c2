"""`server.engine`: what both engines have in common beside HTTP, and the package that granian needs."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from click.testing import CliRunner
from servers import PATIENCE, Server, free_port, started

from feedserver.cli.serve import command
from feedserver.errors import SettingsError
from feedserver.server import engines
from feedserver.server.engines import WORKERS, check_engine

APPLICATION = """
def application(environ, start_response):
    if environ["PATH_INFO"] == "/fails":
        raise ValueError("an ordinary failure")
    start_response("200 OK", [("Content-Length", "2"), ("X-Protocol", environ["SERVER_PROTOCOL"])])
    return [b"ok"]
"""


@contextlib.contextmanager
def quick(folder: Path, engine: str, *options: str) -> Iterator[Server]:
    """gunicorn with one worker of an engine, before an application that answers at once."""
    (folder / "quick.py").write_text(APPLICATION, encoding="utf-8")
    port = free_port()
    kind = ("-k", WORKERS[engine], "--workers", "1", "--bind", f"127.0.0.1:{port}", "--no-control-socket")
    command = [sys.executable, "-m", "gunicorn", *kind, *options, "quick:application"]
    with started(command, port, folder) as server:
        server.wait_for(lambda: server.ask("/").status == 200)
        yield server


def logged(folder: Path, engine: str) -> list[str]:
    """The log of a server that answers a few requests and stops, without times and numbers."""
    folder.mkdir()
    with quick(folder, engine, "--access-logfile", "-") as server:
        server.ask("/a%20b/%C3%A9?x=%20y", {"User-Agent": "A reader"})
        server.ask("/fails", {"Referer": "https://example.org/"})
        server.send(b"GET /old HTTP/1.0\r\n\r\n")
        assert server.stop() == 0
        said = server.said()
    lines = [re.sub(r"\d+", "0", line) for line in said.splitlines()]
    return [line.replace(WORKERS[engine], "the worker") for line in lines if "File " not in line]


def test_both_engines_log_in_the_same_form(tmp_path: Path) -> None:
    gunicorn, granian = (logged(tmp_path / engine, engine) for engine in ("gunicorn", "granian"))
    for line in gunicorn:
        # Sizes are those of the pages of errors, which differ.
        assert line in granian or line.startswith((" ", "Traceback")) or '"GET /fails' in line, line
    for part in (
        "GET /fails HTTP/0.0",
        "Error handling request GET /fails",
        "ValueError: an ordinary failure",
    ):
        assert any(part in line for line in gunicorn), part
        assert any(part in line for line in granian), part


@pytest.mark.parametrize("engine", WORKERS)
def test_both_engines_count_requests_for_statsd(tmp_path: Path, engine: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as counter:
        counter.bind(("127.0.0.1", 0))
        counter.settimeout(PATIENCE)
        statsd = ("--statsd-host", f"127.0.0.1:{counter.getsockname()[1]}")
        with quick(tmp_path, engine, *statsd):
            while counter.recv(1000) != b"gunicorn.request.status.200:1|c|@1.0":
                pass


@pytest.mark.parametrize("engine", WORKERS)
def test_both_engines_call_the_hook_of_a_worker_that_is_interrupted(tmp_path: Path, engine: str) -> None:
    hook = "def worker_int(worker):\n    worker.log.info('the hook was called')\n"
    (tmp_path / "hook.py").write_text(hook, encoding="utf-8")
    with quick(tmp_path, engine, "-c", "hook.py") as server:
        assert server.stop(signal.SIGQUIT) == 0
        assert "the hook was called" in server.said()


def test_the_log_names_each_option_of_gunicorn_that_granian_has_not(tmp_path: Path) -> None:
    options = ("--keep-alive", "75", "--max-requests", "9", "--limit-request-fields", "50")
    with quick(tmp_path, "granian", *options) as server:
        said = server.said()
    for option in ("keepalive = 75", "max_requests = 9", "limit_request_fields = 50"):
        assert f"[WARNING] {option} has no effect with granian" in said
    assert said.count("has no effect") == 3


@pytest.mark.parametrize("engine", WORKERS)
def test_an_installed_engine_is_accepted(engine: str) -> None:
    check_engine(engine)


def test_without_its_package_granian_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(engines, "version", missing)
    state = tmp_path / "state"
    result = CliRunner().invoke(command, ["--engine", "granian", "--state-dir", str(state)])
    assert isinstance(result.exception, SettingsError)
    sentence = "server.engine: granian needs a package that is not installed: feedserver[granian]"
    assert str(result.exception) == sentence
    assert not state.exists()


@pytest.mark.parametrize("found", ["2.7.9", "2.9.0", "3.0.0", "2.80.1"])
def test_a_series_of_granian_that_is_not_known_is_refused(
    found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "version", lambda _: found)
    with pytest.raises(SettingsError, match=rf"^server\.engine: granian 2\.8 is needed, and {found} is"):
        check_engine("granian")
