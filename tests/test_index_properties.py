"""Whatever happens to the files: what a refresh makes of it equals a rebuild over the same memory.

Real files, real databases, a clock of the test's. A sequence is looked at in both ways, by scans and at
the touched paths as the watcher reports them.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from builders import START, Clock, Contents, a_plan, article_text, contents, write_file
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from feedserver.index import builds
from feedserver.indexer import Indexer
from feedserver.model import Selection

SHARED_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a folder of our own in it

# Long after the files are written, so that each is settled when it is read.
YEAR_2100 = 4_102_444_800

FOLDERS = ("", "_news", "_archive/_news", "deep/er", "_drafts")
NAMES = ("a.md", "b.md", "c.html", "d.json")
PATHS = st.builds(
    lambda folder, name: f"{folder}/{name}".lstrip("/"), st.sampled_from(FOLDERS), st.sampled_from(NAMES)
)
TOPICS = st.lists(st.sampled_from(["AI", "Ai", "C", "C++", "実", "Bees"]), max_size=3)
PROVIDERS = st.sampled_from(
    [None, {"name": "Gazette", "domain": "gazette.example"}, {"name": "GAZETTE", "domain": "other.example"}]
)
DATES = st.sampled_from(
    [None, "2024-05-01", "2024-05-02T10:00:00Z", "2099-12-31T23:59:50Z", "2100-01-01T00:00:30Z", "2150-01-01"]
)
FIELDS = st.fixed_dictionaries(
    {"title": st.sampled_from(["Bees", "Ants", "Wasps <b>"]), "publishedDateTime": DATES},
    optional={
        "topics": TOPICS,
        "provider": PROVIDERS,
        "updatedDateTime": DATES,
        "quality": st.integers(0, 3),
        "heat": st.integers(0, 3),
        "secured": st.integers(0, 3),
        "id": st.sampled_from(["one", "two"]),
        "published": st.sampled_from([True, True, True, False, "perhaps"]),
    },
)
BROKEN = st.sampled_from(
    ["---\ntitle: [\n---\n", "---\ntitle: A\ntitle: B\ndate: 2024-01-01\n---\n", "---\nno end"]
)
TAXONOMY = st.builds(
    lambda kind, name, description: (
        f"---\ntaxonomy: {kind}\nname: {name}\nexcerpt: {description}\ndomain: gazette.example\n---\n"
    ),
    st.sampled_from(["topic", "organization"]),
    st.sampled_from(["AI", "ai", "Gazette", "Wasps"]),
    st.sampled_from(["First", "Second"]),
)
SELECTIONS = (
    Selection(name="hot", title="Hot", min_heat=2),
    Selection(name="good-ai", title="Good AI", topics=("ai",), min_quality=2),
    Selection(name="gazette", title="The Gazette", providers=("gazette.example",)),
)


class Folders(RuleBasedStateMachine):
    """A folder of articles, edited at will, and the index that follows."""

    def __init__(self) -> None:
        super().__init__()
        # In memory where there is such a place: half of the time of this test would be waiting for a disk.
        self.base = Path(tempfile.mkdtemp(prefix="feedserver-", dir=SHARED_MEMORY))
        self.folder = self.base / "articles"
        self.folder.mkdir()
        self.clock = Clock(YEAR_2100)
        self.ticks = 0
        self.touched: set[str] = set()
        self.looked = False

    @initialize(from_mtime=st.booleans())
    def start(self, from_mtime: bool) -> None:
        rules = {"date_from_mtime": from_mtime}
        self.plan = a_plan(self.base / "state", self.folder, rules=rules, selections=SELECTIONS)
        self.indexer = Indexer(self.plan, self.clock)
        self.indexer.refresh()

    def teardown(self) -> None:
        try:
            self.scan()
            self.it_equals_a_rebuild_over_the_same_memory()
        finally:
            self.indexer.close()
            shutil.rmtree(self.base)

    # --- What editors do -----------------------------------------------------------------------------

    def write(self, path: str, content: str | bytes) -> None:
        if not self.has_room_for(path):
            return
        # No two versions of a file share an mtime: the clock of the file system is not the test's.
        self.ticks += 1
        write_file(self.folder, path, content, mtime=START + self.ticks)
        self.touched.add(path)

    def has_room_for(self, path: str) -> bool:
        above = [self.folder / parent for parent in Path(path).parents]
        return not any(folder.is_file() for folder in above) and not (self.folder / path).is_dir()

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.files()))

    @rule(path=PATHS, fields=FIELDS, body=st.sampled_from(["Text.\n", "Other *text*.\n", ""]))
    def write_article(self, path: str, fields: dict[str, Any], body: str) -> None:
        self.write(path, article_text(body, **fields))

    @rule(path=PATHS, content=BROKEN | TAXONOMY | st.sampled_from(["", "no front matter\n"]))
    def write_something_else(self, path: str, content: str) -> None:
        self.write(path, content)

    @precondition(lambda self: self.files())
    @rule(data=st.data(), content=BROKEN)
    def break_it(self, data: st.DataObject, content: str) -> None:
        self.write(self.pick(data), content)

    @precondition(lambda self: self.files())
    @rule(data=st.data(), line=st.sampled_from(["heat: 3", "secured: x", "published: false", "title: Moths"]))
    def change_a_line(self, data: st.DataObject, line: str) -> None:
        path = self.pick(data)
        content = (self.folder / path).read_text(encoding="utf-8")
        key = line.partition(":")[0]
        first, *others = [old for old in content.split("\n") if not old.startswith(f"{key}:")]
        self.write(path, "\n".join([first, line, *others]))

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def rewrite_its_line_endings(self, data: st.DataObject) -> None:
        path = self.pick(data)
        content = (self.folder / path).read_bytes()
        unix = content.replace(b"\r\n", b"\n")
        self.write(path, unix.replace(b"\n", b"\r\n") if content == unix else unix)

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        path = self.pick(data)
        self.write(path, (self.folder / path).read_bytes())

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        path = self.pick(data)
        (self.folder / path).unlink()
        self.touched.add(path)

    @precondition(lambda self: self.files())
    @rule(data=st.data(), aim=PATHS)
    def move(self, data: st.DataObject, aim: str) -> None:
        path = self.pick(data)
        if not self.has_room_for(aim) or path == aim:
            return
        (self.folder / aim).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).replace(self.folder / aim)
        self.touched |= {path, aim}

    @precondition(lambda self: len(self.files()) > 1)
    @rule(data=st.data())
    def swap(self, data: st.DataObject) -> None:
        one, other = self.pick(data), self.pick(data)
        aside = self.base / "aside"
        (self.folder / one).replace(aside)
        if one != other:
            (self.folder / other).replace(self.folder / one)
        aside.replace(self.folder / other)
        self.touched |= {one, other}

    @rule(
        folder=st.sampled_from(["_news", "_archive", "deep"]),
        name=st.sampled_from(["_news", "_blog", "x.md", "_drafts"]),
    )
    def rename_a_folder(self, folder: str, name: str) -> None:
        source, target = self.folder / folder, self.folder / name
        if source.is_dir() and not target.exists():
            source.rename(target)
            self.touched |= {folder, name}

    # --- What the indexer does -----------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 20, 40]))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds
        self.looked = not self.touched

    @rule()
    def scan(self) -> None:
        self.indexer.refresh()
        self.touched.clear()
        self.looked = True

    @rule()
    def look_at_what_was_touched(self) -> None:
        self.indexer.look_at(0, self.touched)
        self.looked = bool(self.touched)
        self.touched.clear()

    @rule()
    def restart(self) -> None:
        self.indexer.close()
        self.indexer = Indexer(self.plan, self.clock)

    @invariant()
    def it_equals_a_rebuild_over_the_same_memory(self) -> None:
        if not self.looked:
            return
        self.looked = False
        # Time alone changes what is published, too, and the loop of the indexer follows it.
        self.indexer.publish_due()
        state_dir = Path(self.plan.state_dir)
        shown, remembered = contents(state_dir), memory_of(state_dir)
        rebuilt, remembered_then = self.rebuilt()

        assert shown.entries == rebuilt.entries
        assert shown.facets == rebuilt.facets
        assert shown.members == rebuilt.members
        assert shown.months == rebuilt.months
        assert shown.findings == rebuilt.findings
        assert remembered == remembered_then

    def rebuilt(self) -> tuple[Contents, dict[str, set[Any]]]:
        state_dir = self.base / "again"
        state_dir.mkdir()
        copy_memory(Path(self.plan.state_dir), state_dir)
        indexer = Indexer(msgspec.structs.replace(self.plan, state_dir=str(state_dir)), self.clock)
        try:
            indexer.refresh()
            return contents(state_dir), memory_of(state_dir)
        finally:
            indexer.close()
            shutil.rmtree(state_dir)


def copy_memory(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(source / builds.MEMORY)) as old,
        closing(sqlite3.connect(target / builds.MEMORY)) as new,
    ):
        old.backup(new)


def memory_of(state_dir: Path) -> dict[str, set[Any]]:
    """What the memory holds of articles, broken files and listings."""
    with closing(sqlite3.connect(state_dir / builds.MEMORY)) as connection:
        return {
            table: set(connection.execute(f"SELECT * FROM {table}"))  # noqa: S608  our own names
            for table in ("article", "last_good", "listing")
        }


TestFolders = Folders.TestCase
TestFolders.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)
