"""Actions of editors, tools and accidents on folders of articles: each is one method of `Disk`.

An action names files by numbers, counted through those that are there, and does nothing where it makes no
sense. So a list of actions stays one when some are left out. Each notes the paths that the system reports.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from builders import START, article_text

# Fields whose values are seconds after the start of the history.
TIMES = ("publishedDateTime", "updatedDateTime", "pubDate", "expires")

# How the mtime of a file comes to be what it is.
MTIMES: Mapping[str, float | None] = {
    "now": None, "1970": 0, "back": START - 9e7, "future": 4.2e9, "start": START,
}  # fmt: skip

# Nothing of the machine's settings, and a name for commits.
_GIT = {
    "PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@gazette.example",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@gazette.example",
}  # fmt: skip


class Disk:
    """Roots of articles below a folder.

    Attributes:
        roots: the folders; they may be away.
        touched: what the system would have reported since this was last emptied: root and path.
        has_links: whether there was ever a symbolic link. The system does not report a change of
            its target at the link, so only a look at everything finds it.
    """

    def __init__(self, base: Path, roots: int, start: float) -> None:
        self._base = base
        self._start = start
        # Two folders down, so that no relative link of a history leads out of the base.
        self.roots = [base / "sites" / f"articles-{number}" for number in range(roots)]
        for root in self.roots:
            root.mkdir(parents=True)
        self._whole: dict[Path, bytes] = {}
        self._locked: list[Path] = []
        self.touched: set[tuple[int, str]] = set()
        self.has_links = False

    # --- what is there ----------------------------------------------------------------------------

    def is_complete(self) -> bool:
        """Whether all roots are there and all folders can be listed."""
        return not self._locked and all(root.is_dir() for root in self.roots)

    def _files(self) -> list[tuple[int, str]]:
        found = []
        for position, root in enumerate(self.roots):
            for folder, folders, names in os.walk(root):
                folders[:] = [name for name in folders if name != ".git"]
                below = os.path.relpath(folder, root)
                found += [(position, os.path.normpath(f"{below}/{name}")) for name in names]
        return sorted(found)

    def _pick(self, number: int) -> tuple[int, str] | None:
        files = self._files()
        return files[number % len(files)] if files else None

    def _path(self, root: int, path: str) -> Path:
        return self.roots[root % len(self.roots)] / path

    def _note(self, target: Path) -> None:
        for position, root in enumerate(self.roots):
            with suppress(ValueError):
                self.touched.add((position, str(target.relative_to(root))))

    def _room(self, target: Path) -> bool:
        """Whether a file can be put at a path; makes the folders above it."""
        above = [folder for root in self.roots for folder in target.parents if folder.is_relative_to(root)]
        if not above[-1].is_dir():  # the root is away
            return False
        try:
            if (target.is_dir() and not target.is_symlink()) or any(folder.is_symlink() for folder in above):
                return False
            for folder in reversed(above):
                if not folder.exists():
                    folder.mkdir()
                    self._note(folder)
        except OSError:  # a file is in the way, or a folder is locked
            return False
        return True

    def _put(self, target: Path, content: bytes, how: str, mtime: str) -> None:
        """Write a file: `renamed` into place, or in `place`, as editors do who truncate first."""
        if not self._room(target):
            return
        try:
            if how == "renamed":
                aside = target.with_name(f".{target.name}.aside")
                aside.write_bytes(content)
                self._date(aside, mtime)
                aside.replace(target)
            else:
                target.write_bytes(content)
                self._date(target, mtime)
        except OSError:  # may not be written, or is a link to nowhere
            return
        self._note(target)

    @staticmethod
    def _date(target: Path, mtime: str) -> None:
        moment = MTIMES[mtime]
        if moment is not None:
            os.utime(target, (moment, moment))

    # --- contents ---------------------------------------------------------------------------------

    def _rendered(self, path: str, fields: Mapping[str, object], body: str) -> bytes:
        moments = {
            key: datetime.fromtimestamp(self._start + value, UTC).isoformat()
            for key, value in fields.items()
            if key in TIMES and isinstance(value, int | float)
        }
        text = article_text(body, **{**fields, **moments})
        if path.endswith((".json", ".yaml")):
            lines = text.split("\n---\n")[0].removeprefix("---\n").split("\n")
            pairs = [line.partition(": ") for line in lines]
            mapping = {key: json.loads(value) for key, _, value in pairs} | {"content": body}
            return json.dumps(mapping).encode()
        return text.encode()

    def write(
        self, root: int, path: str, *, fields: Mapping[str, object], body: str, how: str, mtime: str
    ) -> None:
        """An article is written or written anew."""
        target = self._path(root, path)
        content = self._rendered(path, fields, body)
        self._whole[target] = content
        self._put(target, content, how, mtime)

    def write_text(self, root: int, path: str, text: str, how: str, mtime: str) -> None:
        """Something else is written."""
        self._put(self._path(root, path), text.encode(), how, mtime)

    def rewrite(self, file: int, text: str, how: str) -> None:
        """A file becomes something else."""
        if picked := self._pick(file):
            self._put(self._path(*picked), text.encode(), how, "now")

    def cut(self, file: int, share: float, mtime: str) -> None:
        """A file is only half written."""
        if picked := self._pick(file):
            target = self._path(*picked)
            with suppress(OSError):
                os.truncate(target, int(target.stat().st_size * share))
                self._date(target, mtime)
                self._note(target)

    def mend(self, file: int, how: str) -> None:
        """A file is again what its author wanted."""
        if (picked := self._pick(file)) and (content := self._whole.get(self._path(*picked))):
            self._put(self._path(*picked), content, how, "now")

    def change_line(self, file: int, line: str, how: str, mtime: str) -> None:
        """One key of the front matter gets another value."""
        if picked := self._pick(file):
            target, key = self._path(*picked), line.partition(":")[0]
            with suppress(OSError, UnicodeDecodeError):
                kept = [old for old in target.read_text().split("\n") if not old.startswith(f"{key}:")]
                self._put(target, "\n".join([kept[0], line, *kept[1:]]).encode() if kept else b"", how, mtime)

    def change_line_endings(self, file: int, how: str) -> None:
        """A file goes through an editor of another system."""
        if picked := self._pick(file):
            target = self._path(*picked)
            with suppress(OSError):
                content = target.read_bytes()
                unix = content.replace(b"\r\n", b"\n")
                other = unix.replace(b"\n", b"\r\n") if content == unix else unix
                self._put(target, other, how, "now")

    # --- files as wholes --------------------------------------------------------------------------

    def touch(self, file: int, mtime: str) -> None:
        """Only the mtime changes."""
        if picked := self._pick(file):
            target = self._path(*picked)
            with suppress(OSError):
                moment = MTIMES[mtime]
                os.utime(target, None if moment is None else (moment, moment))
                self._note(target)

    def delete(self, file: int) -> None:
        """A file is gone."""
        if picked := self._pick(file):
            with suppress(OSError):
                self._path(*picked).unlink()
                self._note(self._path(*picked))

    def move(self, file: int, root: int, path: str) -> None:
        """A file goes to another place, maybe below another root, maybe over another file."""
        if picked := self._pick(file):
            source, target = self._path(*picked), self._path(root, path)
            if self._room(target):
                with suppress(OSError):
                    source.replace(target)
                    self._note(source)
                    self._note(target)

    def swap(self, file: int, other: int) -> None:
        """Two files change places."""
        one, two = self._pick(file), self._pick(other)
        if one and two and one != two:
            aside = self._base / "aside"
            with suppress(OSError):
                self._path(*one).replace(aside)
                self._path(*two).replace(self._path(*one))
                aside.replace(self._path(*two))
                self._note(self._path(*one))
                self._note(self._path(*two))

    def permit(self, file: int, mode: int) -> None:
        """A file may be read no more, or again."""
        if picked := self._pick(file):
            with suppress(OSError):
                self._path(*picked).chmod(mode)
                self._note(self._path(*picked))

    def link(self, root: int, path: str, target: str) -> None:
        """A path becomes a symbolic link, or a link leads elsewhere."""
        place = self._path(root, path)
        if self._room(place):
            aside = place.with_name(".link")
            with suppress(OSError):
                aside.unlink(missing_ok=True)
                aside.symlink_to(target)
                aside.replace(place)
                self.has_links = True
                self._note(place)

    # --- folders ----------------------------------------------------------------------------------

    def rename_folder(self, root: int, folder: str, to_root: int, name: str) -> None:
        """A folder goes to another place with all that it holds."""
        source, target = self._path(root, folder), self._path(to_root, name)
        with suppress(OSError):
            if source.is_dir() and not target.exists() and not target.is_relative_to(source):
                self._room(target)
                source.rename(target)
                self._locked = [
                    target / one.relative_to(source) if one.is_relative_to(source) else one
                    for one in self._locked
                ]
                self._note(source)
                self._note(target)

    def bring_folder(self, root: int, folder: str, texts: Mapping[str, str]) -> None:
        """A folder appears with all that it holds."""
        aside, target = self._base / "brought", self._path(root, folder)
        if self._room(target) and not os.path.lexists(target):
            for name, text in texts.items():
                (aside / name).parent.mkdir(parents=True, exist_ok=True)
                (aside / name).write_text(text)
            aside.rename(target)
            self._note(target)

    def remove_folder(self, root: int, folder: str) -> None:
        """A folder is gone with all that it held."""
        target = self._path(root, folder)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target, ignore_errors=True)
            self._note(target)

    def lock_folder(self, root: int, folder: str) -> None:
        """A folder may be listed no more."""
        target = self._path(root, folder)
        if target.is_dir() and not target.is_symlink() and os.geteuid() != 0 and not self._locked:
            target.chmod(0)
            self._locked.append(target)
            self._note(target)

    def take_root_away(self, root: int) -> None:
        """A whole root is away."""
        target = self.roots[root % len(self.roots)]
        with suppress(OSError):
            target.rename(target.with_suffix(".away"))
            self._note(target)

    def make_complete(self) -> None:
        """Roots are there again, folders can be listed again."""
        for root in self.roots:
            with suppress(OSError):
                root.with_suffix(".away").rename(root)
                self._note(root)
        while self._locked:
            folder = self._locked.pop()
            with suppress(FileNotFoundError):  # an empty one may have been removed with one above it
                folder.chmod(0o755)
            self._note(folder)

    # --- tools ------------------------------------------------------------------------------------

    def keep(self, root: int) -> None:
        """The present state goes into a repository, and to another machine."""
        folder = self.roots[root % len(self.roots)]
        if not self.is_complete():
            return
        copy = folder.with_suffix(".copy")
        shutil.rmtree(copy, ignore_errors=True)
        self._run("rsync", "-a", "--exclude=.git", f"{folder}/", f"{copy}/")
        if not (folder / ".git").exists():
            self._run("git", "-C", str(folder), "init", "-q")
        self._run("git", "-C", str(folder), "add", "-A", "--ignore-errors")
        self._run("git", "-C", str(folder), "commit", "-q", "--allow-empty", "-m", "state")

    def check_out(self, root: int, back: int) -> None:
        """A repository is checked out at an earlier commit: git unlinks and creates."""
        folder = self.roots[root % len(self.roots)]
        if self.is_complete() and (folder / ".git").exists():
            self._between(folder, "git", "-C", str(folder), "checkout", "-q", "-f", f"HEAD~{back}")

    def synchronise(self, root: int, delete: bool) -> None:
        """The files of another machine arrive, with the mtimes that they have there."""
        folder = self.roots[root % len(self.roots)]
        copy = folder.with_suffix(".copy")
        if self.is_complete() and copy.is_dir():
            extra = ("--delete",) if delete else ()
            self._between(folder, "rsync", "-a", "--exclude=.git", *extra, f"{copy}/", f"{folder}/")

    def _between(self, folder: Path, *command: str) -> None:
        before = self._stamps(folder)
        self._run(*command)
        after = self._stamps(folder)
        for path in {path for path, _ in before ^ after}:
            self._note(folder / path)

    @staticmethod
    def _stamps(folder: Path) -> set[tuple[str, tuple[int, ...]]]:
        found = set()
        for place, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name != ".git"]
            for name in [*names, *folders]:
                path = os.path.join(place, name)  # noqa: PTH118  as os.walk gives it
                status = os.lstat(path)
                stamp = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
                # The times of a folder change with what it holds, which is noted by itself.
                shown = () if stat.S_ISDIR(status.st_mode) else stamp
                found.add((os.path.relpath(path, folder), (status.st_mode, *shown)))
        return found

    @staticmethod
    def _run(*command: str) -> None:
        # May fail, at a file that may not be read; whatever it left is a state of the folder, too.
        if shutil.which(command[0]):
            subprocess.run(command, env=_GIT, capture_output=True, check=False)


def tools_missing() -> Sequence[str]:
    """The programs that some actions need and this machine has not."""
    return [name for name in ("git", "rsync") if shutil.which(name) is None]
