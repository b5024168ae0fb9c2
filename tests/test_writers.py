"""Whether a program has a file open for writing, asked of the real kernel."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import write_file
from unprivileged import open_folder, unprivileged

from feedserver.index.file_values import Stamp
from feedserver.indexing.settling import OpenForWriting
from feedserver.indexing.writers import writer_of

__all__ = ["open_folder"]

# In the year 2300: the usual file systems of Linux hold that; 64 bits of nanoseconds do not.
FAR_AHEAD = 10_413_792_000

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no leases")


def stamp_of(path: Path) -> Stamp:
    return Stamp.of(path.stat())


@linux
def test_a_file_is_being_written_while_it_is_open_for_writing(tmp_path: Path) -> None:
    path = write_file(tmp_path, "a.md", "text")
    stamp = stamp_of(path)
    assert writer_of(tmp_path, "a.md", stamp) is OpenForWriting.NONE
    with path.open("a"):
        assert writer_of(tmp_path, "a.md", stamp) is OpenForWriting.SOME
    with path.open():
        assert writer_of(tmp_path, "a.md", stamp) is OpenForWriting.NONE


@linux
@pytest.mark.parametrize("mtime", [FAR_AHEAD, -FAR_AHEAD])
def test_a_file_with_an_absurd_time_is_not_being_written_for_that(tmp_path: Path, mtime: int) -> None:
    path = write_file(tmp_path, "a.md", "text", mtime=mtime)
    assert writer_of(tmp_path, "a.md", stamp_of(path)) is OpenForWriting.NONE


def rewrite(path: Path) -> None:
    path.write_text("other text")


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("text")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("act", [rewrite, replace, Path.unlink])
def test_a_file_that_is_another_one_than_was_read_is_being_written(
    tmp_path: Path, act: Callable[[Path], None]
) -> None:
    path = write_file(tmp_path, "a.md", "text")
    stamp = stamp_of(path)
    act(path)
    assert writer_of(tmp_path, "a.md", stamp) is OpenForWriting.SOME


@linux
def test_of_another_users_file_it_is_unknown(open_folder: Path) -> None:
    path = write_file(open_folder, "a.md", "text")
    with unprivileged():
        if os.geteuid() != path.stat().st_uid:
            assert writer_of(open_folder, "a.md", stamp_of(path)) is OpenForWriting.UNKNOWN


@linux
def test_a_program_that_opens_a_file_meanwhile_is_not_kept_from_it(tmp_path: Path) -> None:
    path = write_file(tmp_path, "a.md", "text")
    stamp = stamp_of(path)
    child = os.fork()
    if child == 0:
        for _ in range(2000):
            os.close(os.open(path, os.O_WRONLY))
        os._exit(0)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        assert writer_of(tmp_path, "a.md", stamp) in (OpenForWriting.NONE, OpenForWriting.SOME)
