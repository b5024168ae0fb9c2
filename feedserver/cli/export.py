"""`feedserver export`."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from feedserver.cli.counting import counted
from feedserver.cli.indexing import bring_up_to_date
from feedserver.cli.options import as_json_option, folders, shared_options
from feedserver.cli.progress import progress_bar
from feedserver.cli.site import site_settings
from feedserver.cli.state_command import StateCommand
from feedserver.errors import ExportError
from feedserver.export import run as exporting
from feedserver.export.site import ExportPlan, Scope
from feedserver.export.storage.addresses import scheme_of
from feedserver.indexing.plan import Plan
from feedserver.model import PUBLIC_KINDS, Format
from feedserver.wiring.exporting import make_export_plan
from feedserver.wiring.indexing import make_plan, prepare_state
from feedserver.wiring.serving import join_servers

# The parts of the site that can be chosen, beside the formats: the archive documents, and the pages with the
# directory and its lists.
ARCHIVES, PAGES = "archives", "pages"
CHOICES = {
    "only": (*(fmt.value for fmt in Format), ARCHIVES, PAGES),
    "kinds": tuple(kind.value for kind in PUBLIC_KINDS),
}


def _names(_: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """The names that an option lists with commas; None if it is not given."""
    if value is None:
        return None
    chosen, known = tuple(value.split(",")), CHOICES[str(param.name)]
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is not one of {','.join(known)}.", param=param)
    return chosen


def _target(_: click.Context, __: click.Parameter, value: str) -> Path | str:
    """A folder as a path, object storage as its address."""
    return value if scheme_of(value) else Path(value)


def _complete(_: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    before, comma, last = incomplete.rpartition(",")
    names = CHOICES[str(param.name)]
    return [CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(last)]


EPILOG = """\b
Examples:
  feedserver export public ~/blog
  feedserver export public --only rss,atom --kinds topics
  feedserver export public --watch
  feedserver export s3://bucket/feeds --gzip
"""


@click.command("export", cls=StateCommand, epilog=EPILOG)
@click.argument("target", metavar="DIR", callback=_target)
@folders
@shared_options
@as_json_option
@click.option(
    "--only",
    metavar="WHAT",
    callback=_names,
    shell_complete=_complete,
    help=f"Only some of {','.join(CHOICES['only'])}.",
)
@click.option(
    "--kinds",
    metavar="KINDS",
    callback=_names,
    shell_complete=_complete,
    help=f"Only some of {','.join(CHOICES['kinds'])}.",
)
@click.option("--gzip", is_flag=True, help="In object storage: store documents in gzip, for all clients.")
@click.option("--watch", is_flag=True, help="Go on and keep DIR up to date while articles change.")
def command(
    target: Path | str,
    only: tuple[str, ...] | None,
    kinds: tuple[str, ...] | None,
    gzip: bool,
    **options: Any,
) -> None:
    """Write the whole site to DIR as files, for any static server; again, to bring it up to date.

    DIR may also be object storage: s3://bucket/prefix, gs://bucket/prefix or az://container/prefix.
    """
    if gzip and isinstance(target, Path):
        raise click.UsageError("--gzip is for object storage; a folder has each document in gzip beside it.")
    watch, as_json = options.pop("watch"), options.pop("as_json")
    settings = site_settings(options)
    scope = Scope(
        formats=tuple(fmt for fmt in Format if only is None or fmt in only),
        archives=only is None or ARCHIVES in only,
        pages=only is None or PAGES in only,
        kinds=tuple(kind for kind in PUBLIC_KINDS if kinds is None or kind in kinds),
    )
    export_plan = make_export_plan(settings, scope, target, gzip=gzip)
    prepare_state(settings)
    plan = make_plan(settings)
    if isinstance(target, Path):
        _refuse_folder_of_articles(target, plan)
    # As a server does: all processes that publish from a state folder must publish the same.
    with join_servers(settings):
        if watch:
            _watch(plan, export_plan, target)
            return
        bring_up_to_date(plan)
        begun = time.perf_counter()
        with progress_bar("Writing the site", "parts") as progress:
            summary = exporting.export(export_plan, target, progress)
    seconds = time.perf_counter() - begun
    if as_json:
        counts = {name: getattr(summary, name) for name in ("documents", "written", "removed")}
        click.echo(json.dumps({**counts, "seconds": round(seconds, 3)}, indent=1))
        return
    click.echo(
        f"{counted(summary.documents, 'document')} in {seconds:.2f} s: {summary.written:,} written, "
        f"{summary.removed:,} removed"
    )


def _watch(plan: Plan, export_plan: ExportPlan, target: Path | str) -> None:
    """Export changes until stopped, beside an indexer: a running one, or a child of this process."""
    # Imported here, because a single export needs none of these.
    from feedserver.export.watch import ExportWatch  # noqa: PLC0415
    from feedserver.indexing import child  # noqa: PLC0415  see above
    from feedserver.indexing.supervisor import IndexerSupervisor  # noqa: PLC0415
    from feedserver.system.processes import freeze_imports  # noqa: PLC0415

    stop = threading.Event()
    child.stop_on_signals(stop)
    child.log_to_stderr("export")
    freeze_imports()
    with ExportWatch(export_plan, target, stop.is_set) as watch:
        supervisor = IndexerSupervisor(plan)
        supervisor.start()
        try:
            watch.run()
        finally:
            supervisor.stop()


def _refuse_folder_of_articles(directory: Path, plan: Plan) -> None:
    """Refuse a folder whose files would be read as articles."""
    for root in plan.roots:
        if directory.resolve().is_relative_to(Path(root.path).resolve()):
            raise ExportError(directory, f"lies in the folder of articles {root.path}; name another one")
