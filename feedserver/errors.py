"""The family of errors that feedserver raises on purpose.

Every error carries the identity of what failed (a path and line, a settings key, an address) and
reads as one clear sentence, because the command line prints `str(error)` and nothing else. This
module knows no other module and performs no I/O. It serves promise 5: a failure names one thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class FeedserverError(Exception):
    """Root of the family; catching it catches everything that feedserver raises on purpose.

    The `args` of each are what it is made of, so that a process can hand it to another (pickle), and
    `__str__` makes the sentence of it.
    """


class SettingsError(FeedserverError):
    """The settings are unusable.

    Attributes:
        problems: all problems, each one sentence that begins with the dotted path of its key.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "; ".join(self.problems)


class FrontMatterError(FeedserverError):
    """A file could not be split into front matter and body, or its front matter not be parsed.

    Attributes:
        code: short stable name of the problem, such as `yaml-syntax`.
        reason: one sentence without values of fields (a file may hold secrets).
        line: 1-based line in the file.
        column: 1-based column in the line.
    """

    def __init__(self, code: str, reason: str, line: int = 1, column: int = 1) -> None:
        self.code = code
        self.reason = reason
        self.line = line
        self.column = column
        super().__init__(code, reason, line, column)

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.reason}"


class PathError(FeedserverError):
    """Something about a file or folder of ours; never raised itself.

    Attributes:
        path: the file or folder concerned.
        reason: the rest of the sentence.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(path, reason)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class StateError(PathError):
    """The state folder cannot be used."""


class IndexNotReadyError(FeedserverError):
    """No complete index exists yet; the first one is still being built."""


class IndexMovedError(FeedserverError):
    """The index changed between two questions whose answers have to be of one state."""


class ServerBusyError(FeedserverError):
    """The lock of the indexer is held by a process that cannot be waited for."""


class PortError(FeedserverError):
    """The server cannot listen where it is told to.

    Attributes:
        host: name or address.
        port: number of the port.
        reason: what the system says, without a capital.
    """

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host = host
        self.port = port
        self.reason = reason
        super().__init__(host, port, reason)

    def __str__(self) -> str:
        where = f"{self.host}, port {self.port}"
        return f"cannot listen at {where}: {self.reason}; choose another one with --port"


class ExportError(PathError):
    """The site cannot be exported to a folder."""


class UnknownAddressError(FeedserverError):
    """An address names no listing.

    Attributes:
        address: the address as it was asked for.
        close: addresses that may have been meant.
    """

    def __init__(self, address: str, close: Sequence[str] = ()) -> None:
        self.address = address
        self.close = tuple(close)
        super().__init__(address, self.close)

    def __str__(self) -> str:
        hint = f"; did you mean {' or '.join(self.close)}?" if self.close else ""
        return f"{self.address}: no such listing{hint}"
