"""When symbolic links are looked at again."""

from __future__ import annotations

from feedserver.index.file_values import FileKey
from feedserver.indexing import links
from feedserver.indexing.links import Links


def test_links_are_looked_at_now_and_then() -> None:
    followed = Links()
    assert followed.next_look() == float("inf")
    followed.add(0, ["l.md"])
    assert set(followed.due(0.0)) == {FileKey(root=0, path="l.md")}
    followed.looked(0.0, 0.001)
    assert followed.due(0.1) == ()
    assert followed.next_look() <= 0.21


def test_many_links_take_a_small_share_of_the_time() -> None:
    followed = Links()
    followed.add(0, ["l.md"])
    followed.looked(0.0, 0.5)
    assert followed.next_look() >= 0.5 * links.REST


def test_a_walk_says_which_links_there_are_in_a_folder() -> None:
    followed = Links()
    followed.add(0, ["old.md"])
    followed.add(1, ["other.md"])
    followed.replace(0, ["new.md"])
    assert {key.path for key in followed.due(0.0)} == {"new.md", "other.md"}


def test_no_more_links_are_kept_than_can_be_looked_at() -> None:
    followed = Links()
    followed.add(0, (f"{number}.md" for number in range(links.MOST_LINKS + 5)))
    assert len(followed.due(0.0)) == links.MOST_LINKS
