"""Opens the target of an export from its address."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from feedserver.export.folder import Folder, FolderWriter
from feedserver.export.target import Target, Writer


def open_target(address: str) -> Target:
    """Open and lock a target, or make it.

    Raises:
        ExportError: if it is no target, or another export is writing to it.
        OSError: if it cannot be made or written.
    """
    return Folder(Path(address))


def open_writer(address: str, strays: Collection[str]) -> Writer:
    """A writer to a target that some process has open, which has the given strays."""
    return FolderWriter(Path(address), strays)
