"""Simulates many web processes over one database: how often they ask it and the shared cache, and render.

    python tests/benchmarks/growth.py                          # 50,000 requests/s for 100,000 listings
    python tests/benchmarks/growth.py --requests 5000 --commits 0.2

Requests follow Zipf's law over the feeds of all listings, in three formats. Each commit changes listings that
are drawn by the same law. A process remembers the rows of listings until the next commit, and so many
documents. It asks the database for a row that it does not remember, the shared cache for a document that it
does not have, and renders one that is there in an older version only. One process is simulated and
multiplied. Requests that a proxy or CDN answers are left out beforehand: `--requests` are those that arrive.
"""

from __future__ import annotations

import argparse
import random
from bisect import bisect_left
from collections import OrderedDict
from itertools import accumulate

FORMATS = 3
# The documents that fit into the cache of a process (`feeds.publisher`), and the rows that it remembers.
DOCUMENTS, ROWS = 205, 4096
SECONDS = 30


class Law:
    """Draws numbers by Zipf's law."""

    def __init__(self, count: int, chance: random.Random) -> None:
        self._sums = list(accumulate(1 / rank for rank in range(1, count + 1)))
        self._chance = chance

    def draw(self) -> int:
        """A number below the count, small ones more often."""
        return bisect_left(self._sums, self._chance.random() * self._sums[-1])


class Recent:
    """The last so many keys that were used, with a value each."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[int, int] = OrderedDict()

    def get(self, key: int) -> int | None:
        """The value of a key, which is then used last."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: int, value: int) -> None:
        """Set a value, and forget the key that was not used for longest."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


def simulated(
    *, listings: int, requests: float, processes: int, commits: float, changed: int, seed: int
) -> dict[str, float]:
    """Figures per second of all processes together."""
    chance = random.Random(seed)  # noqa: S311  no secret
    law = Law(listings, chance)
    versions: dict[int, int] = {}
    shared: dict[int, int] = {}
    rows, documents = Recent(ROWS), Recent(DOCUMENTS)
    asked, fetched, renders = 0, 0, 0
    share = requests / processes
    next_commit = 0.0
    for number in range(int(share * SECONDS)):
        if number / share >= next_commit and commits:
            next_commit += 1 / commits
            rows.clear()
            for _ in range(changed):
                listing = law.draw()
                versions[listing] = versions.get(listing, 0) + 1
        listing = law.draw()
        document = listing * FORMATS + chance.randrange(FORMATS)
        version = versions.get(listing, 0)
        if rows.get(listing) is None:
            asked += 1
            rows.put(listing, version)
        if documents.get(document) == version:
            continue
        documents.put(document, version)
        fetched += 1
        if shared.get(document, 0 if not version else -1) != version:
            # One of the processes renders it, and the others find it in the shared cache.
            renders += 1
            shared[document] = version
    scale = processes / SECONDS
    return {
        "rows of listings asked of the database, per second": asked * scale,
        "documents asked of the shared cache, per second": fetched * scale,
        # All processes ask for a changed document at about the same time, and one renders it.
        "documents rendered, per second": renders / SECONDS,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listings", type=int, default=100_000)
    parser.add_argument("--requests", type=float, default=50_000, help="per second, that arrive")
    parser.add_argument("--processes", type=int, default=40)
    parser.add_argument("--commits", type=float, default=1.0, help="per second")
    parser.add_argument("--changed", type=int, default=20, help="listings that a commit changes")
    parser.add_argument("--seed", type=int, default=1)
    options = vars(parser.parse_args())
    for what, figure in simulated(**options).items():
        print(f"{what}: {figure:,.0f}")  # noqa: T201  the answer of this command


if __name__ == "__main__":
    main()
