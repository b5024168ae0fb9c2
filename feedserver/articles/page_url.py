"""The address of an article's page: of its keys, else of the pattern of its root.

Knows the placeholders of patterns: `{slug}` in settings, and `:title` in an address that the front matter
states, as Jekyll and Hexo have it. Resolves no reference in a body, and reads no other file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from feedserver.articles.categories import categories_of
from feedserver.articles.dates import zone_named
from feedserver.articles.fields import Fields
from feedserver.articles.file_names import page_parts, page_path, slug_of_file_name, split_dated_path
from feedserver.articles.identity import article_path, is_marked, percent_encoded
from feedserver.articles.nodes import KeyValue, Scalar
from feedserver.articles.permalink_templates import Permalink
from feedserver.articles.references import Place, is_of_site, place_of_article, place_of_site
from feedserver.articles.rules import ReadingRules
from feedserver.articles.source_file import SourceFile
from feedserver.articles.template_output import Site
from feedserver.articles.truth import truth
from feedserver.articles.url_names import category_in_url, folder_in_url, name_in_url
from feedserver.findings import FindingCode, Severity

_BRACED = re.compile(r"\{([a-z_]+)\}")
# The look-behind follows the colon, because Python searches fast for a pattern that begins with a literal:
# 0.1 µs for an address instead of 0.7.
NAMED_BY_COLON = re.compile(r":(?<![:\w]:)([a-z_]+)")
# A path whose last name has neither slash nor extension.
_PAGE = re.compile(r"(?![A-Za-z][A-Za-z0-9+.-]*:|//)(?:[^?#]*/)?[^?#/.]+")
_TEMPLATE = re.compile(r"\{\{|\{%|<%")


class Page(NamedTuple):
    """The page of an article, as far as its address depends on it.

    `title` is the one that the article will have, as far as it is known before its body is rendered.
    """

    fields: Fields
    path: PurePosixPath
    published: datetime
    title: str

    @property
    def local(self) -> datetime:
        """The publication in the time zone of the root."""
        return self.published.astimezone(zone_named(self.fields.rules.time_zone))

    @property
    def pattern(self) -> str:
        """The pattern of its address, if it states none."""
        rules = self.fields.rules
        if not rules.section_urls:
            return rules.url_pattern
        section = article_path(self.path).partition("/")[0]
        return dict(rules.section_urls).get(section, rules.url_pattern)

    @property
    def slug(self) -> str:
        """The name of the page: stated, else that of the file."""
        return self._encoded(self.fields.text("slug") or self._name)

    @property
    def slug_or_title(self) -> str:
        """The name of the page: stated, else the title of the article."""
        return self._encoded(self.fields.text("slug") or self.title or self._name)

    @property
    def plain_path(self) -> PurePosixPath:
        """The path of the file without a language at its end."""
        return page_path(self.path, self.fields.rules)

    @property
    def _name(self) -> str:
        return slug_of_file_name(self.path, self.fields.rules)

    def _encoded(self, name: str) -> str:
        return name_in_url(name, self.fields.rules.url_names)

    @property
    def encoded_title(self) -> str:
        """The title of the article as a part of an address."""
        return self._encoded(self.title or self._name)

    @property
    def categories(self) -> list[str]:
        """The categories as parts of an address."""
        style = self.fields.rules.url_names
        return [category_in_url(term.name, style) for term in categories_of(self.fields, self.path)]

    @property
    def folders(self) -> list[str]:
        """The folders of the page, without marks; without those of the date if the rules use it."""
        dated = split_dated_path(self.plain_path)
        is_dated = self.fields.rules.date_from_file_name and dated.day is not None
        folders = dated.folders if is_dated else page_parts(self.plain_path)[:-1]
        style = self.fields.rules.url_names
        return [folder_in_url(part[1:] if is_marked(part) else part, style) for part in folders]

    @property
    def filename(self) -> str:
        """The name of the file, date included."""
        return self._encoded(page_parts(self.plain_path)[-1])

    @property
    def entry_id(self) -> str:
        """The id that Astro gives an entry of a collection: stated, else the path below the first folder."""
        if stated := self.fields.text("slug"):
            return percent_encoded(stated.strip("/"))
        parts = page_parts(self.plain_path)
        return "/".join(self._encoded(part) for part in parts[1:] or parts)

    @property
    def dated_path(self) -> str:
        """The path that Docusaurus gives a post: stated, else the date in the path before its rest."""
        if stated := self.fields.text("slug"):
            return percent_encoded(stated.strip("/"))
        dated = split_dated_path(self.plain_path)
        if dated.day is None:
            return percent_encoded("/".join(page_parts(self.plain_path)))
        return percent_encoded("/".join((dated.written, *dated.folders, dated.rest)))


# Each placeholder, and what stands for it.
PLACEHOLDERS: Final[Mapping[str, Callable[[Page], str]]] = {
    "year": lambda page: f"{page.local.year:04d}",
    "short_year": lambda page: f"{page.local.year % 100:02d}",
    "month": lambda page: f"{page.local.month:02d}",
    "i_month": lambda page: str(page.local.month),
    "day": lambda page: f"{page.local.day:02d}",
    "i_day": lambda page: str(page.local.day),
    "y_day": lambda page: f"{page.local.timetuple().tm_yday:03d}",
    "hour": lambda page: f"{page.local.hour:02d}",
    "minute": lambda page: f"{page.local.minute:02d}",
    "second": lambda page: f"{page.local.second:02d}",
    "slug": lambda page: page.slug,
    "slug_or_title": lambda page: page.slug_or_title,
    "title": lambda page: page.encoded_title,
    "filename": lambda page: page.filename,
    "category": lambda page: "".join(page.categories[:1]),
    "categories": lambda page: "/".join(page.categories),
    "section": lambda page: "".join(page.folders[:1]),
    "sections": lambda page: "/".join(page.folders),
    "entry_id": lambda page: page.entry_id,
    "dated_path": lambda page: page.dated_path,
    "path": lambda page: percent_encoded(article_path(page.plain_path).removesuffix("/index")),
}
# The names that Jekyll and Hexo have for them in front matter.
_IN_FRONT_MATTER: Final = {"title": "slug", "name": "slug", "basename": "slug", "post_title": "title"}


def page_url(fields: Fields, page: Page | None) -> str:
    """The address of the article's page: the first usable one in its keys, else that of the pattern.

    An undated article has no page.
    """
    misused: list[KeyValue] = []
    unusable: list[KeyValue] = []
    url = _first_stated(fields, page, misused, unusable)
    if not url and page is not None:
        url = _url_from_pattern(page.pattern, _BRACED, page)
    severity = Severity.WARNING if url else Severity.ERROR
    for entry in misused:
        fields.scalar_text(entry, severity)
    for entry in unusable:
        is_code = isinstance(entry.value, Scalar) and _TEMPLATE.search(entry.value.text)
        problem = (
            "has template code that is not known here"
            if is_code
            else "is not a URL of the web (http or https)"
        )
        fields.report(FindingCode.BAD_URL, entry, problem, severity)
    if page is not None and not (url or misused or unusable):
        fields.notes.add(FindingCode.NO_URL, "an article with a date must have a URL")
    return url


def place_of_page(url: str, fields: Fields, page: Page | None, source: SourceFile) -> Place:
    """The place of the references in an article whose page has this address.

    An article may link to a page of another site. Its references are still those of its own site.
    """
    rules = fields.rules
    own_page = url
    if not is_of_site(url, rules.base_url):
        own_page = "" if page is None else _url_from_pattern(page.pattern, _BRACED, page)
    return place_of_article(url, own_page, rules, source)


def _first_stated(
    fields: Fields, page: Page | None, misused: list[KeyValue], unusable: list[KeyValue]
) -> str:
    """The first usable address in the keys; the entries before it that hold none are added to the lists."""
    for entry in fields.candidates("url"):
        if not isinstance(entry.value, Scalar):
            misused.append(entry)
            continue
        try:
            url = _stated_url(fields, entry, entry.value.text, page)
        except ValueError:
            unusable.append(entry)
        else:
            if url:
                return url
    return ""


def _stated_url(fields: Fields, entry: KeyValue, text: str, page: Page | None) -> str:
    """The address that a key states, its placeholders filled.

    Raises:
        ValueError: it is none: `false`, or template code of a generator.
    """
    if truth(entry.value) is not None:
        raise ValueError("not an address")
    if _TEMPLATE.search(text):
        return fields.place.resolve(_from_template(text, page)) or ""
    if page is not None and NAMED_BY_COLON.search(text):
        return _url_from_pattern(text, NAMED_BY_COLON, page)
    return fields.place.resolve(_below_base(_ended(text.strip(), fields.rules), fields.rules)) or ""


def _from_template(text: str, page: Page | None) -> str:
    """The address that template code makes.

    Raises:
        ValueError: not all of it is known.
    """
    if page is None:
        raise ValueError("an undated article has no page")
    rules = page.fields.rules
    permalink = Permalink(page.fields.entries, page.path, page.local, Site(rules.base_url))
    address = permalink.filled(text)
    if address is None:
        raise ValueError("template code that is not known")
    return address if "://" in address else _below_base(f"/{address.lstrip('/')}", rules)


def _ended(address: str, rules: ReadingRules) -> str:
    """A stated address with a slash at its end, if the program that publishes the folder adds it."""
    is_page = rules.trailing_slash and _PAGE.fullmatch(address)
    return f"{address}/" if is_page else address


def id_from_pattern(pattern: str, page: Page, url: str) -> str:
    """The id that a pattern makes, such as `{url_folder}/{slug}` or `tag:{host},{year}:{url_path}`."""
    parts = urlsplit(url)
    folder = parts.path.rstrip("/").rpartition("/")[0]
    of_url = {
        "url": url,
        "url_folder": urlunsplit((*parts[:2], folder, "", "")),
        "host": parts.netloc,
        "url_path": parts.path,
    }
    return _BRACED.sub(lambda match: of_url.get(match[1]) or _value(match, page), pattern)


def _below_base(address: str, rules: ReadingRules) -> str:
    """An address of a page that begins with a slash continues the base URL, as in all site generators."""
    is_of_root = address.startswith("/") and not address.startswith("//")
    return f"{rules.base_url.rstrip('/')}{address}" if is_of_root and rules.base_url else address


def _value(match: re.Match[str], page: Page) -> str:
    """The value of a placeholder; an unknown one stays as it is."""
    name = match[1]
    if match.re is NAMED_BY_COLON:
        name = _IN_FRONT_MATTER.get(name, name)
    return PLACEHOLDERS[name](page) if name in PLACEHOLDERS else match[0]


def _url_from_pattern(pattern: str, placeholder: re.Pattern[str], page: Page) -> str:
    """The address of a pattern; '' if there is none, or if it is relative without a base."""
    rules = page.fields.rules
    if not pattern:
        return ""
    filled = placeholder.sub(lambda match: _value(match, page), pattern)
    scheme, parting, rest = filled.rpartition("://")
    # A placeholder without a value leaves two slashes, which Jekyll and Hexo join as well.
    filled = scheme + parting + re.sub("/{2,}", "/", rest)
    if not parting:
        filled = _below_base(f"/{filled.lstrip('/')}", rules)
    try:
        return place_of_site(rules.base_url, rules.root_urls).resolve(filled) or ""
    except ValueError:
        return ""


def has_title(rules: ReadingRules) -> bool:
    """Whether some address of a root may depend on the titles of its articles."""
    patterns = (rules.url_pattern, rules.ids, *(pattern for _, pattern in rules.section_urls))
    return any("title}" in pattern for pattern in patterns)
