"""Shows and writes the repairs of `feedserver check --fix`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from feedserver.cli.check_options import CheckOptions
from feedserver.cli.checking import CheckedBatch
from feedserver.cli.counting import counted
from feedserver.indexing.linting.fixing import Fix, difference, fixes, write
from feedserver.indexing.linting.repairs import REPAIRABLE

_REFUSED = (
    "is left as it is: its article has no date but the modification time, which would change; write one first"
)


def find_fixes(batches: Sequence[CheckedBatch], options: CheckOptions) -> list[Fix]:
    """The repairs of the files of a check, without those that are refused; prints all of them."""
    choice = options.choice
    codes = frozenset(choice.only or REPAIRABLE) - frozenset(choice.without)
    wanted = []
    for batch in batches:
        for fix in fixes(batch.checked, batch.plan, codes, line_ends=options.line_ends):
            if fix.is_refused:
                click.echo(f"{fix.path}: {_REFUSED}", err=True)
                continue
            wanted.append(fix)
            for line in difference(fix):
                # On standard output a program expects its format alone.
                click.echo(line, err=options.style not in ("text", "compact"))
    return wanted


def write_fixes(wanted: Sequence[Fix]) -> None:
    """Write mended files, and say what their new modification times mean."""
    for fix in wanted:
        write(fix)
    if wanted:
        click.echo(
            f"Mended {counted(len(wanted), 'file')}. A server reads them again, because their modification "
            "times are new. Ids and dates of publication stay; readers see an update where content changed.",
            err=True,
        )
