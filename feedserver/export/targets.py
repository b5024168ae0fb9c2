"""Opens the target of an export from its address: a folder, or object storage."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from feedserver.errors import ExportError
from feedserver.export.folder import Folder, FolderWriter
from feedserver.export.site import ExportPlan
from feedserver.export.storage.addresses import scheme_of
from feedserver.export.target import Target, Writer


def open_target(address: str, plan: ExportPlan) -> Target:
    """Open and lock a target, or make it.

    Raises:
        ExportError: if it is no target, another export is writing to it, or it needs a package that is not
            installed.
        OSError: if it cannot be made or written.
        StorageError: if object storage cannot be used.
    """
    if not scheme_of(address):
        return Folder(Path(address))
    _check_packages(address)
    from feedserver.export.storage.bucket import Bucket  # noqa: PLC0415  needs an extra

    return Bucket(address, Path(plan.store.state_dir))


def open_writer(address: str, plan: ExportPlan, strays: Collection[str], session: str) -> Writer:
    """A writer to a target that some process has open, which has the given strays and session."""
    if not scheme_of(address):
        return FolderWriter(Path(address), strays)
    if plan.objects is None:
        raise AssertionError("an export to object storage needs the form of its objects")
    from feedserver.export.storage.uploads import BucketWriter  # noqa: PLC0415  needs an extra

    return BucketWriter(address, plan.objects, session)


def _check_packages(address: str) -> None:
    try:
        import boto3  # noqa: F401, PLC0415  only its presence is asked
        import obstore  # noqa: F401, PLC0415  as above
    except ImportError:
        msg = "needs packages that are not installed: feedserver[object-storage]"
        raise ExportError(address, msg) from None
