"""Measures serving: what an answer costs, beside what it is compared with, in one run.

One command prints a table:

    python tests/benchmarks/serving.py FOLDER                # a folder of articles, such as samples/articles
    python tests/benchmarks/serving.py FOLDER --cold 100000  # and first requests over so many generated ones
    python tests/benchmarks/serving.py FOLDER --django       # and Django, in an environment made for it

Real gunicorn with one worker and the project's worker class and threads; wrk asks, for a second at a time.
CPU is that of the worker process, from /proc, in rounds of alternating order; figures are those of the best
quarter of rounds. The line that compares a bare function with another process of itself tells the noise.
Nothing is asserted. nginx is measured where it is installed.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from corpus import write_corpus
from index import children, free_port, index_once, is_indexer, quiet, wait_until_scanned

from feedserver.server.application import gunicorn_options
from feedserver.settings.sources import load_settings

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
FEED = "/articles.rss"
SITE = "https://feeds.example"
SECONDS = 1
ROUNDS = 16
CONNECTIONS = 8
# Feeds whose articles change in turn, and how often each.
FEEDS_IN_TURN = 10
CHANGES = 10
TICKS = os.sysconf("SC_CLK_TCK")
OPTIONS = gunicorn_options(load_settings(environ={}))

Headers = Mapping[str, str]


class Answer(NamedTuple):
    """An answer as it came."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class Load(NamedTuple):
    """The throughput of a worker under load, and its cost."""

    per_second: float
    cpu_micros: float


class Contender(NamedTuple):
    """A server to measure: where it listens and which process works."""

    port: int
    worker: int


# --- servers ------------------------------------------------------------------------------------


@contextlib.contextmanager
def gunicorn(target: str, environ: Headers, *more: str, python: str = sys.executable) -> Iterator[Contender]:
    """gunicorn with one worker of the project's kind; in another environment if told so."""
    port = free_port()
    options = [f"--{name.replace('_', '-')}={OPTIONS[name]}" for name in ("worker_class", "threads")]
    command = (python, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1", *options)
    variables = {"PYTHONPATH": os.pathsep.join([str(HERE), str(REPOSITORY)]), **environ}
    setting = tuple(f"{name}={value}" for name, value in variables.items())
    keep_alive = ("--keep-alive", str(OPTIONS["keepalive"]), "--no-control-socket")
    with quiet("env", *setting, *command, *keep_alive, *more, target) as process:
        wait_for(lambda: ask(port, "/healthz") is not None)
        yield Contender(port, next(pid for pid in children(process.pid) if not is_indexer(pid)))


@contextlib.contextmanager
def nginx(program: str, folder: Path, answer: Answer) -> Iterator[Contender]:
    """nginx with one worker, and the bytes of an answer as a file."""
    port = free_port()
    (folder / "articles.rss").write_bytes(answer.body)
    (folder / "nginx.conf").write_text(
        f"worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        "events { worker_connections 100; }\n"
        f"http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};\n"
        f"fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};\n"
        f"keepalive_requests 1000000; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n",
        encoding="utf-8",
    )
    folder.chmod(0o755)
    with quiet(program, "-p", str(folder), "-c", str(folder / "nginx.conf")) as process:
        wait_for(lambda: ask(port, FEED) is not None)
        yield Contender(port, children(process.pid)[0])


def django_python(folder: Path) -> str:
    """An interpreter with Django, in an environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "django", "gunicorn"], check=True)
    return python


# --- requests -----------------------------------------------------------------------------------


def ask(port: int, path: str, headers: Headers | None = None) -> Answer | None:
    """One request; None if nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest("GET", path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return Answer(response.status, response.reason, response.getheaders(), response.read())
    except OSError:
        return None
    finally:
        connection.close()


def must(answer: Answer | None, status: int) -> Answer:
    """The answer, if it is one with that status: what measures something else is worth nothing."""
    if answer is None or answer.status != status:
        raise SystemExit(f"expected {status}, got {answer}")
    return answer


def wait_for(condition: Callable[[], bool], patience: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not within {patience} s")
        time.sleep(0.02)


def load(server: Contender, path: str = FEED, headers: Headers | None = None) -> Load:
    """Ask for some seconds by a few connections that stay open."""
    lines = [part for name, value in (headers or {}).items() for part in ("-H", f"{name}: {value}")]
    url = f"http://127.0.0.1:{server.port}{path}"
    before = cpu_seconds(server.worker)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", *lines, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(server.worker) - before
    count, rate = re.search(r"(\d+) requests in", said), re.search(r"Requests/sec:\s*([\d.]+)", said)
    if count is None or rate is None or "Socket errors" in said or "Non-2xx" in said:
        raise SystemExit(f"wrk failed: {said}")
    return Load(float(rate[1]), used / int(count[1]) * 1e6)


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def alternate(
    one: Contender, other: Contender, path: str, headers: Headers, paths: Sequence[str] = ()
) -> tuple[list[Load], list[Load]]:
    """Loads of two servers, in rounds of alternating order; `paths` are theirs if they differ."""
    pairs = [(one, paths[0] if paths else path), (other, paths[1] if paths else path)]
    found: tuple[list[Load], list[Load]] = ([], [])
    for number in range(ROUNDS):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        for which in order:
            server, asked = pairs[which]
            found[which].append(load(server, asked, headers))
    return found


# --- the table ----------------------------------------------------------------------------------


def cpu_row(name: str, loads: tuple[list[Load], list[Load]]) -> tuple[str, str]:
    """CPU per request of two servers and the ratio.

    Of the quarter of rounds in which least was used: what other programs do can only add to it.
    """
    one, other = (quarter([load.cpu_micros for load in side]) for side in loads)
    return name, f"{one / other:.2f} × ({one:.0f} and {other:.0f} µs)"


def rate_row(name: str, loads: tuple[list[Load], list[Load]]) -> tuple[str, str]:
    """Requests per second of two servers and the ratio, likewise."""
    one, other = (-quarter([-load.per_second for load in side]) for side in loads)
    return name, f"{one / other:.2f} × ({one:,.0f} and {other:,.0f} requests/s)"


def quarter(figures: list[float]) -> float:
    """The first quartile."""
    return statistics.quantiles(figures, n=4)[0]


def measure(folder: Path, work: Path, python: str | None) -> Iterator[tuple[str, str]]:
    """The rows about repeated requests."""
    articles = work / "articles"
    shutil.copytree(folder, articles)
    index_once(articles, work / "state", "--base-url", SITE)
    environ = {
        "FEEDSERVER_ARTICLES": json.dumps([str(articles)]),
        "FEEDSERVER_SITE__BASE_URL": SITE,
        "FEEDSERVER_STATE__DIR": str(work / "state"),
        "FEEDSERVER_HTTP__DELTAS": "true",
    }
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(gunicorn("wsgi:app", environ))
        wait_for(lambda: any(name == "Last-Modified" for name, _ in must(ask(ours.port, FEED), 200).headers))
        cases = recorded(ours)
        data = {"BENCHMARK_DATA": str(write_data(work, ours, cases))}
        floor = stack.enter_context(gunicorn("contenders:bare()", data))
        twin = stack.enter_context(gunicorn("contenders:bare()", data))
        yield cpu_row("A/A: a bare WSGI function beside itself, CPU", alternate(twin, floor, "/200", {}))
        for name, (headers, _) in cases.items():
            loads = alternate(ours, floor, "", headers, (FEED, f"/{name}"))
            yield cpu_row(f"repeated {name}, CPU, beside a bare function", loads)
        plain: Headers = {}
        slow = stack.enter_context(gunicorn("contenders:uncached()", data))
        yield rate_row("beside Flask and feedgen without a cache", alternate(ours, slow, FEED, plain))
        if python is not None:
            other = stack.enter_context(gunicorn("contenders:django()", data, python=python))
            yield rate_row("beside Django's syndication and cache_page", alternate(ours, other, FEED, plain))
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if program is not None:
            files = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            other = stack.enter_context(nginx(program, files, cases["200"][1]))
            yield rate_row("beside nginx with the same bytes as a file", alternate(ours, other, FEED, plain))
        yield from sizes(ours, articles)


def recorded(server: Contender) -> dict[str, tuple[Headers, Answer]]:
    """Requests to repeat, and their answers."""
    tag = dict(must(ask(server.port, FEED), 200).headers)["ETag"]
    wishes: dict[str, Headers] = {
        "200": {},
        "200 in gzip": {"Accept-Encoding": "gzip, deflate"},
        "304": {"If-None-Match": tag, "Accept-Encoding": "gzip, deflate"},
    }
    return {
        name.replace(" ", "-"): (headers, must(ask(server.port, FEED, headers), int(name[:3])))
        for name, headers in wishes.items()
    }


def write_data(work: Path, server: Contender, cases: Mapping[str, tuple[Headers, Answer]]) -> Path:
    """Write what the contenders serve."""
    answers = {
        f"/{name}": {
            "status": f"{answer.status} {answer.reason}",
            # The server adds these headers itself, so the function leaves them out.
            "headers": [pair for pair in answer.headers if pair[0] not in ("Server", "Date", "Connection")],
            "body": base64.b64encode(answer.body).decode(),
        }
        for name, (_, answer) in cases.items()
    }
    answers["/healthz"] = {"status": "200 OK", "headers": [("Content-Length", "0")], "body": ""}
    items = json.loads(must(ask(server.port, "/articles.json"), 200).body)["items"]
    path = work / "data.json"
    path.write_text(json.dumps({"answers": answers, "items": items}), encoding="utf-8")
    return path


def sizes(server: Contender, articles: Path) -> Iterator[tuple[str, str]]:
    """Bytes of the encodings, and of a delta with one new article."""
    plain = must(ask(server.port, FEED), 200)
    for encoding in ("gzip", "br"):
        packed = must(ask(server.port, FEED, {"Accept-Encoding": encoding}), 200)
        yield f"{encoding} of the plain bytes", share(packed, plain)
    (articles / "new-for-the-benchmark.md").write_text(
        f"---\ntitle: New\ndate: {newest_date(server)}\nwebUrl: https://example.org/new\n---\nText.\n",
        encoding="utf-8",
    )
    tag = dict(plain.headers)["ETag"]
    wait_for(lambda: must(ask(server.port, FEED), 200).body != plain.body)
    delta = must(ask(server.port, FEED, {"A-IM": "feed", "If-None-Match": tag}), 226)
    yield "226 with one new article, of the plain bytes", share(delta, plain)


def newest_date(server: Contender) -> str:
    """When the newest article was published."""
    items = json.loads(must(ask(server.port, "/articles.json"), 200).body)["items"]
    return str(items[0]["date_published"])


def share(part: Answer, whole: Answer) -> str:
    """A size beside another."""
    return f"{len(part.body) / len(whole.body):.1%} ({len(part.body):,} of {len(whole.body):,} bytes)"


def cold(size: int, work: Path) -> Iterator[tuple[str, str]]:
    """First requests, each for a feed of 50 entries that nobody asked for before."""
    articles, state = work / "generated", work / "generated-state"
    write_corpus(articles, size)
    index_once(articles, state, "--base-url", SITE)
    environ = {
        "FEEDSERVER_ARTICLES": json.dumps([str(articles)]),
        "FEEDSERVER_SITE__BASE_URL": SITE,
        "FEEDSERVER_STATE__DIR": str(state),
    }
    started = datetime.now(UTC)
    with gunicorn("wsgi:app", environ) as server:
        wait_for(lambda: must(ask(server.port, "/readyz"), 200).status == 200)
        wait_until_scanned(server.port, after=started)
        found = json.loads(must(ask(server.port, "/topics.json"), 200).body)
        pages = [one["address"] for one in found if one["count"] >= 50][:120]
        must(ask(server.port, f"{pages[0]}.rss"), 200)
        for suffix in ("rss", "atom", "json"):
            used = cpu_seconds(server.worker)
            seconds = sorted(timed(server, f"{page}.{suffix}") for page in pages[1:])
            used = (cpu_seconds(server.worker) - used) / len(seconds)
            figure = f"{waited(seconds)}, CPU {used * 1e3:.1f} ms"
            yield f"first request ever, 50 entries, {size:,} articles, {suffix}, {len(seconds)} feeds", figure
        for suffix in ("rss", "atom", "json"):
            seconds = sorted(after_changes(server, articles, pages[:FEEDS_IN_TURN], suffix))
            yield f"first request after a change, 50 entries, {size:,} articles, {suffix}", waited(seconds)


def waited(seconds: Sequence[float]) -> str:
    """Percentiles of times in their order."""
    median, last = statistics.median(seconds), seconds[int(len(seconds) * 0.95)]
    return f"p50 {median * 1e3:.1f} ms, p95 {last * 1e3:.1f} ms"


def after_changes(server: Contender, articles: Path, pages: Sequence[str], suffix: str) -> Iterator[float]:
    """Seconds of first requests after the newest article of a feed got another title, feed after feed."""
    other = "rss" if suffix == "json" else "json"
    for number in range(len(pages) * (1 + CHANGES)):
        page, title = pages[number % len(pages)], f"Changed {suffix} {number}".encode()
        newest = json.loads(must(ask(server.port, f"{page}.json"), 200).body)["items"][0]["id"]
        path = articles / (newest.rpartition(":")[2].replace("/news/", "/_news/") + ".md")
        fresh = path.with_name(".fresh")
        fresh.write_bytes(re.sub(rb'(?m)^title: ".*"$', b'title: "' + title + b'"', path.read_bytes()))
        fresh.rename(path)
        wait_for(lambda page=page, title=title: title in must(ask(server.port, f"{page}.{other}"), 200).body)  # type: ignore[misc]  # of a lambda with defaults
        seconds = timed(server, f"{page}.{suffix}")
        if number >= len(pages):  # who was asked once in this process
            yield seconds


def timed(server: Contender, path: str) -> float:
    """Seconds of one request on a new connection."""
    begun = time.perf_counter()
    must(ask(server.port, path), 200)
    return time.perf_counter() - begun


def main() -> None:
    """Print the table, row by row as it is measured."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its modules compiled
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="articles to serve")
    parser.add_argument("--cold", type=int, metavar="N", help="first requests over N generated articles")
    parser.add_argument("--django", action="store_true", help="install Django aside, and measure it")
    chosen = parser.parse_args()
    print("| what | figure |\n|---|---|")  # noqa: T201  a table is what this prints
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        python = django_python(work / "django") if chosen.django else None
        for row in measure(chosen.folder, work, python):
            print(f"| {row[0]} | {row[1]} |", flush=True)  # noqa: T201  as above
        if chosen.cold:
            for row in cold(chosen.cold, work):
                print(f"| {row[0]} | {row[1]} |", flush=True)  # noqa: T201  as above


if __name__ == "__main__":
    main()
