"""The state folder and its files are closed to other users, whatever the umask and whatever was there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from servers import REPOSITORY, feedserver, quiet_app, serve, settings_of, write_story
from unprivileged import NOBODY, open_folder, unprivileged

from feedserver.index.sqlite.history_file import history_in
from feedserver.indexing.lock import LOCK, IndexerLock, ServersLock
from feedserver.system import private
from feedserver.wiring.indexing import prepare_state

__all__ = ["open_folder"]  # a fixture, by its name

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def modes(folder: Path) -> dict[str, int]:
    """The permissions of a folder and of all below it."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):  # a server goes on meanwhile
            found[str(path.relative_to(folder))] = stat.S_IMODE(path.lstat().st_mode)
    return found


def open_to_others(folder: Path) -> dict[str, str]:
    return {name: oct(mode) for name, mode in modes(folder).items() if mode & 0o077}


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


# --- What is made


@pytest.mark.parametrize("mask", [0, 0o022, 0o177])
def test_all_that_a_server_leaves_is_closed_to_others(mask: int, tmp_path: Path) -> None:
    write_story(tmp_path / "articles", "one")
    state = tmp_path / "state"
    with umask(mask), serve(tmp_path, "articles", "--state-dir", str(state)) as server:
        server.ask("/articles.rss")
        server.ask("/articles")
        server.wait_for(lambda: any((state / "cache").iterdir()))
        names = {path.name for path in state.iterdir()}
        assert {"current", "history.sqlite", "history.sqlite-wal", "servers.lock", "indexer.lock"} <= names
        assert open_to_others(state) == {}
        assert modes(state)["."] == 0o700


def test_what_commands_leave_is_closed_to_others(tmp_path: Path) -> None:
    write_story(tmp_path / "articles", "one")
    with umask(0):
        for command in (["index", "articles"], ["list", "topics"], ["export", "site", "articles"]):
            done = feedserver(tmp_path, *command)
            assert done.returncode == 0, done.stderr
            assert open_to_others(tmp_path / ".feedserver") == {}
    assert "rescan-request" not in modes(tmp_path / ".feedserver")


def test_a_state_folder_below_folders_that_are_missing_is_made_with_them(tmp_path: Path) -> None:
    private.make_folder(tmp_path / "a" / "b" / "state")
    assert modes(tmp_path / "a" / "b") | {".": 0} == {".": 0, "state": 0o700}
    private.make_folder(tmp_path / "a" / "b" / "state")


@pytest.mark.parametrize("target", ["file", "missing"])
def test_a_file_in_place_of_a_new_one_is_left_alone(target: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    (tmp_path / "link").symlink_to(tmp_path / target)
    private.create_file(tmp_path / "link")
    private.create_file(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "content"
    assert not (tmp_path / "missing").exists()
    with pytest.raises(OSError, match="symbolic"):
        private.open_file(tmp_path / "link", os.O_RDWR | os.O_CREAT)


# --- What was there before


def test_a_state_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    write_story(tmp_path / "articles", "one")
    settings = settings_of(tmp_path / "state", tmp_path / "articles")
    feedserver(tmp_path, "index", "articles", "--state-dir", "state")
    state = tmp_path / "state"
    (state / "cache").mkdir(exist_ok=True)
    IndexerLock.acquire(state)
    for name in modes(state):
        (state / name).chmod(0o755 if (state / name).is_dir() else 0o644)
    assert len(open_to_others(state)) > 4
    prepare_state(settings)
    assert open_to_others(state) == {}


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_state_folder_that_others_could_write_is_closed_and_named(
    mode: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)
    for _ in range(2):
        prepare_state(settings_of(tmp_path / "state", tmp_path / "articles"))
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"{tmp_path}/state: could be written by other users until now; make"
    )
    assert open_to_others(tmp_path / "state") == {}


def test_a_folder_that_holds_more_is_left_as_it_is_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "holiday.jpg").touch(0o644)
    (tmp_path / "history.sqlite").touch(0o644)
    tmp_path.chmod(0o755)
    with umask(0):
        prepare_state(settings_of(tmp_path, tmp_path / "articles"))
    assert open_to_others(tmp_path) == {".": "0o755", "holiday.jpg": "0o644"}
    (record,) = caplog.records
    assert "can be entered by other users" in record.getMessage()
    assert "'holiday.jpg' in it is not feedserver's" in record.getMessage()


def test_links_in_the_state_folder_are_not_followed(tmp_path: Path) -> None:
    """A database may lie on another disk; what a link names is not ours to close."""
    outside = tmp_path / "outside"
    outside.touch(0o644)
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    (state / "indexer.lock").symlink_to(outside)
    list(private.tighten(state))
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


@only_root
def test_a_state_folder_of_another_user_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, NOBODY, NOBODY)
    prepare_state(settings_of(state, tmp_path / "articles"))
    (record,) = caplog.records
    assert (
        "state: belongs to the user nobody, and this process runs as root; run it as" in record.getMessage()
    )


@only_root
def test_no_other_user_can_take_a_lock_or_read(open_folder: Path) -> None:
    settings = settings_of(open_folder / "state", open_folder / "articles")
    with umask(0):
        prepare_state(settings)
        lock = IndexerLock.acquire(open_folder / "state")
        assert lock is not None
        lock.release()
        with ServersLock(open_folder / "state", "print"), closing(history_in(open_folder / "state")):
            pass
    (open_folder / "state").chmod(0o755)  # as where the folder holds more
    with unprivileged():
        for path in (open_folder / "state").iterdir():
            with pytest.raises(PermissionError):
                os.open(path, os.O_RDONLY)
    list(private.tighten(open_folder / "state"))
    with unprivileged(), pytest.raises(PermissionError):
        os.open(open_folder / "state" / LOCK, os.O_RDONLY)


# --- The secret


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "cache-secret"
    with umask(0):
        made = private.secret(path)
    assert (len(made), private.secret(path)) == (64, made)
    assert modes(tmp_path) | {".": 0} == {".": 0, "cache-secret": 0o600}
    assert private.secret(tmp_path / "another") != made


def test_processes_that_meet_take_the_same_secret(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from feedserver.system.private import secret\n"
        "print(secret(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cache-secret")]
    processes = [
        subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    found = {process.communicate()[0] for process in processes}
    assert found == {private.secret(tmp_path / "cache-secret") + "\n"}
    assert set(modes(tmp_path)) == {".", "cache-secret"}


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, b"0" * 63, b"0" * 65, b"\n"])
def test_a_damaged_secret_is_replaced(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cache-secret"
    path.write_bytes(content)
    assert len(private.secret(path)) == 64


def plant_link(path: Path) -> None:
    path.with_name("known").write_text("0" * 64)
    path.symlink_to(path.with_name("known"))


@pytest.mark.parametrize("plant", [plant_link, Path.mkdir])
def test_a_secret_that_others_chose_is_not_taken(plant: Callable[[Path], None], tmp_path: Path) -> None:
    plant(tmp_path / "cache-secret")
    with pytest.raises(OSError, match=r"symbolic|directory"):
        private.secret(tmp_path / "cache-secret")


def test_all_workers_of_a_state_folder_have_one_secret_and_a_setting_replaces_it(tmp_path: Path) -> None:
    (tmp_path / "articles").mkdir()
    write_story(tmp_path / "articles", "one")
    feedserver(tmp_path, "index", "articles", "--state-dir", "state")
    client = quiet_app(settings_of(tmp_path / "state", tmp_path / "articles")).test_client()
    client.get("/articles.rss").close()
    assert (tmp_path / "state" / "cache-secret").exists()
    (tmp_path / "state" / "cache-secret").unlink()
    set_by_hand = settings_of(tmp_path / "state", tmp_path / "articles", cache={"secret": "s" * 32})
    quiet_app(set_by_hand).test_client().get("/articles.rss").close()
    assert not (tmp_path / "state" / "cache-secret").exists()
