"""`feedserver.server.granian_worker` builds on these parts of granian, as they were when it was written.

They are no interface that granian promises. The worker makes granian's server, its listening socket and its
stop signal as granian's own master does in a worker process. When one of the Python parts or a signature of
the Rust parts changes, this test fails: read the part again beside that module, change the module if
necessary, let its tests pass, and write the new digest here.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from importlib.metadata import version

import granian
import pytest
from granian import _futures, _granian, http
from granian.server import mp

from feedserver.server.engines import GRANIAN

Part = type | Callable[..., object]

PARTS: dict[Part, int] = {
    mp.MPServer._spawn_wsgi_worker: 3_469_320_124,  # noqa: SLF001  the only one
    _futures._new_cbscheduler: 1_396_746_735,  # noqa: SLF001  likewise
    http.HTTP1Settings: 3_703_114_514,
}

# Of the Rust parts, whose source is not in the package.
SIGNATURES: dict[type, str] = {
    _granian.WSGIWorker: (
        "(worker_id, sock, ipc, threads=1, blocking_threads=512, py_threads=1, py_threads_idle_timeout=30, "
        'backpressure=128, http_mode="1", http1_opts=None, http2_opts=None, static_files=None, '
        "ssl_enabled=False, ssl_cert=None, ssl_key=None, ssl_key_password=None, "
        'ssl_protocol_min="1.3", ssl_ca=None, ssl_crl=..., ssl_client_verify=False, metrics=...)'
    ),
    _granian.SocketHolder: "(fd, uds, backlog)",
    _granian.WorkerSignal: "()",
}


def digest(text: str) -> int:
    """A digest, short and in decimal, so that no spelling is found in it."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def test_granian_is_of_the_series_that_is_known() -> None:
    assert version("granian").startswith(f"{GRANIAN}.")


@pytest.mark.parametrize(
    ("part", "known"), PARTS.items(), ids=lambda value: getattr(value, "__qualname__", "")
)
def test_granian_is_as_the_worker_knows_it(part: Part, known: int) -> None:
    changed = f"{part.__qualname__} is another in granian {granian.__version__}: see above what to do"
    assert digest(inspect.getsource(part)) == known, changed


@pytest.mark.parametrize(
    ("part", "known"), SIGNATURES.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_the_rust_parts_take_what_the_worker_gives_them(part: type, known: str) -> None:
    assert getattr(part, "__text_signature__", None) == known
