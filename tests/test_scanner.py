"""Walks, looks and readings: every oddity of a file system is one finding, and nothing outside is read."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from builders import EXTENSIONS, SKIP, write_file
from hypothesis import given
from hypothesis import strategies as st
from unprivileged import open_folder, unprivileged

from feedserver.findings import Severity
from feedserver.index.file_values import FileState, Stamp
from feedserver.indexing.scanner import (
    NO_STAMP,
    FoundFile,
    Gone,
    Scan,
    ScanRules,
    Unreadable,
    compare,
    read_bytes,
)

RULES = ScanRules.of(EXTENSIONS, SKIP, 1000)

__all__ = ["open_folder"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "articles"
    folder.mkdir()
    return folder


def found_below(root: Path, under: str = "") -> list[FoundFile]:
    scan = Scan(root, RULES)
    return [*scan.walk(under), *scan.odd]


def differences(
    scan: Scan, found: Iterable[FoundFile], known: dict[str, Stamp]
) -> tuple[list[FoundFile], list[str]]:
    """The files to read, and the paths that are gone."""
    compared = list(compare(scan, found, sorted(known.items())))
    changed = [one for one in compared if isinstance(one, FoundFile)]
    return changed, [one.path for one in compared if isinstance(one, Gone)]


def walk(root: Path, under: str = "") -> dict[str, str]:
    """The finds of a walk: paths and the codes of findings, which are empty for articles."""
    return {found.path: code_of(found) for found in found_below(root, under)}


def look(root: Path, path: str) -> dict[str, str]:
    found = Scan(root, RULES).look(path)
    return {} if found is None else {found.path: code_of(found)}


def code_of(found: FoundFile) -> str:
    return found.finding.code if found.finding else ""


def read(root: Path, path: str) -> bytes | str | None:
    """The bytes of a file, or the code of why they cannot be had."""
    result = read_bytes(root, path, RULES.max_file_size)
    if result is None:
        return None
    return result.finding.code if isinstance(result, Unreadable) else result[0]


# --- What is an article file


def test_a_walk_finds_article_files_in_all_folders(root: Path) -> None:
    for path in ("a.md", "b.MARKDOWN", "_news/c.html", "x/y/z/d.yaml", "e.yml", "f.json"):
        write_file(root, path, "text")
    assert set(walk(root)) == {"a.md", "b.MARKDOWN", "_news/c.html", "x/y/z/d.yaml", "e.yml", "f.json"}
    assert set(walk(root, "x")) == {"x/y/z/d.yaml"}


@pytest.mark.parametrize(
    "path",
    [
        "a.txt", "a.md~", ".a.md", "a.md.swp", ".#a.md", "README.md", "_site/a.md", "_drafts/a.md",
        "x/node_modules/y/a.md", ".git/a.md", "md", "a.",
    ],
)  # fmt: skip
def test_leftovers_and_hidden_files_are_passed_over(root: Path, path: str) -> None:
    write_file(root, path, "text")
    assert walk(root) == {}
    scan = Scan(root, RULES)
    assert not scan.is_below(path) or scan.look(path) is None


def test_stamps_are_those_of_the_files(root: Path) -> None:
    path = write_file(root, "a.md", "text", mtime=1_700_000_000.5)
    status = path.stat()
    [found] = found_below(root)
    assert found.stamp == Stamp(
        mtime_ns=1_700_000_000_500_000_000, ctime_ns=status.st_ctime_ns, size=4, inode=status.st_ino
    )


@pytest.mark.parametrize("nanoseconds", [1 << 63, -(1 << 63) - 1, 1 << 80, -(1 << 80)])
def test_times_that_64_bits_do_not_hold_are_the_nearest_that_they_do(nanoseconds: int) -> None:
    fields = {"st_mtime_ns": nanoseconds, "st_ctime_ns": nanoseconds}
    status = os.stat_result((0o100644, 7, 0, 1, 0, 0, 4, 0, 0, 0), fields)
    nearest = (1 << 63) - 1 if nanoseconds > 0 else -(1 << 63)
    assert Stamp.of(status) == Stamp(mtime_ns=nearest, ctime_ns=nearest, size=4, inode=7)


def test_a_look_finds_what_a_walk_finds(root: Path, tmp_path: Path) -> None:
    make_oddities(root, tmp_path)
    walked = {found for found in found_below(root) if found.finding is None or found.stamp != NO_STAMP}
    looked = {Scan(root, RULES).look(one.path) for one in walked}
    assert looked == walked


# --- Oddities


def make_oddities(root: Path, outside: Path) -> None:
    write_file(root, "good.md", "text")
    write_file(root, "large.md", "x" * 1001)
    write_file(outside, "secret.md", "secret")
    os.mkfifo(root / "pipe.md")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "socket.md"))
    (root / "folder.md").mkdir()
    write_file(root, "folder.md/inner.md", "text")
    (root / "linked.md").symlink_to("good.md")
    (root / "outside.md").symlink_to(outside / "secret.md")
    (root / "up.md").symlink_to("../secret.md")
    (root / "dangling.md").symlink_to("nothing.md")
    (root / "loop.md").symlink_to("loop.md")
    (root / "self").symlink_to(".")
    (root / "away").symlink_to(outside)
    (root / "again").symlink_to("folder.md")


def test_every_oddity_is_one_finding(root: Path, tmp_path: Path) -> None:
    make_oddities(root, tmp_path)
    assert walk(root) == {
        "good.md": "",
        "linked.md": "",
        "folder.md/inner.md": "",
        "large.md": "too-large",
        "pipe.md": "not-a-file",
        "socket.md": "not-a-file",
        "folder.md": "folder",
        "outside.md": "symlink-outside",
        "up.md": "symlink-outside",
        "dangling.md": "symlink-broken",
        "loop.md": "symlink-loop",
        "self": "symlink-loop",
        "away": "symlink-outside",
        "again": "symlink-folder",
    }


def test_a_link_that_leads_elsewhere_without_being_changed_has_another_stamp(
    root: Path, tmp_path: Path
) -> None:
    (root / "a.md").symlink_to(tmp_path / "later.md")
    (root / "b.md").symlink_to("later.md")
    broken = {found.path: found for found in found_below(root)}
    write_file(tmp_path, "later.md", "text")
    write_file(root, "later.md", "text")
    seen = {found.path: found for found in found_below(root)}
    for path, code in [("a.md", "symlink-outside"), ("b.md", "")]:
        finding = seen[path].finding
        assert (finding.code if finding else "") == code
        assert seen[path].stamp != broken[path].stamp
    assert {found.path: found for found in found_below(root)} == seen


def test_what_is_told_of_a_link_names_no_target(root: Path, tmp_path: Path) -> None:
    make_oddities(root, tmp_path)
    messages = [found.finding.message for found in found_below(root) if found.finding]
    assert not [message for message in messages if "secret" in message or str(tmp_path) in message]


def test_a_sibling_whose_name_begins_like_the_root_is_outside(root: Path, tmp_path: Path) -> None:
    write_file(tmp_path, "articles-private/secret.md", "secret")
    (root / "near.md").symlink_to("../articles-private/secret.md")
    assert walk(root) == {"near.md": "symlink-outside"}
    assert read(root, "near.md") == "symlink-outside"


def test_a_root_that_is_a_link_is_read(root: Path, tmp_path: Path) -> None:
    write_file(root, "a.md", "text")
    (tmp_path / "link").symlink_to(root)
    assert walk(tmp_path / "link") == {"a.md": ""}
    assert read(tmp_path / "link", "a.md") == b"text"


def test_a_name_that_is_not_utf_8_is_told_in_a_printable_way(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.md")).write_text("text")
    Path(os.fsdecode(os.fsencode(root) + b"/d\xff")).mkdir()
    Path(os.fsdecode(os.fsencode(root) + b"/d\xff/a.md")).write_text("text")
    found = found_below(root)
    assert {one.path: code_of(one) for one in found} == {
        "caf\\xe9.md": "name-not-utf8",
        "d\\xff/a.md": "name-not-utf8",
    }
    assert all(one.path.encode() for one in found)


def test_a_name_that_is_shown_like_that_of_another_file_does_not_touch_it(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/a\xff.md")).write_text("text")
    write_file(root, "a\\xff.md", "text")
    scan = Scan(root, RULES)
    changed, _ = differences(scan, scan.walk(), {})
    assert [(one.path, code_of(one)) for one in changed] == [("a\\xff.md", "")]


def test_a_root_that_is_missing_is_a_finding_and_deletes_nothing(root: Path) -> None:
    scan = Scan(root / "nowhere", RULES)
    changed, gone = differences(scan, scan.walk(), {"a.md": NO_STAMP, "b/c.md": NO_STAMP})
    assert [(found.path, code_of(found)) for found in changed] == [("", "unreadable")]
    assert scan.unlisted == [""]
    assert gone == []


def test_a_folder_that_vanishes_meanwhile_is_no_finding(root: Path) -> None:
    assert walk(root, "gone") == {}
    write_file(root, "file.md", "text")
    assert walk(root, "file.md/below") == {}


def test_nothing_is_below_a_file_or_behind_a_link(root: Path) -> None:
    write_file(root, "file.md", "text")
    write_file(root, "real/a.md", "text")
    (root / "link").symlink_to("real")
    scan = Scan(root, RULES)
    # A folder that a file took the place of: what was below it is gone, not unreadable.
    assert look(root, "file.md/a.md") == {}
    assert read(root, "file.md/a.md") is None
    assert scan.is_below("real/a.md")
    assert scan.is_below("")
    assert not scan.is_below("link/a.md")
    assert not scan.is_below("_drafts/a.md")
    assert scan.is_folder("real")
    assert not scan.is_folder("link")


@pytest.fixture
def locked(open_folder: Path) -> Iterator[Path]:
    """A folder `sub` that may not be listed, with an article in it."""
    write_file(open_folder, "a.md", "text")
    write_file(open_folder, "sub/b.md", "text")
    (open_folder / "sub").chmod(0)
    yield open_folder
    (open_folder / "sub").chmod(0o755)


def test_a_folder_that_may_not_be_listed_is_a_finding_and_deletes_nothing(locked: Path) -> None:
    known = dict.fromkeys(("a.md", "sub/b.md", "sub/deep/c.md", "subtle.md"), NO_STAMP)
    with unprivileged():
        scan = Scan(locked, RULES)
        changed, gone = differences(scan, scan.walk(), known)
        assert look(locked, "sub/b.md") == {"sub/b.md": "unreadable"}
        assert read(locked, "sub/b.md") == "unreadable"
    assert [(found.path, code_of(found)) for found in changed] == [
        ("a.md", ""),
        ("sub", "unreadable"),
    ]
    assert gone == ["subtle.md"]


def test_a_folder_named_like_an_article_that_may_not_be_listed_is_told_once(open_folder: Path) -> None:
    (open_folder / "x.md").mkdir(0)
    with unprivileged():
        scan = Scan(open_folder, RULES)
        changed, _ = differences(scan, scan.walk(), {})
    assert [(found.path, code_of(found)) for found in changed] == [("x.md", "unreadable")]


# --- Reading


def test_a_file_is_read_with_the_stamp_that_belongs_to_its_bytes(root: Path) -> None:
    write_file(root, "a.md", "text")
    [found] = found_below(root)
    assert read_bytes(root, "a.md", 1000) == (b"text", found.stamp)


def test_what_cannot_be_read_says_why(root: Path, tmp_path: Path) -> None:
    make_oddities(root, tmp_path)
    assert read(root, "linked.md") == b"text"
    assert read(root, "nothing.md") is None
    assert read(root, "dangling.md") is None
    assert read(root, "large.md") == "too-large"
    assert read(root, "pipe.md") == "not-a-file"
    assert read(root, "folder.md") == "not-a-file"
    assert read(root, "loop.md") == "unreadable"
    assert read(root, "socket.md") == "unreadable"


def test_a_link_that_took_the_place_of_a_file_or_folder_is_not_followed_out(
    root: Path, tmp_path: Path
) -> None:
    write_file(tmp_path, "private/a.md", "secret")
    (root / "a.md").symlink_to(tmp_path / "private/a.md")
    (root / "folder").symlink_to(tmp_path / "private")
    assert read(root, "a.md") == "symlink-outside"
    assert read(root, "folder/a.md") == "symlink-outside"


def test_a_file_that_is_replaced_all_the_time_is_read_whole_or_not_at_all(root: Path) -> None:
    versions = {letter.encode() * 900 for letter in "ab"}
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            for version in versions:
                write_file(root, "a.md", version)

    write_file(root, "a.md", b"a" * 900)
    thread = threading.Thread(target=replace)
    thread.start()
    try:
        results = {read(root, "a.md") for _ in range(300)}
    finally:
        stop.set()
        thread.join()
    assert results <= versions | {"unsettled"}


# --- Comparing


STAMPS = st.builds(
    Stamp,
    mtime_ns=st.integers(0, 2),
    ctime_ns=st.just(0),
    size=st.just(1),
    inode=st.just(1),
    state=st.sampled_from([FileState.SEEN, FileState.UNSETTLED]),
)
TREES = st.dictionaries(st.sampled_from(["a.md", "b/c.md", "b/d/e.md", "b.md", "bc/d.md"]), STAMPS)


@given(TREES, TREES)
def test_a_comparison_leads_from_what_is_known_to_what_is_there(
    there: dict[str, Stamp], known: dict[str, Stamp]
) -> None:
    found = [FoundFile(path, stamp) for path, stamp in sorted(there.items())]
    changed, gone = differences(Scan(Path("/nowhere"), RULES), found, known)
    after = dict(known)
    for path in gone:
        del after[path]
    after |= {found.path: found.stamp for found in changed}
    assert after == there
    assert all(known.get(found.path) != found.stamp for found in changed)


@given(TREES, st.lists(st.sampled_from(["b", "b/d", ""])))
def test_what_is_below_an_unlisted_folder_is_not_gone(known: dict[str, Stamp], unlisted: list[str]) -> None:
    scan = Scan(Path("/nowhere"), RULES)
    scan.unlisted += unlisted
    _, gone = differences(scan, [], known)
    assert set(gone) == {
        path
        for path in known
        if not any(folder == "" or path.startswith(f"{folder}/") for folder in unlisted)
    }


def test_a_walk_is_in_the_order_of_whole_paths(root: Path) -> None:
    for path in ("a/z.md", "a.md", "a-b.md", "a0/b.md", "a/b/c.md", "a/b.md", "B.md", "é/ü.md", "é.md"):
        write_file(root, path, "text")
    (root / "a.md2.md").mkdir()
    found = [one.path for one in Scan(root, RULES).walk()]
    assert found == sorted(found)
    assert len(found) == 10


def test_an_unreadable_file_is_an_error_and_a_linked_folder_is_not(root: Path, tmp_path: Path) -> None:
    make_oddities(root, tmp_path)
    severities = {code_of(one): one.finding.severity for one in found_below(root) if one.finding}
    assert severities["symlink-folder"] is Severity.INFO
    assert severities["folder"] is Severity.WARNING
    assert {severities[code] for code in ("too-large", "not-a-file", "symlink-outside")} == {Severity.ERROR}
