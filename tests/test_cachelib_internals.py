"""`feedserver.feeds.cache_folder` builds on these parts of cachelib, as they were when it was written.

They are no interface that cachelib promises. When one changes this test fails: compare the names of files,
the expiry before each value, the suffix of temporary files and the attributes that the class sets with those
in `cache_folder`. Another layout makes the values of an older release unreadable, which costs rendering them
again. Change the module if necessary, let the tests of the cache pass, and write the new digest here.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from importlib.metadata import version

import pytest
from cachelib import FileSystemCache
from cachelib.base import BaseCache

Part = Callable[..., object]

# The methods that are called or replaced, and those that they rely on.
PARTS: dict[Part, int] = {
    FileSystemCache.__init__: 3_459_228_131,
    FileSystemCache._get_filename: 2_356_918_972,  # noqa: SLF001  the subject of this test
    FileSystemCache._normalize_timeout: 2_860_538_698,  # noqa: SLF001  the subject of this test
    FileSystemCache.get: 4_099_162_309,
    FileSystemCache.set: 418_135_487,
    BaseCache._normalize_timeout: 2_616_222_660,  # noqa: SLF001  the subject of this test
}


def digest(part: Part) -> int:
    """A digest of a part's source, short and in decimal, so that no spelling is found in it."""
    return int.from_bytes(hashlib.sha256(inspect.getsource(part).encode()).digest()[:4], "big")


@pytest.mark.parametrize(
    ("part", "known"), PARTS.items(), ids=lambda value: getattr(value, "__qualname__", "")
)
def test_cachelib_is_as_the_cache_folder_knows_it(part: Part, known: int) -> None:
    changed = f"{part.__qualname__} is another in cachelib {version('cachelib')}: see above what to do"
    assert digest(part) == known, changed
