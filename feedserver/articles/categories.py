"""The categories of an article: those that it states, else those that its folders are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from feedserver.articles.fields import Fields
from feedserver.articles.file_names import folders_of_file_name
from feedserver.articles.identity import is_marked
from feedserver.articles.slugs import cached_slug
from feedserver.articles.text import one_line
from feedserver.model import Term

# How folders are categories (`ReadingRules.folder_categories`).
WAYS: Final = ("marked", "above", "none")


def categories_of(fields: Fields, path: PurePosixPath) -> tuple[Term, ...]:
    """All categories, the main one first.

    By the rules, folders count in one of these ways. "marked": if no category is stated, the innermost
    `_folder`, else the first folder. "above": those above the first `_folder`, beside the stated ones, as in
    Jekyll. "none": no folder.
    """
    stated = fields.terms("category")
    way = fields.rules.folder_categories
    if way == "none" or (stated and way == "marked"):
        return stated
    folders = folders_of_file_name(path, fields.rules)
    marks = [index for index, folder in enumerate(folders) if is_marked(folder)]
    if way == "marked":
        return _named([folders[marks[-1]][1:]] if marks else folders[:1])
    found = {term.slug: term for term in stated}
    for term in _named(folders[: marks[0]] if marks else ()):
        found.setdefault(term.slug, term)
    return tuple(found.values())


def _named(names: Iterable[str]) -> tuple[Term, ...]:
    return tuple(Term(name=name, slug=cached_slug(name)) for name in map(one_line, names) if name)
