"""What commands on a state folder have in common: how it may be in use, and how they fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import FeedserverError, ServerBusyError
from feedserver.lock import holder
from feedserver.plan import Plan


class StateCommand(click.Command):
    """A command on a state folder: an error of its databases is one of the family."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SQLAlchemyError as error:
            reason = f"the index or the memory cannot be used: {error.__cause__ or error}"
            raise FeedserverError(reason) from error


def refuse_other_indexer(plan: Plan) -> None:
    """Raise ServerBusyError if an indexer with other folders or settings is running."""
    running = holder(Path(plan.state_dir))
    if running is not None and running.fingerprint != plan.fingerprint:
        raise ServerBusyError(
            f"{plan.state_dir}: is in use by process {running.pid}, which runs with other folders or settings"
        )
