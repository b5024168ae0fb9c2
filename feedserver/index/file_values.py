"""Values that pass from `indexing` to the index: files, their states, and the content that was read of them.

Immutable. Performs no I/O and decides nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol

from feedserver.findings import FindingCode
from feedserver.model import Finding, Taxonomy, Value, Verdict

# The times that a signed integer of 64 bits holds, in nanoseconds since the epoch.
_FIRST_NS = -(1 << 63)
_LAST_NS = (1 << 63) - 1


class FileStatus(Protocol):
    """The part of an `os.stat_result` that a stamp is made of."""

    @property
    def st_mtime_ns(self) -> int: ...
    @property
    def st_ctime_ns(self) -> int: ...
    @property
    def st_size(self) -> int: ...
    @property
    def st_ino(self) -> int: ...


class FileState(StrEnum):
    """The state of a path, beside the values of `fstat`. A path in another state must be looked at again."""

    SEEN = "seen"
    """A file, or something else that is no link."""
    UNSETTLED = "unsettled"
    """A file that had just changed when it was read, and may have changed since without another time."""
    UNSEEN = "unseen"
    """Something that cannot be looked at."""
    NOT_COMPARED = "not-compared"
    """Something whose times and size say nothing about articles, such as a folder named like an article."""
    LINK_BROKEN = FindingCode.SYMLINK_BROKEN.value
    LINK_OUTSIDE = FindingCode.SYMLINK_OUTSIDE.value
    LINK_TO_FOLDER = FindingCode.SYMLINK_FOLDER.value
    LINK_LOOP = FindingCode.SYMLINK_LOOP.value
    """Links that are not followed. The target of a link may change while the link does not."""
    ROOT_UNAVAILABLE = "root-unavailable"
    ROOT_DROPPED = "root-dropped"
    """A root that cannot be read, before and after its articles are dropped; the mtime says since when."""


class Stamp(Value, frozen=True):
    """The values of `fstat` and the state of a file: with another stamp it must be read again.

    Times in nanoseconds since the epoch. `size` in bytes. Two versions of a file can share an mtime
    (coarse clocks, `touch -r`), hardly ever all four.
    """

    mtime_ns: int
    ctime_ns: int
    size: int
    inode: int
    state: FileState = FileState.SEEN

    @property
    def has_lasting_inode(self) -> bool:
        """Whether the inode tells this file from others: not of a file that may be another one by now."""
        return self.inode > 0 and self.state is not FileState.UNSETTLED

    def is_edited_since(self, known: Stamp) -> bool:
        """Whether the file was written since another stamp, and is not only to be read once more."""
        is_other = known.state not in (self.state, FileState.UNSETTLED)
        return is_other or (self.mtime_ns, self.size) != (known.mtime_ns, known.size)

    @classmethod
    def of(cls, status: FileStatus) -> Stamp:
        """The stamp of a file by its status. A time outside of the years 1677 to 2262 becomes the nearest.

        A file system may hold later ones, and SQLite holds no integer of more than 64 bits.
        """
        return cls(
            mtime_ns=min(max(status.st_mtime_ns, _FIRST_NS), _LAST_NS),
            ctime_ns=min(max(status.st_ctime_ns, _FIRST_NS), _LAST_NS),
            size=status.st_size,
            inode=status.st_ino,
        )


class FileKey(Value, frozen=True):
    """Which file: the position of its root in the settings and its path below it."""

    root: int
    path: str


class StatedArticle(Value, frozen=True):
    """An article as its file states it, taken apart for the index. Times in seconds since the epoch.

    `payload` is the JSON of the `Article`, `digest` that of the payload (16 bytes), `visible_digest` the one
    that `articles.digests` makes; `listings` is JSON as well: kind, slug and spelling of each listing that
    the article is in. `related_until` is the latest publication of a related article, 0 without one. The
    article is visible from the later of `published` and `visible_from` on, and no longer at `visible_until`.
    All this is made where files are read, in many processes, not where the one writer is.
    """

    article_id: str
    published: int
    declared_update: int | None
    date_is_provisional: bool
    quality: int
    heat: int
    payload: bytes
    digest: bytes
    visible_digest: bytes
    listings: bytes
    related_until: int = 0
    visible_from: int = 0
    visible_until: int | None = None


class SearchedFields(NamedTuple):
    """The words of an article that a search looks at, folded and separated by blanks."""

    title: str
    excerpt: str
    body: str


class FileContent(Value, frozen=True):
    """A reading as the index takes it: `stated` is set exactly when the verdict is ARTICLE.

    `links` as in the reading: other files of the root, with the addresses of their articles. `fields` are set
    for articles if the index has their words.
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    stated: StatedArticle | None = None
    taxonomy: Taxonomy | None = None
    links: tuple[tuple[str, str], ...] = ()
    fields: SearchedFields | None = None


class FileChange(Value, frozen=True):
    """A file as it was read just now; without stamp and content it is gone.

    `order_path` is the root's id prefix and the path: unique and the same on every machine.
    """

    key: FileKey
    order_path: str
    stamp: Stamp | None = None
    content: FileContent | None = None
