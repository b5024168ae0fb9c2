"""The errors that feedserver raises on purpose.

Every error identifies its subject (a path and line, a settings key, an address) and reads as one clear
sentence, because the command line prints `str(error)` and nothing else. Performs no I/O. Serves promise 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from feedserver.findings import FindingCode

# Characters of a value that a message repeats.
_SHOWN = 60


class FeedserverError(Exception):
    """The base class: catching it catches every error that feedserver raises on purpose.

    The `args` of each error are its parts, so that it can be sent to another process (pickle); `__str__`
    makes the sentence.
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
        code: of the finding.
        reason: one sentence without values of fields (a file may hold secrets).
        line: 1-based line in the file.
        column: 1-based column in the line.
    """

    def __init__(self, code: FindingCode, reason: str, line: int = 1, column: int = 1) -> None:
        self.code = code
        self.reason = reason
        self.line = line
        self.column = column
        super().__init__(code, reason, line, column)

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.reason}"


class PathError(FeedserverError):
    """Something about a file or folder of ours, or about a database; never raised itself.

    Attributes:
        path: the file or folder concerned, or the name of the database.
        reason: the rest of the sentence.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(path, reason)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class FeedFileError(PathError):
    """A feed that was published before cannot be read."""


class StateError(PathError):
    """The state folder, or the database that is used in its place, cannot be used."""


class StoreUnreachableError(StateError):
    """The database cannot be used just now, or no longer by this process; trying again may help."""


class ForeignStateError(StateError):
    """The state folder belongs to another site."""


class HistoryLostError(StateError):
    """The publication history was removed, cut short or damaged."""


class IndexNotReadyError(FeedserverError):
    """No complete index exists yet; the first one is still being built."""


class IndexUnreadableError(FeedserverError):
    """The index cannot be read just now; it is damaged, or its file cannot be opened."""


class IndexMovedError(FeedserverError):
    """The index changed between two questions whose answers have to be of one state."""


class ServerBusyError(FeedserverError):
    """The lock of the indexer is held by a process that cannot be waited for."""


class PortError(FeedserverError):
    """The server cannot listen where it is told to.

    Attributes:
        host: name or address.
        port: number of the port.
        reason: the message of the system, in lower case.
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


class StorageError(PathError):
    """Object storage cannot be used, or not by this export any more; trying again may help."""


class SelectionError(FeedserverError):
    """An address or a setting asks for a selection that means nothing, or that exceeds a bound.

    Attributes:
        parameter: that is wrong; empty if it is the selection as a whole.
        value: as it was given.
        demand: the rest of the sentence.
    """

    def __init__(self, parameter: str, value: str, demand: str) -> None:
        self.parameter = parameter
        self.value = value
        self.demand = demand
        super().__init__(parameter, value, demand)

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= _SHOWN else f"{self.value[:_SHOWN]}…"
        text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in shown)
        return f"{self.parameter}={text}: {self.demand}" if self.parameter else self.demand


class UnknownSelectionError(FeedserverError):
    """A selection asks for listings that never existed.

    Attributes:
        names: their slugs.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(self.names)

    def __str__(self) -> str:
        return f"nothing was ever published under {', '.join(self.names)}"


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
