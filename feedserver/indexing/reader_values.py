"""Values that reading processes are sent, and that they answer with: files to read, bounds, and readings.

Performs no I/O and parses nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from feedserver.index.file_values import FileContent, Stamp
from feedserver.indexing.plan import Plan
from feedserver.indexing.scanner import FoundFile
from feedserver.model import Value

# The bounds on reading one file of at most a MiB, in seconds of CPU and bytes of memory. An ordinary file
# takes a thousandth of either. A file that takes longer is read again after all others, which should not wait
# for it, and may take longer then, because the machine may be slow. The bounds grow with
# `scan.max_file_size`.
CPU_SECONDS = 1.0
CPU_SECONDS_AGAIN = 5.0
MEMORY_BYTES = 512_000_000
_MIB = 1_048_576


class FileReading(Value, frozen=True):
    """The content of a file, and the stamp that its bytes had.

    `is_found`: the stamp needs no second look. `trace` is the traceback of an exception that ended the
    reading.
    """

    stamp: Stamp
    content: FileContent
    is_found: bool = False
    trace: str = ""


class Wanted(NamedTuple):
    """A file to read: the position of its root, its path, and the scan's find if it has a finding.

    It holds no more, because a first scan holds one for each of a million files.
    """

    root: int
    path: str
    found: FoundFile | None = None

    @classmethod
    def of(cls, root: int, found: FoundFile) -> Wanted:
        """The file to read for a find."""
        return cls(root, found.path, None if found.finding is None else found)


class Bounds(Value, frozen=True):
    """Bounds on reading one file: seconds of CPU, and bytes of memory of the process that reads it."""

    cpu_seconds: float
    memory_bytes: int

    @classmethod
    def of(cls, max_file_size: int, *, is_again: bool = False) -> Bounds:
        """The bounds for files of up to a size in bytes, for the first reading or the second one."""
        scale = max(1.0, max_file_size / _MIB)
        seconds = CPU_SECONDS_AGAIN if is_again else CPU_SECONDS
        return cls(cpu_seconds=seconds * scale, memory_bytes=int(MEMORY_BYTES * scale))


# The mark of a reading process that reads no file; and its exit status if it ran out of memory.
IDLE = 255
OUT_OF_MEMORY = 75


class Work(Value, frozen=True):
    """A request to a reading process: at most `IDLE` files. The plan is sent only if it is another one."""

    plan: Plan | None
    bounds: Bounds
    piece: tuple[Wanted, ...]
