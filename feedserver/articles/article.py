"""From the fields and the body of a file to an `Article`.

The composition of the other steps; knows no syntax and does not judge visibility. Every problem is noted,
so that an editor sees all of them at once; an article with errors is not built (promise 5).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import PurePosixPath

import msgspec

from feedserver.articles.body import digest_of, render_body
from feedserver.articles.dates import parse_date, split_dated_name, zone_named
from feedserver.articles.embeds import find_video
from feedserver.articles.fields import Fields
from feedserver.articles.frontmatter import DATA_SUFFIXES, HTML_SUFFIXES, Document
from feedserver.articles.identity import article_id, article_path, is_marked, percent_encoded
from feedserver.articles.nodes import Scalar
from feedserver.articles.parts import read_actions, read_authors, read_images, read_provider, read_related
from feedserver.articles.rules import ReadingRules
from feedserver.articles.slugs import slugify
from feedserver.articles.text import one_line, without_controls
from feedserver.articles.urls import absolute_url
from feedserver.model import Article, Severity, Term

_PLACEHOLDER = re.compile(r"\{(year|month|day|slug|path)\}")


class Dating(msgspec.Struct, frozen=True):
    """When an article was published, if anything says so; provisional if only the mtime does."""

    published: datetime | None
    is_provisional: bool = False


def date_article(fields: Fields, path: PurePosixPath, mtime: datetime) -> Dating:
    """What dates an article: its keys, else its file name, else its mtime, the latter two by the rules."""
    if fields.find("published") is not None:
        return Dating(fields.date("published"))
    named = date_of_file_name(path, fields.rules)
    if named is not None:
        return Dating(named)
    if fields.rules.date_from_mtime:
        return Dating(mtime.astimezone(UTC).replace(microsecond=0), is_provisional=True)
    return Dating(None)


def date_of_file_name(path: PurePosixPath, rules: ReadingRules) -> datetime | None:
    """The date that a file name begins with, where the rules want it."""
    stated = split_dated_name(path.stem)[0] if rules.date_from_file_name else ""
    try:
        return parse_date(stated, zone_named(rules.time_zone)) if stated else None
    except ValueError:
        return None  # 2020-13-45-parts.md is a name that begins with numbers


def build_article(
    fields: Fields, document: Document, path: PurePosixPath, published: datetime | None
) -> Article | None:
    """The article that a file holds; None if it is undated or anything about it is an error.

    Even then all of its fields are read, and their problems noted. The body is rendered only for an
    article that exists. `featuredContent` with a player is the article's video; any other HTML in it
    stands before the body.
    """
    rules, notes = fields.rules, fields.notes
    title = fields.text("title", Severity.ERROR)
    url = _page_url(fields, path, published)
    if published is not None and not title and not _is_misused(fields, "title"):
        notes.error("no-title", "an article with a date must have a title")
    provider = read_provider(fields)
    authors = (*read_authors(fields), *(provider.authors if provider else ()))
    featured = fields.raw_text("featured")
    video = find_video(featured)
    article = Article(
        id=article_id(
            path,
            authority=rules.id_authority,
            year=rules.id_year,
            prefix=rules.id_prefix,
            chosen=" ".join(without_controls(fields.raw_text("id", Severity.ERROR)).split()),
        ),
        title=title,
        url=url,
        # Undated, it is built for the sake of its findings, and not handed on.
        published=published or datetime.min.replace(tzinfo=UTC),
        updated=fields.date("updated"),
        amp_urls=tuple(dict.fromkeys(fields.urls("amp_urls"))),
        excerpt=fields.long_text("excerpt"),
        kind=fields.text("kind"),
        category=_category(fields, path),
        topics=fields.terms("topics"),
        provider=provider,
        authors=tuple(dict.fromkeys(authors)),
        images=read_images(fields),
        video=video,
        duration=fields.duration("length"),
        actions=read_actions(fields),
        related=read_related(fields),
        language=fields.language("language"),
    )
    if published is None or notes.has_errors:
        return None
    return _with_body(article, fields, document, path, "" if video else featured)


def _with_body(
    article: Article, fields: Fields, document: Document, path: PurePosixPath, lead: str
) -> Article:
    suffix = path.suffix.lower()
    text = fields.raw_text("body") if suffix in DATA_SUFFIXES else document.body
    if not text.strip() and not lead:
        return article
    base_url = fields.rules.base_url
    html = (
        render_body(lead, is_html=True, base_url=base_url),
        render_body(text, is_html=suffix in HTML_SUFFIXES, base_url=base_url),
    )
    return msgspec.structs.replace(
        article, body_html="\n".join(filter(None, html)), body_digest=digest_of(f"{lead}\n\n{text}")
    )


def _page_url(fields: Fields, path: PurePosixPath, published: datetime | None) -> str:
    """The address of the article's page: the first usable one that its keys state, else the pattern's."""
    url, unusable = "", []
    for entry in fields.candidates("url"):
        try:
            url = absolute_url(fields.scalar_text(entry, Severity.ERROR), fields.rules.base_url) or ""
        except ValueError:
            unusable.append(entry)
        if url:
            break
    url = url or _url_from_pattern(fields.rules, path, published)
    for entry in unusable:
        severity = Severity.WARNING if url else Severity.ERROR
        fields.report(severity, "bad-url", entry, "is not a URL of the web (http or https)")
    if published is not None and not url and not unusable and not _is_misused(fields, "url"):
        fields.notes.error("no-url", "an article with a date must have a URL")
    return url


def _url_from_pattern(rules: ReadingRules, path: PurePosixPath, published: datetime | None) -> str:
    if published is None or not rules.url_pattern:
        return ""
    local = published.astimezone(zone_named(rules.time_zone))
    # A folder's index file is the page of the folder.
    is_index = path.stem == "index" and bool(path.parent.name)
    stem = path.parent.name if is_index else path.stem
    values = {
        "year": f"{local.year:04d}",
        "month": f"{local.month:02d}",
        "day": f"{local.day:02d}",
        "slug": percent_encoded(split_dated_name(stem)[1] if rules.date_from_file_name else stem),
        "path": percent_encoded(article_path(path).removesuffix("/index")),
    }
    try:
        return absolute_url(_PLACEHOLDER.sub(lambda m: values[m[1]], rules.url_pattern), rules.base_url) or ""
    except ValueError:
        return ""


def _is_misused(fields: Fields, field: str) -> bool:
    """Whether a field holds a list or mapping instead of a text, which is noted already."""
    entry = fields.find(field)
    return entry is not None and not isinstance(entry.value, Scalar)


def _category(fields: Fields, path: PurePosixPath) -> Term | None:
    """The stated category (of several the first), else the innermost `_folder`, else the first folder."""
    entry = fields.find("category")
    if entry is not None:
        return next(iter(fields.terms("category")), None)
    folders = path.parts[:-1]
    marked = [folder[1:] for folder in folders if is_marked(folder)]
    name = one_line(marked[-1] if marked else folders[0] if folders else "")
    return Term(name=name, slug=slugify(name)) if name else None
