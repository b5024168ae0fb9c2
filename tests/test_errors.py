"""The family of errors: each member is the same sentence with the same facts in another process."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from feedserver.errors import (
    ExportError,
    FeedFileError,
    FeedserverError,
    ForeignStateError,
    FrontMatterError,
    HistoryLostError,
    IndexMovedError,
    IndexNotReadyError,
    IndexUnreadableError,
    PathError,
    PortError,
    SelectionError,
    ServerBusyError,
    SettingsError,
    StateError,
    StorageError,
    StoreUnreachableError,
    UnknownAddressError,
    UnknownSelectionError,
)
from feedserver.findings import FindingCode

FAMILY = {
    SettingsError(["site.title: is no text", "http.max_age: is negative"]): (
        "site.title: is no text; http.max_age: is negative"
    ),
    FrontMatterError(FindingCode.YAML_SYNTAX, "not YAML", line=3, column=7): "3:7: not YAML",
    StateError(Path("state/history.sqlite"), "is no database"): "state/history.sqlite: is no database",
    SelectionError("limit", "0", "must be from 1 to 500"): "limit=0: must be from 1 to 500",
    UnknownSelectionError(["ai", "bees"]): "nothing was ever published under ai, bees",
    ForeignStateError(Path("state"), "belongs to another site"): "state: belongs to another site",
    StoreUnreachableError("postgresql://db/x", "does not answer"): "postgresql://db/x: does not answer",
    HistoryLostError(Path("state/history.sqlite"), "is empty"): "state/history.sqlite: is empty",
    IndexUnreadableError("the index is damaged"): "the index is damaged",
    IndexNotReadyError("the first index is not complete yet"): "the first index is not complete yet",
    IndexMovedError("/topics/ai changed while it was read"): "/topics/ai changed while it was read",
    ServerBusyError("is kept up to date by another process"): "is kept up to date by another process",
    PortError("::1", 80, "permission denied"): (
        "cannot listen at ::1, port 80: permission denied; choose another one with --port"
    ),
    ExportError(Path("out"), "another export is writing to it"): "out: another export is writing to it",
    StorageError("s3://bucket/site", "there is no such bucket"): "s3://bucket/site: there is no such bucket",
    FeedFileError(Path("feed.xml"), "is no feed"): "feed.xml: is no feed",
    UnknownAddressError("/topics/x"): "/topics/x: no such listing",
    UnknownAddressError("/topics/x", close=["/topics/y", "/topics/z"]): (
        "/topics/x: no such listing; did you mean /topics/y or /topics/z?"
    ),
}


def members(root: type[FeedserverError]) -> set[type[FeedserverError]]:
    """All classes of the family but the root."""
    kinds = root.__subclasses__()
    return set(kinds).union(*map(members, kinds))


def test_the_whole_family_is_tested() -> None:
    assert {type(error) for error in FAMILY} == members(FeedserverError) - {PathError}  # the base of three


@pytest.mark.parametrize("error", FAMILY, ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_in_another_process(error: FeedserverError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes

    assert type(again) is type(error)
    assert str(again) == str(error) == FAMILY[error]
    assert vars(again) == vars(error)
