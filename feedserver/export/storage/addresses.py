"""The addresses of object storage: `s3://bucket/prefix`, `gs://…` and `az://…`."""

from __future__ import annotations

from typing import Final

from feedserver.errors import ExportError

S3: Final = "s3"
_SCHEMES: Final = (S3, "gs", "az")


def scheme_of(address: str) -> str:
    """The scheme of an address of object storage; empty for a path."""
    scheme, separator, _ = address.partition("://")
    return scheme if separator and scheme in _SCHEMES else ""


def checked(address: str) -> str:
    """An address of object storage without a slash at its end.

    Raises:
        ExportError: if it names no bucket, or has a part that no such address has.
    """
    bucket, *prefix = address.partition("://")[2].rstrip("/").split("/")
    if not bucket or "" in prefix or {".", ".."} & set(prefix) or set("?#@%") & set(address):
        raise ExportError(address, "must be like s3://bucket or s3://bucket/prefix")
    return address.rstrip("/")
