"""Stores changes of files so that a change that cannot be stored costs only its own file (promise 5).

`readings` does the same for reading. If storing a batch raises an exception, the batch is halved until one
change is left, and its file is stored with the finding `internal-error`. Errors of the database, the disk and
the state folder are not about one file, and are raised. Does not write itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import FeedserverError
from feedserver.index.file_values import FileChange
from feedserver.indexing.readings import internal_error
from feedserver.model import Verdict

_log = logging.getLogger(__name__)


def apply_each(apply: Callable[[Sequence[FileChange]], int], changes: Sequence[FileChange]) -> int:
    """Apply changes at once, or in parts if that fails. Each part is then a commit of its own.

    Args:
        apply: applies all given changes or, if it raises, none, neither to the index nor to the publication
            history; returns how many articles changed.
        changes: to apply.

    Returns:
        How many articles changed.

    Raises:
        Exception: from `apply`, if it fails at a removal, or at a file that is broken already.
    """
    try:
        return apply(changes)
    except (FeedserverError, SQLAlchemyError, OSError, MemoryError):
        raise
    except Exception as error:
        cause = error
    # Outside of the handler, so that its exception is not the context of all that follow.
    if len(changes) > 1:
        middle = len(changes) // 2
        return apply_each(apply, changes[:middle]) + apply_each(apply, changes[middle:])
    return apply([_as_broken(changes[0], cause)])


def _as_broken(change: FileChange, error: Exception) -> FileChange:
    """The change that stores a file with `internal-error`; the error is raised for a removal."""
    if change.stamp is None or change.content is None:
        raise error
    is_hidden = change.content.verdict is Verdict.HIDDEN
    reading = internal_error(change.stamp, error, is_hidden=is_hidden)
    _log.error("%s cannot be stored because of a defect of feedserver\n%s", change.order_path, reading.trace)
    return msgspec.structs.replace(change, content=reading.content)
