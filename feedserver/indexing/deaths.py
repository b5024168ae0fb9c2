"""Indexers that died: how often, when and why, for all processes of a state folder.

The record is a file beside the lock. Only the holder of the lock writes it: a supervisor keeps the lock until
it has noted the death of its child. So the next supervisor, in whichever process, waits as long as all deaths
together require. The record is bounded in number and age. Starts nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from feedserver.model import Value
from feedserver.system.private import open_file

RECORD = "indexer-deaths.json"
LAST_WORDS = "indexer-last-words"

# The record holds no older deaths, and no more of them: they would add no information.
MOST_SECONDS = 3600.0
MOST_DEATHS = 20

# An indexer that dies at once will probably do so again, so each time the next one waits twice as long.
FIRST_DELAY = 0.5
LONGEST_DELAY = 10.0
QUICK_SECONDS = 5.0
# Deaths that lie further apart than this are reported separately.
_APART_SECONDS = 2 * (LONGEST_DELAY + QUICK_SECONDS)

_WORDS_BYTES = 500


class Death(Value, frozen=True):
    """When an indexer died (seconds since the epoch), how long it had lived, and why.

    `reason` is an exit status or a signal; `words` is the error that the process reported, for operators.
    """

    at: float
    lived: float
    reason: str
    words: str = ""

    def __str__(self) -> str:
        moment = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")
        words = f": {self.words}" if self.words else ""
        return f"{moment}, {self.lived:g} s after its start, by {self.reason}{words}"


def known_deaths(state_dir: Path, now: float) -> tuple[Death, ...]:
    """The deaths of the last hour, oldest first; none if the record cannot be read."""
    try:
        found = msgspec.json.decode((state_dir / RECORD).read_bytes(), type=tuple[Death, ...])
    except (OSError, msgspec.DecodeError, msgspec.ValidationError, ValueError):
        return ()  # a damaged record is replaced at the next death
    return tuple(one for one in found if abs(now - one.at) < MOST_SECONDS)[-MOST_DEATHS:]


def note_death(state_dir: Path, death: Death) -> tuple[Death, ...]:
    """Add a death, with the last words of its process. Returns all that are known. The caller has the lock.

    Raises:
        OSError: if the record cannot be written.
    """
    words = state_dir / LAST_WORDS
    with suppress(OSError):
        text = words.read_bytes()[:_WORDS_BYTES].decode(errors="replace")
        words.unlink()
        death = msgspec.structs.replace(death, words=text)
    deaths = (*known_deaths(state_dir, death.at), death)[-MOST_DEATHS:]
    fresh = state_dir / f".{RECORD}"
    _write(fresh, msgspec.json.encode(deaths))
    os.replace(fresh, state_dir / RECORD)  # noqa: PTH105  a reader finds the one or the other
    return deaths


def leave_words(state_dir: Path, words: str) -> None:
    """Say why this process is about to die; where that cannot be written, the log has it."""
    with suppress(OSError):
        _write(state_dir / LAST_WORDS, words.encode(errors="replace"))


def _write(path: Path, content: bytes) -> None:
    descriptor = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with open(descriptor, "wb") as file:  # noqa: PTH123  of a descriptor
        file.write(content)


def delay_after(deaths: Sequence[Death]) -> float:
    """How long after the last of these deaths another indexer may be started, in seconds."""
    in_a_row, last = 0, -math.inf
    for death in deaths:
        is_alone = death.at - last > _APART_SECONDS
        in_a_row = 0 if death.lived >= QUICK_SECONDS else 1 if is_alone else in_a_row + 1
        last = death.at
    return min(FIRST_DELAY * 2 ** (in_a_row - 1), LONGEST_DELAY) if in_a_row else 0.0


def in_words(deaths: Sequence[Death]) -> str:
    """A clause about several deaths, without details that only operators may see."""
    return f"the indexer died {len(deaths)} times within an hour, the last time by {deaths[-1].reason}"
