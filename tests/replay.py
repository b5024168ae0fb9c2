"""Replays the history of a repository of article files against a running server, and polls its feed.

    python tests/replay.py REPOSITORY                             # every commit of its first-parent history
    python tests/replay.py REPOSITORY --last 300 --until COMMIT --moves 10

Each commit is checked out by git into a folder that `feedserver serve` follows, while a client polls the
feed of all articles. Then the feed is compared with an independent reading of the folder, and all that was
served on the way with what was served before and after. Counted are:

- spurious changes: what is served of an article changed, `updated` too, and its file has the same bytes;
- missed changes: title, day or words of an article changed, and what is served did not;
- changed ids: a file at the same path has another id;
- torn documents: a document with an entry that is neither what was served before nor what is served after;
- documents in which an article is missing that both commits have, as while its file moves.

`--moves` adds commits at the end that move all articles below `_archive` and back, which keeps their ids.
Exit status 1 if anything was counted. Nothing of the repository is kept.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from independent_reading import SUFFIXES, Read, Told, read_folder
from servers import REPOSITORY, serve

FEED = "/articles.json"
POLL_SECONDS = 0.005

# After a checkout: how long nothing must change until it is taken as served, and the most that is waited.
# Few deletions are served after a third of a second; many take longer, so it is waited until they are.
QUIET_SECONDS = 2.0
PATIENCE_SECONDS = 30.0

SPURIOUS, MISSED, IDS = "spurious changes", "missed changes", "changed ids"
TORN, MISSING = "torn documents", "documents with articles missing"
FAULTS = (SPURIOUS, MISSED, IDS, TORN, MISSING)
SETTINGS = """\
site: {base_url: "https://replay.example", title: Replay}
articles: [{path: articles, url: "https://replay.example/{path}", base_url: "https://replay.example/"}]
dates: {from_file_name: true}
feeds: {limit: 100000, max_bytes: 1000000000}
"""

# Nothing of the machine's settings, and a name for commits.
GIT = {
    "PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@gazette.example",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@gazette.example",
}  # fmt: skip

Item = Mapping[str, Any]


# --- documents ------------------------------------------------------------------------------------


class Served(NamedTuple):
    """A document as a client got it: its items by id."""

    items: dict[str, Item]

    @classmethod
    def of(cls, body: bytes) -> Served:
        return cls({item["id"]: item for item in json.loads(body)["items"]})

    def told(self) -> Counter[Told]:
        """The items of the document, and how often each is in it."""
        return Counter(told_by(item) for item in self.items.values())


def told_by(item: Item) -> Told:
    """The parts of an item that identify it to a subscriber."""
    return Told(" ".join(item["title"].split()), item["date_published"][:10])


# --- what is compared -----------------------------------------------------------------------------


class State(NamedTuple):
    """A commit: what its files say, and what was served of it."""

    files: dict[Told, list[Read]]
    served: Served


def faults(before: State, after: State, polled: Sequence[Served]) -> Counter[str]:
    """The faults from one commit to the next.

    Args:
        before: the state in which the feed rested before the checkout.
        after: the one in which it rests now.
        polled: all documents that were served in between.
    """
    counts: Counter[str] = Counter(dict.fromkeys(FAULTS, 0))
    _compare_articles(before, after, counts)
    ends = before.served.items, after.served.items
    stays = Counter({told: len(files) for told, files in before.files.items()}) & Counter(
        {told: len(files) for told, files in after.files.items()}
    )
    for document in polled:
        counts[TORN] += any(
            item not in (end.get(article) for end in ends) for article, item in document.items.items()
        )
        counts[MISSING] += not stays <= document.told()
    return counts


def _compare_articles(before: State, after: State, counts: Counter[str]) -> None:
    """Count the faults in what is served at last. Articles that are told alike cannot be told apart."""
    was, now = _by_told(before.served), _by_told(after.served)
    for told in before.files.keys() & after.files.keys() & was.keys() & now.keys():
        if len(before.files[told]) == len(after.files[told]) == 1:
            old, new = before.files[told][0], after.files[told][0]
            counts[IDS] += old.path == new.path and was[told]["id"] != now[told]["id"]
            if was[told]["id"] == now[told]["id"]:
                counts[SPURIOUS] += old.raw == new.raw and was[told] != now[told]
                counts[MISSED] += old.words != new.words and was[told] == now[told]


def _by_told(served: Served) -> dict[Told, Item]:
    counts = served.told()
    return {told_by(item): item for item in served.items.values() if counts[told_by(item)] == 1}


def is_served(files: Mapping[Told, Collection[Read]], served: Served) -> bool:
    """Whether a document tells of all articles, and of no other."""
    return served.told() == Counter({told: len(read) for told, read in files.items()})


# --- the client -----------------------------------------------------------------------------------


class Poller:
    """Polls the feed in a thread, on condition, and keeps every document that is another one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._bodies: list[bytes] = []
        self._changed = time.monotonic()
        self.polls = self.failures = 0

    def __enter__(self) -> Poller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def taken(self) -> list[Served]:
        """The documents since the last call; the last one of them is the first of the next call."""
        bodies, self._bodies = self._bodies, self._bodies[-1:]
        return [Served.of(body) for body in bodies]

    def latest(self) -> bytes:
        """The document as it is now."""
        return self._bodies[-1] if self._bodies else b'{"items": []}'

    def rests_since(self) -> float:
        """For how many seconds the document has been the same."""
        return time.monotonic() - self._changed

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        etag = ""
        with closing(connection):
            while not self._stop.is_set():
                etag = self._poll(connection, etag)
                time.sleep(POLL_SECONDS)

    def _poll(self, connection: http.client.HTTPConnection, etag: str) -> str:
        """Ask once; the ETag of the document that is held then."""
        try:
            connection.request("GET", FEED, headers={"If-None-Match": etag} if etag else {})
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()  # the server closes connections that were idle
            return etag
        self.polls += 1
        self.failures += response.status not in (200, 304)
        if response.status != 200:
            return etag
        self._changed = time.monotonic()
        self._bodies.append(body)
        return response.headers.get("ETag", "")


# --- the replay -----------------------------------------------------------------------------------


class Report(NamedTuple):
    """The result of a replay: how much was done, the faults by kind, and a line for each commit with any."""

    commits: int
    polls: int
    documents: int
    counts: Counter[str]
    lines: list[str]


def git(folder: Path, *arguments: str) -> str:
    """The output of a git command."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, env=GIT, check=True, capture_output=True, text=True).stdout


def commits_of(repository: Path, last: int | None = None, until: str = "HEAD") -> list[str]:
    """The commits of the first-parent history that change article files, the oldest first."""
    patterns = [f"*{suffix}" for suffix in SUFFIXES]
    found = git(repository, "log", "--first-parent", "--format=%H", until, "--", *patterns).split()[::-1]
    return found if last is None else found[-last:]


def work_tree(repository: Path, base: Path) -> Path:
    """An empty work tree of a repository, which shares its objects."""
    folder = base / "articles"
    git(base, "clone", "-q", "--shared", "--no-checkout", str(repository), str(folder))
    return folder


def add_moves(folder: Path, start: str, count: int) -> list[str]:
    """Commits that move all folders and articles of a commit below `_archive`, and back, by turns."""
    if not count:
        return []
    git(folder, "checkout", "-q", "-f", start)
    names = [name for name in git(folder, "ls-tree", "--name-only", "HEAD").split("\n") if _may_move(name)]
    (folder / "_archive").mkdir()
    git(folder, "mv", *names, "_archive/")
    git(folder, "commit", "-q", "-m", "Move all")
    moved = git(folder, "rev-parse", "HEAD").strip()
    git(folder, "checkout", "-q", "-f", start)
    return [start if number % 2 else moved for number in range(count)]


def _may_move(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9_].*", name)) and not name.startswith(("README", "_archive"))


def replay(
    folder: Path, commits: Sequence[str], base: Path, say: Callable[[str], None] = lambda _: None
) -> Report:
    """Check commits out one after the other, into a folder below `base`, under a server of its own."""
    (base / "feedserver.yaml").write_text(SETTINGS, encoding="utf-8")
    git(folder, "checkout", "-q", "-f", commits[0])
    counts, lines, documents = Counter(dict.fromkeys(FAULTS, 0)), [], 0
    # By itself: how long the first index takes is not limited here.
    command = [sys.executable, "-m", "feedserver", "index"]
    environ = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(command, cwd=base, env=environ, check=True, stdout=subprocess.DEVNULL)
    with serve(base, "--workers", "1") as server, Poller(server.port) as poller:
        before = _rest(folder, poller)
        poller.taken()
        for number, commit in enumerate(commits[1:], 1):
            git(folder, "checkout", "-q", "-f", commit)
            after = _rest(folder, poller)
            polled = poller.taken()
            documents += len(polled)
            found = faults(before, after, polled)
            counts.update(found)
            if found.total():
                lines.append(f"{commit}: {dict(+found)}")
                say(lines[-1])
            if number % 50 == 0:
                say(f"{number} commits, {poller.polls:,} polls, {documents:,} documents: {dict(counts)}")
            before = after
    counts["failed polls"] = poller.failures
    return Report(len(commits), poller.polls, documents, counts, lines)


def _rest(folder: Path, poller: Poller) -> State:
    """The state after a checkout, when the feed rests. If it never is what the files say, that is said."""
    files = read_folder(folder)
    begun = time.monotonic()
    while True:
        if min(poller.rests_since(), time.monotonic() - begun) >= QUIET_SECONDS:
            served = Served.of(poller.latest())
            if is_served(files, served):
                return State(files, served)
            if time.monotonic() - begun > PATIENCE_SECONDS:
                differing = served.told() - Counter({told: len(read) for told, read in files.items()})
                lacking = Counter({told: len(read) for told, read in files.items()}) - served.told()
                raise AssertionError(f"served and not in the files: {differing}; not served: {lacking}")
        time.sleep(0.02)


def main() -> int:
    """Replay a history and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", type=Path)
    parser.add_argument("--last", type=int, help="only so many commits")
    parser.add_argument("--until", default="HEAD", help="the last commit")
    parser.add_argument("--moves", type=int, default=0, help="moves of all articles at the end")
    options = parser.parse_args()
    commits = commits_of(options.repository, options.last, options.until)
    with tempfile.TemporaryDirectory() as name:
        folder = work_tree(options.repository, Path(name))
        commits += add_moves(folder, commits[-1], options.moves)
        say(f"{len(commits):,} commits, of which {options.moves} move all articles")
        report = replay(folder, commits, Path(name), say)
    say("| what | figure |\n|---|---|")
    say(f"| commits, polls, documents | {report.commits:,}, {report.polls:,}, {report.documents:,} |")
    for what, count in report.counts.items():
        say(f"| {what} | {count} |")
    return 1 if report.counts.total() else 0


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)  # noqa: T201  the command's answer


if __name__ == "__main__":
    sys.exit(main())
