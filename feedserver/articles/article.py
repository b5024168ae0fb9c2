"""Builds an `Article` from the fields and the body of a file.

Combines the other steps; knows no syntax and does not judge visibility. Every problem is noted, so that an
editor sees all of them at once. An article with errors is not built (promise 5).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath

import msgspec
from msgspec.structs import replace

from feedserver.articles.body import digest_of, plain_body, render_body
from feedserver.articles.categories import categories_of
from feedserver.articles.derived import (
    excerpt_of,
    first_paragraph,
    source_before_mark,
    take_heading,
    title_of_file_name,
)
from feedserver.articles.embeds import find_video
from feedserver.articles.fields import Fields
from feedserver.articles.file_names import (
    date_of_file_name,
    extensions_of,
    language_of_file_name,
    slug_of_file_name,
)
from feedserver.articles.html_as_code import line_of_html_as_code
from feedserver.articles.identity import article_id
from feedserver.articles.markup import MarkupError
from feedserver.articles.nodes import FindingNotes
from feedserver.articles.page_url import Page, has_title, id_from_pattern, page_url, place_of_page
from feedserver.articles.parts import read_actions, read_authors, read_images, read_provider, read_related
from feedserver.articles.rules import ReadingRules
from feedserver.articles.source_file import SourceFile
from feedserver.articles.split_file import DATA_SUFFIXES, HTML_SUFFIXES, SplitFile
from feedserver.articles.template_output import Site
from feedserver.articles.template_tags import replace_tags
from feedserver.articles.text import quoted, without_controls
from feedserver.findings import FindingCode, Severity
from feedserver.model import Article

# Some feed readers store ids in columns of 255 characters, and then lose or confuse entries.
_LONGEST_ID = 255

_MOST_NAMED = 5  # broken links, and tags, in a finding
_MAX_ID = 2_048  # characters; normalising takes time that grows with the square of the length


class Dating(msgspec.Struct, frozen=True):
    """When an article was published, if that is known.

    Attributes:
        published: the date that is shown.
        is_provisional: it is the mtime of the file.
        is_unreadable: a date is stated that cannot be read, which hides the article (promise 6).
    """

    published: datetime | None
    is_provisional: bool = False
    is_unreadable: bool = False


def date_article(fields: Fields, path: PurePosixPath, mtime: datetime) -> Dating:
    """The date of an article: of its keys, else its file name, else its mtime; rules allow the last two."""
    if fields.date_entry("published") is not None:
        published = fields.date("published", Severity.ERROR, "; the article is hidden")
        return Dating(published, is_unreadable=published is None)
    named = date_of_file_name(path, fields.rules)
    if named is not None:
        return Dating(named)
    if fields.rules.date_from_mtime:
        return Dating(mtime.astimezone(UTC).replace(microsecond=0), is_provisional=True)
    return Dating(None)


def build_article(
    fields: Fields, document: SplitFile, source: SourceFile, published: datetime | None
) -> Article | None:
    """The article in a file; None if it is undated or has an error.

    All of its fields are read in any case, and their problems noted. The body is rendered only if there is an
    article. A player in `featuredContent` is the article's video; other HTML in it is put before the body.
    """
    rules, notes, path = fields.rules, fields.notes, source.path
    title = fields.text("title", Severity.ERROR)
    page = None
    if published is not None:
        page = Page(fields, path, published, title or _heading(fields, document, source))
    url = page_url(fields, page)
    fields.place = place_of_page(url, fields, page, source)
    if published is not None and not (title or rules.titles or fields.is_misused("title")):
        notes.add(FindingCode.NO_TITLE, "an article with a date must have a title")
    featured = fields.raw_text("featured")
    video = find_video(_without_templates(featured, source, rules))
    article = _without_body(fields, source, page, title, url)
    if video is not None:
        article = replace(article, video=video)
    if published is None or notes.has_errors:
        return None
    if len(article.id) > _LONGEST_ID:
        notes.add(FindingCode.LONG_ID, _long_id(article.id), severity=Severity.WARNING)
    article = _with_body(article, fields, document, source, "" if video else featured)
    if source.broken:
        notes.add(FindingCode.BROKEN_LINK, _broken(list(source.broken)))
    return _with_title(article, fields, path)


def _without_body(fields: Fields, source: SourceFile, page: Page | None, title: str, url: str) -> Article:
    """All of an article that is in its keys and its path, except its video."""
    rules, path = fields.rules, source.path
    provider = read_provider(fields)
    authors = (*read_authors(fields), *(provider.authors if provider else ()))
    category, *further = categories_of(fields, path) or (None,)
    topics = fields.terms("topics")
    slugs = {topic.slug for topic in topics}
    language = fields.language("language")
    assumed = "" if language else language_of_file_name(path, rules) or rules.language
    return Article(
        id=article_id(
            path,
            authority=rules.id_authority,
            year=rules.id_year,
            prefix=rules.id_prefix,
            chosen=_chosen_id(fields) or _generated_id(page, url),
        ),
        title=title,
        url=url,
        # An undated article is built only for its findings, and not returned.
        published=page.published if page else datetime.min.replace(tzinfo=UTC),
        updated=fields.date("updated", Severity.WARNING),
        amp_urls=tuple(dict.fromkeys(fields.urls("amp_urls"))),
        excerpt=fields.long_text("excerpt"),
        kind=fields.text("kind"),
        category=category,
        # Feeds have one category, and Jekyll, Hexo and WordPress several: the further ones are topics.
        topics=(*topics, *(term for term in further if term and term.slug not in slugs)),
        provider=provider,
        authors=tuple(dict.fromkeys(authors)),
        images=read_images(fields),
        duration=fields.duration("length"),
        actions=read_actions(fields),
        related=read_related(fields),
        language=language or assumed,
        derived=("language",) if assumed else (),
    )


def _with_title(article: Article, fields: Fields, path: PurePosixPath) -> Article | None:
    """The article with a title, if it may be taken from elsewhere; None if it must have one and has none."""
    rules, title, body = fields.rules, article.title, article.body_html
    for source in () if title else rules.titles:
        if source == "none":
            return article
        if source == "heading":
            title, body = take_heading(body)
        elif source == "file-name":
            title = title_of_file_name(slug_of_file_name(path, rules))
        if title:
            derived = (*article.derived, "title")
            return replace(article, title=title, body_html=body, derived=derived)
    if not title:
        fields.notes.add(FindingCode.NO_TITLE, "nothing gives the article a title")
    return article if title else None


def _with_body(
    article: Article, fields: Fields, document: SplitFile, source: SourceFile, lead: str
) -> Article:
    path = source.path
    suffix = path.suffix.lower()
    text = fields.raw_text("body") if suffix in DATA_SUFFIXES else document.body
    if not text.strip() and not lead:
        return article
    is_html = suffix in HTML_SUFFIXES or fields.rules.bodies_are_html
    if not is_html:
        _note_html_as_code(text, fields.notes)
    body = _without_templates(text, source, fields.rules)
    lead_html = ""
    if lead:
        lead_html = _rendered(_without_templates(lead, source, fields.rules), fields, path, is_html=True)
    html = (lead_html, _rendered(body, fields, path, is_html=is_html))
    article = replace(
        article, body_html="\n".join(filter(None, html)), body_digest=digest_of(f"{lead}\n\n{text}")
    )
    excerpt = "" if article.excerpt else _excerpt(body, html[1], fields, path, is_html=is_html)
    derived = (*article.derived, "excerpt")
    return replace(article, excerpt=excerpt, derived=derived) if excerpt else article


def _excerpt(source: str, body_html: str, fields: Fields, path: PurePosixPath, *, is_html: bool) -> str:
    """The excerpt that the body gives, by the first of the rules that finds one."""
    for way in fields.rules.excerpts:
        if way == "more" and (head := source_before_mark(source, is_html=is_html)):
            return excerpt_of(_rendered(head, fields, path, is_html=is_html))
        if way == "paragraph" and (paragraph := first_paragraph(body_html)):
            return paragraph
    return ""


def _without_templates(text: str, source: SourceFile, rules: ReadingRules) -> str:
    """The markup without the template code of the program that publishes it."""
    if not rules.templates:
        return text
    text, unknown = replace_tags(text, rules.templates, Site(rules.base_url))
    source.tags.update(dict.fromkeys(unknown))
    return text


def note_removed_tags(source: SourceFile, notes: FindingNotes) -> None:
    """Note the template code of a file that was removed without a replacement, if there is any."""
    if source.tags:
        named = ", ".join(list(source.tags)[:_MOST_NAMED])
        notes.add(FindingCode.TEMPLATE_TAG, f"template code that has no meaning here is removed: {named}")


def _broken(links: list[str]) -> str:
    named = ", ".join(quoted(link) for link in links[:_MOST_NAMED])
    return f"links to files that are no published articles are left out: {named}"


def _long_id(article_id: str) -> str:
    return (
        f"the id of the article has {len(article_id)} characters, of which some readers store {_LONGEST_ID}; "
        'for a new article, set a short "id"'
    )


def _note_html_as_code(text: str, notes: FindingNotes) -> None:
    line = line_of_html_as_code(text)
    if line is not None:
        notes.add(
            FindingCode.HTML_AS_CODE,
            f"line {line} of the body is HTML that Markdown shows as code, because it is indented by four "
            "spaces after a blank line; remove the indentation, or set articles[].bodies to html",
        )


def _chosen_id(fields: Fields) -> str:
    entry = fields.find("id")
    if entry is None:
        return ""
    text = fields.scalar_text(entry, Severity.ERROR)
    if len(text) <= _MAX_ID:
        return " ".join(without_controls(text).split())
    fields.report(FindingCode.LONG_ID, entry, f"has more than {_MAX_ID:,} characters", Severity.ERROR)
    return ""


def _generated_id(page: Page | None, url: str) -> str:
    """The id that the program gave that published the folder before; '' if the path makes it."""
    if page is None or page.fields.rules.ids == "path":
        return ""
    ids = page.fields.rules.ids
    return url if ids == "url" else id_from_pattern(ids, page, url)


def _heading(fields: Fields, document: SplitFile, source: SourceFile) -> str:
    """The title that the body will give, if the address depends on it: it is rendered once more for that."""
    rules, path = fields.rules, source.path
    if "heading" not in rules.titles or not has_title(rules) or path.suffix.lower() in DATA_SUFFIXES:
        return ""
    is_html = path.suffix.lower() in HTML_SUFFIXES or rules.bodies_are_html
    try:
        body = _without_templates(document.body, source, rules)
        return take_heading(render_body(body, is_html=is_html, extensions=extensions_of(path, rules)))[0]
    except MarkupError:
        return ""


def _rendered(text: str, fields: Fields, path: PurePosixPath, *, is_html: bool) -> str:
    """The sanitised HTML of a text; if its markup is too costly, the plain text, with a warning."""
    try:
        extensions = extensions_of(path, fields.rules)
        return render_body(text, is_html=is_html, place=fields.place, extensions=extensions)
    except MarkupError as error:
        fields.notes.add(FindingCode.COSTLY_MARKUP, f"the body {error}; it is shown as plain text")
        return plain_body(text, is_html=is_html)
