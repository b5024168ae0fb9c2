"""The command `feedserver`.

Options in, settings out, one part called; what is printed goes to standard output, errors to standard
error as one clear line each: exit 2 for wrong usage or settings, 1 for failure. No work is done here.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, Protocol

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import SQLAlchemyError

from feedserver import __version__, checker, child
from feedserver.app import make_export_plan, make_plan, make_publisher, prepare_state
from feedserver.errors import (
    ExportError,
    FeedserverError,
    ServerBusyError,
    SettingsError,
    UnknownAddressError,
)
from feedserver.export import run as exporting
from feedserver.export.site import Scope
from feedserver.follower import RESCAN_REQUEST
from feedserver.index import builds
from feedserver.index.reader import IndexReader
from feedserver.indexer import Indexer, Summary
from feedserver.indexer import Progress as ScanProgress
from feedserver.lock import IndexerLock, holder
from feedserver.model import Format, Kind, Severity, Verdict
from feedserver.plan import Plan
from feedserver.processes import freeze_imports
from feedserver.publisher import Publisher
from feedserver.serving import Server, StateClaim, check_port
from feedserver.settings import Settings, load_settings, origins
from feedserver.web import directory, status
from feedserver.web.addresses import GROUPS, guesses, parse, split_format
from feedserver.web.suggestions import closest

Command = Callable[..., Any]

# How often a command that waits for a running indexer looks.
LOOK_SECONDS = 0.1


class Group(click.Group):
    """The command group: an error that can be told in one line is told so, and ends the command."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            _fail(*error.problems, status=2)
        except FeedserverError as error:
            _fail(str(error), status=1)
        except BrokenPipeError:
            # `feedserver list | head`: nobody reads any more, which is no failure. What is still buffered
            # must go somewhere when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), status=1)
        except SQLAlchemyError as error:
            _fail(f"the index or the memory cannot be used: {error.__cause__ or error}", status=1)


def _fail(*sentences: str, status: int) -> NoReturn:
    for sentence in sentences:
        click.echo(f"feedserver: {sentence}", err=True)
    sys.exit(status)


def _shared(command: Command) -> Command:
    """The options that all commands have."""
    for option in (
        click.option(
            "--adopt-state",
            is_flag=True,
            default=None,
            help="Go on with a state folder of other articles or ids.",
        ),
        click.option("--state-dir", metavar="DIR", help="Where index, memory and cache are kept."),
        click.option("--base-url", metavar="URL", help="The public URL that all addresses begin with."),
        click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="The settings file."),
    ):
        command = option(command)
    return command


_folders = click.argument("folders", nargs=-1, metavar="[FOLDER]...")
# A server waits for a folder that is not there yet; who asks for a scan has mistyped it.
_existing_folders = click.argument(
    "folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(exists=True, file_okay=False)
)


def _sources(
    config: Path | None, base_url: str | None, state_dir: str | None, adopt_state: bool | None, **more: Any
) -> dict[str, Any]:
    """The arguments for `load_settings` from the options of a command."""
    folders = more.pop("folders", ())
    overrides = {
        "site": {"base_url": base_url},
        "state": {"dir": state_dir, "adopt": adopt_state},
        "articles": list(folders) or None,
        "server": more,
    }
    return {"config_file": config, "overrides": overrides}


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="feedserver")
def main() -> None:
    """Serve folders of article files as RSS, Atom and JSON feeds."""


# --- serve --------------------------------------------------------------------------------------


@main.command()
@_folders
@_shared
@click.option("--host", metavar="ADDRESS", help="Where to listen. [default: 127.0.0.1]")
@click.option("--port", type=int, help="Where to listen. [default: 8000]")
@click.option("--workers", type=int, help="Number of worker processes. [default: 2]")
@click.option("--access-log", is_flag=True, help="Print a line per request.")
def serve(access_log: bool, **options: Any) -> None:
    """Serve the feeds of the article FOLDERs, behind gunicorn."""
    settings = load_settings(**_sources(**options))
    publisher = make_publisher(settings)
    prepare_state(settings)
    plan = make_plan(settings)
    _refuse_other_indexer(plan)
    check_port(settings.server.host, settings.server.port)
    claim = StateClaim(Path(plan.state_dir), f"{plan.fingerprint}-{publisher.fingerprint}")
    shown = settings.public_url
    click.echo(f"feedserver {__version__}: the directory of all feeds is at {shown}/")
    if settings.site.base_url is None:
        click.echo(f"Feeds say that they are at {shown}; set site.base_url or --base-url to the public URL.")
    for root in settings.articles:
        if not root.path.exists():
            click.echo(f"feedserver: {root.path}: does not exist yet; served as soon as it does", err=True)
    sys.stdout.flush()
    with claim:
        Server(settings, {"accesslog": "-"} if access_log else {}).run()


def _refuse_other_indexer(plan: Plan) -> None:
    running = holder(Path(plan.state_dir))
    if running is not None and running.fingerprint != plan.fingerprint:
        raise ServerBusyError(
            f"{plan.state_dir}: is in use by process {running.pid}, which runs with other folders or settings"
        )


# --- index --------------------------------------------------------------------------------------


@main.command()
@_existing_folders
@_shared
@click.option("--watch", is_flag=True, help="Go on and keep the index up to date.")
def index(watch: bool, **options: Any) -> None:
    """Bring the index of the article FOLDERs up to date."""
    settings = load_settings(**_sources(**options))
    prepare_state(settings)
    plan = make_plan(settings)
    if watch:
        lock = IndexerLock.acquire(Path(plan.state_dir))
        if lock is None:
            _refuse_other_indexer(plan)
            raise ServerBusyError(f"{plan.state_dir}: is kept up to date by another process already")
        stop = threading.Event()
        child.stop_on_signals(stop)
        child.log_to_stderr()
        child.run(lock, plan, stop)
        return
    summary = _bring_up_to_date(plan)
    if summary is not None:
        click.echo(
            f"{summary.files} files in {summary.seconds:.2f} s: {summary.read} read, {summary.gone} gone, "
            f"{summary.articles_changed} articles changed"
        )
    click.echo(_counts(settings))


def _bring_up_to_date(plan: Plan) -> Summary | None:
    """Index now, or wait for a scan of the indexer that runs already: then there is no summary."""
    lock = IndexerLock.acquire(Path(plan.state_dir))
    if lock is None:
        _refuse_other_indexer(plan)
        lock = _lock_after_scan(plan)
    return None if lock is None else _index_once(lock, plan)


def _index_once(lock: IndexerLock, plan: Plan) -> Summary:
    lock.sign(plan.fingerprint)
    indexer = Indexer(plan)
    freeze_imports()
    try:
        with _progress_bar("Reading articles") as progress:
            return indexer.refresh(progress)
    finally:
        indexer.close()
        lock.release()


class Counted(Protocol):
    """How far something is: how many are done, and of how many, where that is known."""

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int | None: ...


@contextmanager
def _progress_bar(what: str) -> Iterator[Callable[[Counted], None]]:
    """A bar on a terminal, nothing elsewhere."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Looking for files", total=None, rate="")
        begun = time.monotonic()

        def show(progress: Counted) -> None:
            nonlocal begun
            if not progress.total:
                found = progress.found if isinstance(progress, ScanProgress) else 0
                bar.update(task, completed=found)
                begun = time.monotonic()
                return
            rate = progress.done / max(time.monotonic() - begun, 0.001)
            bar.update(
                task,
                description=what,
                completed=progress.done,
                total=progress.total,
                rate=f"{rate:,.0f} files/s",
            )

        yield show


def _lock_after_scan(plan: Plan) -> IndexerLock | None:
    """Wait until the running indexer has finished a scan that began after now.

    Returns:
        None; or, if that indexer ended before it had done so, its lock, for the caller to index.
    """
    state_dir = Path(plan.state_dir)
    begun = datetime.now(UTC)
    begun -= timedelta(microseconds=begun.microsecond % 1000)  # scans are noted in milliseconds
    (state_dir / RESCAN_REQUEST).touch()
    reader = IndexReader(state_dir)
    try:
        while (lock := IndexerLock.acquire(state_dir)) is None:
            if builds.serving_build(state_dir) is not None:
                started = reader.facts().get("scan_started")
                if started and datetime.fromisoformat(started) >= begun:
                    return None
            time.sleep(LOOK_SECONDS)
    finally:
        reader.close()
    return lock


def _counts(settings: Settings) -> str:
    """What the index holds, in one line."""
    publisher = make_publisher(settings)
    verdicts = publisher.reader.verdicts()
    everything = directory.everything(publisher)
    findings = [finding for _, finding in publisher.reader.findings()]
    problems = sum(finding.severity is Severity.ERROR for finding in findings)
    publisher.reader.close()
    return (
        f"{everything.count} articles are live; {verdicts.get(Verdict.HIDDEN, 0)} files are hidden, "
        f"{verdicts.get(Verdict.UNDATED, 0)} undated, {problems} problems"
        + (" (feedserver check names them)" if problems else "")
    )


# --- check --------------------------------------------------------------------------------------


@main.command()
@_existing_folders
@_shared
@click.option(
    "--format", "style", type=click.Choice(["text", "json", "github"]), default="text", show_default=True
)
def check(style: str, **options: Any) -> None:
    """Read every article and say what is wrong with it; exit 1 if there are errors."""
    settings = load_settings(**_sources(**options))
    plan = make_plan(settings)
    names = [str(root.path) for root in settings.articles]
    checked = list(checker.check(plan, names, int(time.time())))
    if style == "json":
        click.echo(checker.as_json(checked))
    else:
        line = checker.as_text if style == "text" else checker.as_github
        for one in checked:
            for finding in one.findings:
                click.echo(line(one.path, finding))
    severities = [finding.severity for one in checked for finding in one.findings]
    errors = severities.count(Severity.ERROR)
    articles = sum(one.verdict is Verdict.ARTICLE and not one.findings for one in checked)
    click.echo(
        f"{len(checked)} files, {articles} articles without a finding: "
        f"{errors} errors, {severities.count(Severity.WARNING)} warnings",
        err=True,
    )
    sys.exit(1 if errors else 0)


# --- list, render -------------------------------------------------------------------------------


@contextmanager
def _indexed(settings: Settings) -> Iterator[Publisher]:
    """A publisher over the index that is there, whichever folders it is of; made now, if there is none."""
    plan = make_plan(settings)
    if builds.serving_build(Path(plan.state_dir)) is None:
        prepare_state(settings)
        lock = IndexerLock.acquire(Path(plan.state_dir)) or _lock_after_scan(plan)
        if lock is not None:
            _index_once(lock, plan)
    publisher = make_publisher(settings)
    try:
        yield publisher
    finally:
        publisher.reader.close()


@main.command("list")
@click.argument("what", type=click.Choice(["topics", "providers", "categories", "feeds"]))
@_shared
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(what: str, as_json: bool, **options: Any) -> None:
    """List what there are feeds of, with counts, last change and addresses; on standard error, how fresh."""
    settings = load_settings(**_sources(**options))
    with _indexed(settings) as publisher:
        members = list(directory.group(publisher, GROUPS[what]).listings)
        if GROUPS[what] is Kind.FEED:
            members.insert(0, directory.everything(publisher))
        rows = [directory.described(one, publisher.site.base_url) for one in members]
        how = status.in_short(publisher, datetime.now(UTC))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=1).decode())
    else:
        for row in rows:
            click.echo(f"{row['count']:>7}  {row['updated'] or '-'!s:<20}  {row['address']}  {row['title']}")
    click.echo(f"Index: {how}.", err=True)


@main.command()
@click.argument("address")
@_shared
def render(address: str, **options: Any) -> None:
    """Print one feed, such as /topics/ai.atom, as the server would send it."""
    settings = load_settings(**_sources(**options))
    target = parse(address)
    with _indexed(settings) as publisher:
        if target is None or target.document is None or not publisher.exists(target.key):
            raise UnknownAddressError(address, _close_addresses(publisher, address))
        body = publisher.preview(target.document)
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()


def _close_addresses(publisher: Publisher, address: str) -> list[str]:
    """The feeds that may have been meant: a guess that exists, else what has a similar name."""
    for path in (address, *guesses(address)):
        target = parse(path)
        if target is not None and publisher.exists(target.key):
            return [target._replace(fmt=fmt).address for fmt in ([target.fmt] if target.fmt else Format)]
    base, fmt = split_format(address)
    target = parse(base)
    kinds = list(GROUPS.values()) if target is None else [target.key.kind]
    name = base.rpartition("/")[2]
    found = closest(publisher.reader, kinds, name)
    return [f"{one.key.address}.{(fmt or Format.RSS).value}" for one in found]


# --- export -------------------------------------------------------------------------------------


# What of the site can be chosen, beside the formats: the archive documents in them, and the pages with
# the directory and its lists.
ARCHIVES, PAGES = "archives", "pages"
CHOICES = {
    "only": (*(fmt.value for fmt in Format), ARCHIVES, PAGES),
    "kinds": tuple(kind.value for kind in Kind),
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


@main.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@_existing_folders
@_shared
@click.option(
    "--only",
    metavar="WHAT",
    callback=_names,
    help=f"Only some of {','.join(CHOICES['only'])}.",
)
@click.option(
    "--kinds",
    metavar="KINDS",
    callback=_names,
    help=f"Only some of {','.join(CHOICES['kinds'])}.",
)
def export(
    directory: Path, only: tuple[str, ...] | None, kinds: tuple[str, ...] | None, **options: Any
) -> None:
    """Write the whole site to DIR as files, for any static server; again, to bring it up to date."""
    settings = load_settings(**_sources(**options))
    scope = Scope(
        formats=tuple(fmt for fmt in Format if only is None or fmt in only),
        archives=only is None or ARCHIVES in only,
        pages=only is None or PAGES in only,
        kinds=tuple(kind for kind in Kind if kinds is None or kind in kinds),
    )
    export_plan = make_export_plan(settings, scope)
    prepare_state(settings)
    plan = make_plan(settings)
    _refuse_folder_of_articles(directory, plan)
    # As a server does: what publishes from one state folder at a time must publish the same.
    publishing = make_publisher(settings).fingerprint
    with StateClaim(Path(plan.state_dir), f"{plan.fingerprint}-{publishing}"):
        _bring_up_to_date(plan)
        begun = time.perf_counter()
        with _progress_bar("Writing the site") as progress:
            summary = exporting.export(export_plan, directory, progress)
    click.echo(
        f"{summary.documents} documents in {time.perf_counter() - begun:.2f} s: {summary.written} written, "
        f"{summary.removed} removed"
    )


def _refuse_folder_of_articles(directory: Path, plan: Plan) -> None:
    """Exported pages would be read as articles."""
    for root in plan.roots:
        if directory.resolve().is_relative_to(Path(root.path).resolve()):
            raise ExportError(directory, f"lies in the folder of articles {root.path}; name another one")


# --- config -------------------------------------------------------------------------------------


@main.command()
@_shared
@click.option("--check", "only_check", is_flag=True, help="Only say whether the settings are usable.")
def config(only_check: bool, **options: Any) -> None:
    """Show the effective settings, and where each came from."""
    sources = _sources(**options)
    found = origins(**sources)
    if only_check:
        click.echo("The settings are usable.")
        return
    for origin in found:
        value = msgspec.json.encode(origin.value).decode()
        click.echo(f"{origin.key}: {value}  # {origin.source}")
