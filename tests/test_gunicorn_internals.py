"""The modules of `feedserver.server` build on these parts of gunicorn, as they were when they were written.

They are no interface that gunicorn promises. `worker` and `connections` build on most, `granian_worker` on
the base class of workers and on the logger. `application` finds the worker of its process by the signal
handler that `init_signals` sets, before `init_process` loads the application, and its number by the `age`
that `spawn_worker` counts. When one changes this test fails: read it again beside these modules, change them
if necessary, let their tests pass, and write the new digest here.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable

import gunicorn
import pytest
from gunicorn import glogging, http, util
from gunicorn.arbiter import Arbiter
from gunicorn.http import parser, unreader, wsgi
from gunicorn.http.message import Message, Request
from gunicorn.workers import base, gthread

Part = type | Callable[..., object]

# The methods that are called, implemented or replaced, and those that they rely on.
PARTS: dict[Part, int] = {
    gthread.ThreadWorker: 752_784_037,
    gthread.PollableMethodQueue: 1_531_607_229,
    base.Worker.handle_error: 1_967_285_320,
    base.Worker.handle_exit: 3_807_843_740,
    base.Worker.handle_quit: 692_368_403,
    base.Worker.init_process: 290_237_645,
    base.Worker.init_signals: 1_698_967_046,
    base.Worker.notify: 2_135_989_188,
    glogging.Logger.access: 1_174_201_884,
    glogging.Logger.atoms: 19_029_598,
    Arbiter.spawn_worker: 1_790_709_136,
    http.get_parser: 3_084_442_846,
    parser.Parser: 983_303_907,
    unreader.Unreader: 2_225_776_889,
    unreader.IterUnreader: 4_199_257_963,
    Message.set_body_reader: 3_820_631_029,
    Message.should_close: 935_613_631,
    Message.force_close: 1_700_827_852,
    Request.parse: 885_032_032,
    wsgi.create: 741_725_346,
    wsgi.Response: 3_598_683_755,
    util.close_graceful: 240_723_391,
    util.write: 3_449_376_817,
    util.write_chunk: 2_631_165_248,
    util.write_error: 3_170_976_672,
    util.write_nonblock: 3_539_965_808,
}


def digest(part: Part) -> int:
    """A digest of a part's source, short and in decimal, so that no spelling is found in it."""
    return int.from_bytes(hashlib.sha256(inspect.getsource(part).encode()).digest()[:4], "big")


@pytest.mark.parametrize(
    ("part", "known"), PARTS.items(), ids=lambda value: getattr(value, "__qualname__", "")
)
def test_gunicorn_is_as_the_worker_knows_it(part: Part, known: int) -> None:
    changed = f"{part.__qualname__} is another in gunicorn {gunicorn.__version__}: see above what to do"
    assert digest(part) == known, changed
