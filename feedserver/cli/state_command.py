"""The base class of commands on a state folder: how they fail."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import FeedserverError


class StateCommand(click.Command):
    """A command on a state folder: an error of its databases is one of the family."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SQLAlchemyError as error:
            reason = f"the index or the publication history cannot be used: {error.__cause__ or error}"
            raise FeedserverError(reason) from error
