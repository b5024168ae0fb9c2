"""A dictionary with a bound on its entries, for values that can be made again.

Serves promise 8: each cache in a process has a bound. A hit costs as much as in any dictionary, because
nothing is recorded. Does not know the values, and does not bound their size.
"""

from __future__ import annotations

import random
import threading
from typing import TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

# One of so many newcomers enters a full cache. Clients often poll all feeds of a site in turn. If each
# newcomer replaced the oldest entry, every entry would be gone just before its next request: 2,049 addresses
# in rotation would find nothing in a cache of 2,048 (figures: docs/measurements.md).
NEWCOMERS = 8


def is_admitted() -> bool:
    """Whether a newcomer may replace another entry of a full cache."""
    return random.randrange(NEWCOMERS) == 0  # noqa: S311  which entry stays is no secret


class Bounded(dict[_Key, _Value]):
    """A dictionary of at most `most` entries; add them with `remember`.

    When it is full, some newcomers replace a random entry. Threads may read while another one adds.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._keys: list[_Key] = []
        self._lock = threading.Lock()

    def remember(self, key: _Key, value: _Value) -> None:
        """Store a value under a key. A new key enters a full dictionary only sometimes."""
        with self._lock:
            if key in self:
                self[key] = value
            elif len(self._keys) < self._most:
                self._keys.append(key)
                self[key] = value
            elif is_admitted():
                position = random.randrange(self._most)  # noqa: S311  as above
                del self[self._keys[position]]
                self._keys[position] = key
                self[key] = value

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            super().clear()
            self._keys.clear()
