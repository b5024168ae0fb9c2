"""Deadlines and bounds of client connections, which both engines keep. Knows neither of them."""

from __future__ import annotations

import resource

# Seconds for a whole request head, from the connection or from the first byte of a further request.
HEAD_SECONDS = 10.0

# Seconds without an acknowledged byte, until a response is given up.
SENDING_SECONDS = 20.0

# Seconds for a client to hang up when its connection is closed and, in a worker that stops, for a request
# that may be on its way. gunicorn has the same two.
CLOSING_SECONDS = 2.0

# Bytes of a request head. nginx accepts as much, in four buffers of 8 kB.
MOST_HEAD = 32_768

# Descriptors for everything but connections: index, publication history, cache, listeners.
OTHER_DESCRIPTORS = 256

# Seconds between switches of the interpreter's lock (GIL), instead of Python's 5 ms. While documents are
# rendered, cached answers wait for a switch at each system call: their median was 5.9 ms and is 0.9 ms, for
# 2 to 4 % more rendering time (docs/measurements.md).
SWITCH = 0.0002


def most_connections(wanted: int) -> int:
    """How many connections the system has descriptors for, after asking it for more if they are too few.

    Args:
        wanted: number of connections.

    Returns:
        Not more than `wanted`, and at least one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    has_all = soft == resource.RLIM_INFINITY
    return max(1, wanted if has_all else min(wanted, soft - OTHER_DESCRIPTORS))
