"""Whether git is changing a work tree, asked of real ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from replay import git

from feedserver.indexing import checkouts
from feedserver.indexing.checkouts import is_under_way

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def test_without_git_no_checkout_is_under_way(tmp_path: Path) -> None:
    assert not is_under_way(tmp_path)
    (tmp_path / ".git").write_bytes(b"\xff")
    assert not is_under_way(tmp_path)


@needs_git
@pytest.mark.parametrize("below", ["", "content/posts"])
def test_a_checkout_is_under_way_while_git_holds_its_lock(tmp_path: Path, below: str) -> None:
    git(tmp_path, "init", "-q")
    folder = tmp_path / below
    folder.mkdir(parents=True, exist_ok=True)
    lock = tmp_path / ".git/index.lock"
    assert not is_under_way(folder)
    lock.touch()
    assert is_under_way(folder)
    left = lock.stat().st_mtime - checkouts.LOCK_MOST_SECONDS - 1
    os.utime(lock, (left, left))
    assert not is_under_way(folder)


@needs_git
def test_a_linked_work_tree_has_a_lock_of_its_own(tmp_path: Path) -> None:
    main, linked = tmp_path / "main", tmp_path / "linked"
    main.mkdir()
    git(main, "init", "-q")
    git(main, "commit", "-q", "--allow-empty", "-m", "state")
    git(main, "worktree", "add", "-q", str(linked))
    (main / ".git/index.lock").touch()
    assert not is_under_way(linked)
    (main / ".git/worktrees/linked/index.lock").touch()
    assert is_under_way(linked)
