"""Folders that other programs publish are recognised, and their articles come out as in those programs.

Each sample is a small site in the layout that the program's documentation describes, with the addresses, ids
and dates that follow from it, written down by hand.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pytest
from builders import write_file
from click.testing import CliRunner

from feedserver.articles.page_url import PLACEHOLDERS
from feedserver.articles.reading import read_article
from feedserver.articles.rule_names import DISTINGUISHING, PLACEHOLDER_NAMES
from feedserver.cli.group import main
from feedserver.errors import SettingsError
from feedserver.indexing.scanner import Scan, ScanRules
from feedserver.model import Article, Reading, Verdict
from feedserver.presets.preset import presets
from feedserver.presets.taking import UnknownPlaceholderError, filled, url_pattern, value_at
from feedserver.settings.sources import load_settings, origins, presets_used
from feedserver.wiring.planning import plan_of

EPOCH = datetime.fromisoformat("2024-01-01T00:00:00Z")


class Expected(NamedTuple):
    """An article as a subscriber sees it; its id is its address if none is given."""

    url: str
    published: str
    id: str = ""
    category: str = ""
    topics: tuple[str, ...] = ()


class Sample(NamedTuple):
    """A small site: its files, its articles, and the base URL that is set by hand, if any."""

    files: dict[str, str]
    articles: dict[str, Expected]
    base_url: str = ""
    site: dict[str, str] = {}  # noqa: RUF012  a value of one sample, never changed


def front(text: str, body: str = "Text.") -> str:
    return f"---\n{text}\n---\n{body}\n"


SAMPLES = {
    "jekyll": Sample(
        {
            "_config.yml": "title: The quay\nurl: https://quay.example.org\nbaseurl: /blog\nlang: en_GB\n"
            "timezone: Europe/Paris\nexclude: [vendor, docs/old/]\n"
            "collections: {recipes: {output: true, permalink: '/r/:title/'}}\n",
            "_posts/2024-05-01-boats-are-back.md": front(
                "title: Boats\ncategories: [Sea, boats]\ntags: [tide]"
            ),
            "_posts/2024-07-02-lighthouse.md": front("title: Lighthouse\ndate: 2024-07-02 10:00"),
            "_posts/2024-07-03-moved.md": front("title: Moved\npermalink: /:year/:title/"),
            "_recipes/soup.md": front("title: Soup\ndate: 2024-06-01 12:00 +0000"),
            "vendor/_posts/2024-05-01-not.md": front("title: Not ours"),
            "about.md": front("title: A page\ndate: 2024-05-01"),
        },
        {
            "Boats": Expected(
                "https://quay.example.org/blog/sea/boats/2024/05/01/boats-are-back.html",
                "2024-04-30T22:00:00Z",
                "https://quay.example.org/blog/sea/boats/2024/05/01/boats-are-back",
                "Sea",
                ("tide", "boats"),
            ),
            "Lighthouse": Expected(
                "https://quay.example.org/blog/2024/07/02/lighthouse.html",
                "2024-07-02T08:00:00Z",
                "https://quay.example.org/blog/2024/07/02/lighthouse",
            ),
            "Moved": Expected(
                "https://quay.example.org/blog/2024/moved/",
                "2024-07-02T22:00:00Z",
                "https://quay.example.org/blog/2024/moved",
            ),
            "Soup": Expected(
                "https://quay.example.org/blog/r/soup/",
                "2024-06-01T12:00:00Z",
                "https://quay.example.org/blog/r/soup",
            ),
        },
        site={"title": "The quay", "language": "en-GB", "time_zone": "Europe/Paris"},
    ),
    "hugo": Sample(
        {
            "hugo.toml": 'baseURL = "https://quay.example.org/"\ntitle = "Quay"\nlanguageCode = "en-us"\n'
            '[permalinks]\nnews = "/:year/:month/:slug/"\n[params]\ndescription = "News"\n',
            "content/posts/Old Pier/index.md": front(
                "title: Pier\ndate: 2024-05-01T10:00:00+02:00\ntags: [sea]"
            ),
            "content/news/tide.md": front("title: High Tide\ndate: 2024-05-02"),
            "content/news/ebb.md": '+++\ntitle = "Ebb"\ndate = 2024-05-03\nslug = "low-tide"\n+++\n',
            "content/posts/_index.md": front("title: Posts"),
            "README.md": front("title: Not content\ndate: 2024-05-01"),
        },
        {
            "Pier": Expected(
                "https://quay.example.org/posts/old-pier/", "2024-05-01T08:00:00Z", topics=("sea",)
            ),
            "High Tide": Expected("https://quay.example.org/2024/05/high-tide/", "2024-05-02T00:00:00Z"),
            "Ebb": Expected("https://quay.example.org/2024/05/low-tide/", "2024-05-03T00:00:00Z"),
        },
        site={"title": "Quay", "language": "en-us", "description": "News"},
    ),
    "zola": Sample(
        {
            "config.toml": 'base_url = "https://quay.example.org"\ntitle = "Quay"\ndefault_language = "de"\n',
            "content/blog/2024-05-01_First page.md": '+++\ntitle = "First"\n[taxonomies]\ntags = ["rust"]\n'
            'categories = ["news"]\n+++\nText.\n',
            "content/own.md": '+++\ntitle = "Own"\ndate = 2024-05-02\npath = "elsewhere/own"\n+++\n',
        },
        {
            "First": Expected(
                "https://quay.example.org/blog/first-page/",
                "2024-05-01T00:00:00Z",
                category="news",
                topics=("rust",),
            ),
            "Own": Expected("https://quay.example.org/elsewhere/own/", "2024-05-02T00:00:00Z"),
        },
        site={"title": "Quay", "language": "de"},
    ),
    "hexo": Sample(
        {
            "_config.yml": "title: Quay\nurl: https://quay.example.org\nlanguage: [fr, en]\ntimezone: ''\n"
            "permalink: :year/:i_month/:title/\n",
            "source/_posts/sub/hello-world.md": front(
                "title: Hello\ndate: 2024-05-01 10:00:00\ncategories: [a, b]\ntags: [c]"
            ),
            "source/about/index.md": front("title: A page\ndate: 2024-05-01"),
        },
        {
            "Hello": Expected(
                "https://quay.example.org/2024/5/sub/hello-world/",
                "2024-05-01T10:00:00Z",
                category="a",
                topics=("c", "b"),
            )
        },
        site={"title": "Quay", "language": "fr"},
    ),
    "mkdocs": Sample(
        {
            "mkdocs.yml": "site_name: Quay\nsite_url: https://quay.example.org/\n"
            "theme: {name: material, language: de}\n"
            "plugins:\n  - search\n  - blog:\n      blog_dir: news\n"
            "markdown_extensions:\n  - emoji: {index: !!python/name:os.system }\n",
            "docs/news/posts/pier.markdown": front(
                "title: The Old Pier\ndate: {created: 2024-05-01, updated: 2024-06-01}\ncategories: [Sea]"
            ),
            "docs/about.markdown": front("title: A page\ndate: 2024-05-01"),
        },
        {
            "The Old Pier": Expected(
                "https://quay.example.org/news/2024/05/01/the-old-pier/",
                "2024-05-01T00:00:00Z",
                category="Sea",
            )
        },
        site={"title": "Quay", "language": "de"},
    ),
    "pelican": Sample(
        {
            "pelicanconf.py": "raise SystemExit('executed')\n",
            "content/old pier.md": "Title: The Old Pier\nDate: 2024-05-01 10:20\n\nText.\n",
        },
        {
            "The Old Pier": Expected(
                "https://quay.example.org/the-old-pier.html",
                "2024-05-01T10:20:00Z",
                "tag:quay.example.org,2024-05-01:/the-old-pier.html",
            )
        },
        "https://quay.example.org/",
    ),
    "eleventy": Sample(
        {
            "eleventy.config.js": "process.exit(1);\n",
            "content/blog/2024-05-01-pier.md": front("title: Pier"),
            "content/blog/fixed.md": front("title: Fixed\ndate: 2024-05-02\npermalink: /fixed/"),
            "content/blog/code.md": front("title: Code\ndate: 2024-05-03\npermalink: '/{{ title | slug }}/'"),
        },
        {
            "Pier": Expected("https://quay.example.org/blog/2024-05-01-pier/", "2024-05-01T00:00:00Z"),
            "Fixed": Expected("https://quay.example.org/fixed/", "2024-05-02T00:00:00Z"),
            "Code": Expected("https://quay.example.org/code/", "2024-05-03T00:00:00Z"),
        },
        "https://quay.example.org",
    ),
    "astro": Sample(
        {
            "astro.config.mjs": "export default {}\n",
            "src/content/blog/pier.md": front("title: Pier\npubDate: 'May 01 2024'\nheroImage: /p.jpg"),
            "src/content/blog/2024-05-02-Low_Tide.mdx": front("title: Tide\npubDate: 2024-05-02"),
        },
        {
            "Pier": Expected("https://quay.example.org/blog/pier/", "2024-05-01T00:00:00Z"),
            "Tide": Expected("https://quay.example.org/blog/2024-05-02-low_tide/", "2024-05-02T00:00:00Z"),
        },
        "https://quay.example.org",
    ),
    "docusaurus": Sample(
        {
            "docusaurus.config.ts": "export default {}\n",
            "blog/2024-05-01-pier.md": front("title: Pier\ntags: [sea]"),
            "blog/sea/ebb.md": front("title: Ebb\ndate: 2024-05-02"),
            "blog/2024-05-03-own.md": front("title: Own\nslug: own"),
            "blog/2024-05-04-plain.md": "Text.\n",
            "blog/authors.yml": "ada: {name: Ada, url: https://ada.example}\n",
            "blog/tags.yml": "sea: {label: Sea, permalink: /sea}\n",
            "pages/page.md": front("title: A page\ndate: 2024-05-01"),
        },
        {
            "Pier": Expected(
                "https://quay.example.org/blog/2024/05/01/pier", "2024-05-01T00:00:00Z", topics=("sea",)
            ),
            "Ebb": Expected("https://quay.example.org/blog/sea/ebb", "2024-05-02T00:00:00Z"),
            "Own": Expected("https://quay.example.org/blog/own", "2024-05-03T00:00:00Z"),
            "Plain": Expected("https://quay.example.org/blog/2024/05/04/plain", "2024-05-04T00:00:00Z"),
        },
        "https://quay.example.org",
    ),
    "obsidian": Sample(
        {
            ".obsidian/app.json": "{}",
            "Notes/The pier.md": front("title: The pier\ncreated: 2024-05-01\ntags: [sea]"),
        },
        {
            "The pier": Expected(
                "https://quay.example.org/Notes/The%20pier",
                "2024-05-01T00:00:00Z",
                "tag:127.0.0.1,2025:Notes/The%20pier",
                "Notes",
                ("sea",),
            )
        },
        "https://quay.example.org/",
    ),
    "wordpress": Sample(
        {
            "quay.wordpress.2024-05-01.xml": "<rss/>",
            "output/posts/2024-05-01-pier/index.md": front(
                "title: Pier\ndate: 2024-05-01\ncoverImage: p.jpg"
            ),
        },
        {
            "Pier": Expected(
                "https://quay.example.org/2024/05/01/pier/",
                "2024-05-01T00:00:00Z",
                "tag:127.0.0.1,2025:2024-05-01-pier/index",
            )
        },
        "https://quay.example.org/",
    ),
    "ghost": Sample(
        {
            "quay.ghost.2024-05-01-10-00-00.json": '{"db": []}',
            "pier.md": front("title: Pier\ndate_published: 2024-05-01T10:00:00.000Z\nfeature_image: /p.jpg"),
        },
        {
            "Pier": Expected(
                "https://quay.example.org/pier/", "2024-05-01T10:00:00Z", "tag:127.0.0.1,2025:pier"
            )
        },
        "https://quay.example.org/",
    ),
}


def make(folder: Path, sample: Sample) -> dict[str, Any]:
    """Write a sample; returns the settings that an operator gives for it."""
    for name, text in sample.files.items():
        write_file(folder, name, text)
    given = {"path": str(folder)} | ({"base_url": sample.base_url} if sample.base_url else {})
    return {"articles": [given]}


def articles_of(overrides: dict[str, Any]) -> dict[str, Article]:
    """The articles of a folder by title, read with the settings that follow."""
    plan = plan_of(load_settings(environ={}, overrides=overrides))
    articles = {}
    for root in plan.roots:
        for found in Scan(Path(root.path), ScanRules.for_root(plan, root)).walk():
            raw = (Path(root.path) / found.path).read_bytes()
            article = read_article(raw, PurePosixPath(found.path), EPOCH, root.reading).article
            if article is not None:
                articles[article.title] = article
    return articles


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")


def test_every_preset_has_a_sample() -> None:
    assert list(SAMPLES.keys() ^ presets().keys()) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_a_folder_is_recognised_and_its_articles_are_those_of_its_program(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    overrides = make(tmp_path / "site", sample)
    (use,) = presets_used(environ={}, overrides=overrides)
    articles = articles_of(overrides)

    assert use.source.startswith(f"preset {name}")
    assert use.unused == ()
    assert {
        title: Expected(
            one.url,
            one.published.strftime("%Y-%m-%dT%H:%M:%SZ"),
            one.id,
            one.category.name if one.category else "",
            tuple(topic.name for topic in one.topics),
        )
        for title, one in articles.items()
    } == {title: one._replace(id=one.id or one.url) for title, one in sample.articles.items()}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_site_has_the_settings_of_the_programs_configuration(name: str, tmp_path: Path) -> None:
    overrides = make(tmp_path / "site", SAMPLES[name])
    site = load_settings(environ={}, overrides=overrides).site

    assert {key: getattr(site, key) for key in SAMPLES[name].site} == SAMPLES[name].site


@pytest.mark.parametrize("name", SAMPLES)
def test_a_preset_by_name_needs_no_sign(name: str, tmp_path: Path) -> None:
    write_file(tmp_path / "site", "a.md", front("title: A\ndate: 2024-05-01"))
    given = {"path": str(tmp_path / "site"), "preset": name, "base_url": "https://e.example/", "only": ()}
    (article,) = articles_of({"articles": [given]}).values()

    assert article.url.startswith("https://e.example/")


def test_settings_given_by_hand_win(tmp_path: Path) -> None:
    overrides = make(tmp_path / "site", SAMPLES["jekyll"])
    overrides["articles"][0] |= {"url": "/{slug}/", "ids": "path", "time_zone": "Asia/Tokyo"}
    overrides["site"] = {"title": "Mine"}
    settings = load_settings(environ={}, overrides=overrides)
    article = articles_of(overrides)["Boats"]

    assert (settings.site.title, settings.site.language) == ("Mine", "en-GB")
    assert article.url == "https://quay.example.org/blog/boats-are-back/"
    assert article.id == "tag:127.0.0.1,2025:posts/2024-05-01-boats-are-back"
    assert article.published + timedelta(hours=9) == datetime.fromisoformat("2024-05-01T00:00:00Z")


def test_a_setting_for_all_folders_wins_over_that_of_a_preset(tmp_path: Path) -> None:
    overrides = make(tmp_path / "site", SAMPLES["jekyll"]) | {"dates": {"from_file_name": False}}

    assert "Moved" not in articles_of(overrides)


def test_without_a_preset_the_folder_is_read_as_it_is(tmp_path: Path) -> None:
    overrides = make(tmp_path / "site", SAMPLES["hugo"])
    overrides["articles"][0] |= {"preset": "none", "base_url": "https://e.example/", "url": "/{path}/"}

    assert presets_used(environ={}, overrides=overrides) == ()
    assert articles_of(overrides)["Pier"].url == "https://e.example/content/posts/Old%20Pier/"


def test_a_plain_folder_is_recognised_as_nothing(tmp_path: Path) -> None:
    write_file(tmp_path / "site", "a.md", front("title: A\ndate: 2024-05-01"))
    write_file(tmp_path / "site", "config.toml", 'title = "of another program"\n')

    assert presets_used(environ={}, overrides={"articles": [str(tmp_path / "site")]}) == ()


def test_each_setting_that_follows_is_shown_with_its_source(tmp_path: Path) -> None:
    overrides = make(tmp_path / "site", SAMPLES["hexo"])
    rows = {row.key: row for row in origins(environ={}, overrides=overrides)}
    source = f"preset hexo, {tmp_path}/site/_config.yml"

    assert (rows["site.title"].value, rows["site.title"].source) == ("Quay", source)
    assert (rows["articles[0].url"].value, rows["articles[0].url"].source) == (
        "/{year}/{i_month}/{sections}/{slug}/",
        source,
    )
    assert rows["site.author"].source == "default"


def test_one_line_says_at_the_start_what_was_recognised(tmp_path: Path) -> None:
    make(tmp_path / "site", SAMPLES["zola"])
    done = CliRunner().invoke(main, ["check", "--format", "json", str(tmp_path / "site")])

    assert json.loads(done.stdout) == []
    line, _ = done.stderr.splitlines()  # and the summary
    assert line.startswith(
        f"articles[0]: recognised as a folder of Zola (preset zola, {tmp_path}/site/config.toml)"
    )
    assert "title, language, base_url" in line


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("title: [unclosed\n", "cannot be read"),
        ("title: \x01\n", "cannot be read"),
        ("\xff\xfe", "cannot be read"),
        ("a: " * 3_000 + "b\n", "cannot be read"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_an_error_that_says_so(
    tmp_path: Path, config: str, reason: str
) -> None:
    overrides = make(tmp_path / "site", SAMPLES["jekyll"])
    (tmp_path / "site/_config.yml").write_bytes(config.encode("latin-1"))

    with pytest.raises(SettingsError, match=rf"articles\[0\].preset: .*_config.yml {reason}.*preset to none"):
        load_settings(environ={}, overrides=overrides)


def test_a_preset_that_does_not_exist_is_an_error_that_names_all(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"articles\[0\].preset: must be one of astro, .*, or none"):
        load_settings(environ={}, overrides={"articles": [{"path": str(tmp_path), "preset": "wix"}]})


@pytest.mark.parametrize(
    ("config", "unused"),
    [
        ("permalink: /:hash/:title/", ":hash"),
        ("timezone: Mars/Olympus", "time_zone: must be the IANA name"),
        ("lang: 'English, please'", "language: must be a language tag"),
        ("url: quay.example.org", "base_url: must be an http"),
        ("title: [a, b]", ""),
        ("url: [a]\ncollections: [x, y]\nexclude: 3", ""),
        ("- a\n- b", ""),
        ("just text", ""),
        ("", ""),
    ],
)
def test_what_is_no_setting_is_left_out_and_said(tmp_path: Path, config: str, unused: str) -> None:
    overrides = make(tmp_path / "site", SAMPLES["jekyll"])
    (tmp_path / "site/_config.yml").write_text(config)
    (use,) = presets_used(environ={}, overrides=overrides)

    assert unused in " ".join(use.unused)


def test_several_folders_may_have_several_presets(tmp_path: Path) -> None:
    first = make(tmp_path / "one", SAMPLES["jekyll"])["articles"][0] | {"id_prefix": "one"}
    second = make(tmp_path / "two", SAMPLES["hugo"])["articles"][0] | {"id_prefix": "two"}
    overrides = {"articles": [first, second]}

    assert {"Boats", "Pier"} <= articles_of(overrides).keys()
    assert load_settings(environ={}, overrides=overrides).site.title == "The quay"


# --- Filling in -------------------------------------------------------------------------------------


CONFIG = {
    "Title": "T",
    "params": {"Deep": {"x": 3}},
    "empty": "",
    "plugins": ["search", {"blog": {"dir": "news"}}],
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("${title}", "T"),
        ("${TITLE}!", "T!"),
        ("${params.deep.x}", 3),
        ("${missing}", None),
        ("a ${missing} b", None),
        ("${empty|title}", "T"),
        ("${missing|'else'}", "else"),
        ("${missing|''}/", "/"),
        ("${title?T}", True),
        ("${title?x}", None),
        ("${missing?x|'no'}", "no"),
        ("${plugins.blog.dir}", "news"),
        ("${plugins.search.dir|'none'}", "none"),
        (["${title}", "${missing}", "_${params.*}"], ["T", "_deep"]),
        ({"a": "${title}", "b": "${missing}", "c": ["${missing}"]}, {"a": "T"}),
        (True, True),
    ],
)
def test_a_text_of_a_preset_is_filled_in_from_the_configuration(template: object, expected: object) -> None:
    assert filled(template, CONFIG) == expected


def test_the_value_of_a_key_in_something_else_is_none() -> None:
    assert value_at("text", "a.b") is None
    assert value_at({"a": "text"}, "a.b.c") is None


def test_a_pattern_of_addresses_gets_our_placeholders_and_an_unknown_one_is_refused() -> None:
    permalink = presets()["jekyll"].permalink
    assert permalink is not None
    assert url_pattern(permalink, {"permalink": "/:year/:y_day/:title"}) == "/{year}/{y_day}/{slug}"
    assert url_pattern(permalink, {"permalink": "none"}) == "/{categories}/{slug}.html"
    with pytest.raises(UnknownPlaceholderError, match=":hash"):
        url_pattern(permalink, {"permalink": "/:hash/"})


# --- Addresses of pages -----------------------------------------------------------------------------


def url_of(front_matter: str, path: str = "_posts/2024-05-01-old-pier.md", **root: Any) -> str:
    """The address of an article in a root with a base URL that has a path."""
    given = {
        "path": ".",
        "preset": "none",
        "base_url": "https://e.example/site/",
        "dates_from_file_name": True,
    }
    (rules,) = (
        one.reading
        for one in plan_of(load_settings(environ={}, overrides={"articles": [given | root]})).roots
    )
    raw = front(f"title: The Old Pier, Café\n{front_matter}").encode()
    article = read_article(raw, PurePosixPath(path), EPOCH, rules).article
    assert article is not None
    return article.url.removeprefix("https://e.example/site")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/{year}/{i_month}/{i_day}/{short_year}/{y_day}/{slug}", "/2024/5/1/24/122/old-pier"),
        ("/{month}/{day}/{hour}/{minute}/{second}/{filename}", "/05/01/00/00/00/2024-05-01-old-pier"),
        ("/{categories}/{slug}.html", "/Sea%20Side/boats/old-pier.html"),
        ("/{category}/{title}/", "/Sea%20Side/The%20Old%20Pier%2C%20Caf%C3%A9/"),
        ("/{section}/{sections}/{path}", "/posts/posts/posts/2024-05-01-old-pier"),
        ("/e/{entry_id}", "/e/2024-05-01-old-pier"),
        ("/d/{dated_path}", "/d/2024/05/01/_posts/old-pier"),
        ("https://other.example/{slug}", "https://other.example/old-pier"),
    ],
)
def test_a_pattern_knows_dates_names_categories_and_folders(pattern: str, expected: str) -> None:
    assert url_of("categories: [Sea Side, boats]", url=pattern) == expected


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("keep", "/Sea%20Side/The%20Old%20Pier%2C%20Caf%C3%A9"),
        ("hexo", "/Sea-Side/The%20Old%20Pier%2C%20Caf%C3%A9"),
        ("pretty", "/sea%20side/The-Old-Pier,-Caf%C3%A9"),
        ("lower", "/sea-side/the-old-pier-caf%C3%A9"),
        ("words", "/sea-side/the-old-pier-cafe"),
        ("ascii", "/sea-side/the-old-pier-cafe"),
        ("zola", "/sea-side/the-old-pier-cafe"),
        ("github", "/sea-side/the-old-pier-caf%C3%A9"),
    ],
)
def test_names_are_written_into_addresses_as_the_program_does(style: str, expected: str) -> None:
    found = url_of("categories: [Sea Side]", url="/{category}/{title}", url_names=style)
    assert found.replace("%2C", ",") == expected.replace("%2C", ",")


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("zola", "/Sea%20Side/low-tide-v1-2"),
        ("ascii", "/sea-side/low-tide-v1-2"),
        ("github", "/sea-side/low_tide-v12"),
        ("keep", "/Sea%20Side/Low_Tide%20v1.2"),
    ],
)
def test_names_of_folders_are_written_as_the_program_does(style: str, expected: str) -> None:
    path = "Sea Side/Low_Tide v1.2.md"
    assert url_of("date: 2024-05-01", path, url="/{sections}/{slug}", url_names=style) == expected


@pytest.mark.parametrize(
    ("path", "stated", "entry", "dated"),
    [
        ("blog/pier.md", "", "pier", "blog/pier"),
        ("pier.md", "", "pier", "pier"),
        ("blog/a/2024-5-1-pier.md", "", "a/2024-5-1-pier", "2024/5/1/blog/a/pier"),
        ("blog/2024-05-01/index.md", "", "2024-05-01", "2024/05/01/blog"),
        ("2024/05/01/pier/index.md", "", "05/01/pier", "2024/05/01/pier"),
        ("blog/a/pier.md", "slug: /own/name", "own/name", "own/name"),
    ],
)
def test_paths_of_entries_and_posts_are_those_of_astro_and_docusaurus(
    path: str, stated: str, entry: str, dated: str
) -> None:
    more = f"date: 2024-05-01\n{stated}"
    assert url_of(more, path, url="/{entry_id}") == f"/{entry}"
    assert url_of(more, path, url="/{dated_path}/") == f"/{dated}/"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("own/bare", "/own/bare/"),
        ("/own/v1.2/bare", "/own/v1.2/bare/"),
        ("/own/", "/own/"),
        ("/own/file.html", "/own/file.html"),
        ("/own?a=b", "/own?a=b"),
        ("https://e.example/site/own", "/own"),
    ],
)
def test_a_stated_path_ends_with_a_slash_where_the_program_adds_it(stated: str, expected: str) -> None:
    fields = {"url": ["permalink"]}
    assert url_of(f"permalink: {stated}", trailing_slash=True, url="/old/{slug}", fields=fields) == expected


def test_a_file_of_mdx_is_read_as_such_in_any_folder() -> None:
    article = bare(
        "# Pier\n\nimport x from 'x';\n\n<Tide high={x} />\n\nText.\n", "2024-05-01-pier.mdx"
    ).article
    assert article is not None
    assert article.body_html == "<p>Text.</p>"


def test_a_placeholder_without_a_value_leaves_no_empty_folder() -> None:
    assert url_of("", url="/{categories}/{slug}/", folder_categories="none") == "/old-pier/"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("slug: new-name", "/old/new-name"),
        ("permalink: /:categories/:title/\ncategories: [sea]", "/sea/old-pier/"),
        ("permalink: ':year/:month/:title/'", "/2024/05/old-pier/"),
        ("permalink: /about/", "/about/"),
        ("permalink: https://e.example:8080/x", "https://e.example:8080/x"),
        ("permalink: false", "/old/old-pier"),
        ("permalink: '/{{ title | slug }}/'", "/the-old-pier-cafe/"),
        ("permalink: '/{{ title | custom }}/'", "/old/old-pier"),
        ("permalink: '<%= title %>'", "/old/old-pier"),
        ("permalink: {build: x}", "/old/old-pier"),
    ],
)
def test_an_address_in_the_front_matter_is_filled_in_or_the_pattern_counts(
    stated: str, expected: str
) -> None:
    assert url_of(stated, url="/old/{slug}", fields={"url": ["permalink"]}) == expected


def test_articles_of_one_folder_may_have_a_pattern_of_their_own() -> None:
    root = {"url": "/{slug}", "section_urls": {"news": "/n/{slug}"}}
    assert url_of("date: 2024-05-01", "news/a.md", **root) == "/n/a"
    assert url_of("date: 2024-05-01", "other/a.md", **root) == "/a"


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ("url", "https://e.example/site/old-pier.html"),
        ("{url_folder}/{slug}", "https://e.example/site/old-pier"),
        ("tag:{host},{year}-{month}-{day}:{url_path}", "tag:e.example,2024-05-01:/site/old-pier.html"),
        ("path", "tag:127.0.0.1,2025:posts/2024-05-01-old-pier"),
    ],
)
def test_an_id_is_made_as_the_settings_say_unless_the_article_states_one(ids: str, expected: str) -> None:
    given = {
        "path": ".",
        "preset": "none",
        "base_url": "https://e.example/site/",
        "url": "/{slug}.html",
        "ids": ids,
    }
    plan = plan_of(
        load_settings(environ={}, overrides={"articles": [given | {"dates_from_file_name": True}]})
    )
    found = [
        read_article(
            front(f"title: A{more}").encode(), PurePosixPath(path), EPOCH, plan.roots[0].reading
        ).article
        for more in ("", "\nid: urn:x:own")
        for path in ("_posts/2024-05-01-old-pier.md",)
    ]
    assert [one.id for one in found if one is not None] == [expected, "urn:x:own"]


@pytest.mark.parametrize(
    ("way", "path", "stated", "expected"),
    [
        ("marked", "a/_news/b/x.md", "", ["news"]),
        ("marked", "a/b/x.md", "", ["a"]),
        ("marked", "a/_news/x.md", "categories: [c, d]", ["c", "d"]),
        ("above", "sea/boats/_posts/x.md", "", ["sea", "boats"]),
        ("above", "sea/_posts/x.md", "categories: [c, Sea]", ["c", "Sea"]),
        ("above", "_posts/x.md", "", []),
        ("above", "sea/x.md", "", []),
        ("none", "a/_news/x.md", "", []),
        ("none", "a/x.md", "category: c", ["c"]),
    ],
)
def test_folders_are_categories_as_the_settings_say(
    way: str, path: str, stated: str, expected: list[str]
) -> None:
    given = {
        "path": ".",
        "preset": "none",
        "url": "https://e.example/{categories}/{slug}",
        "folder_categories": way,
    }
    plan = plan_of(load_settings(environ={}, overrides={"articles": [given]}))
    raw = front(f"title: A\ndate: 2024-05-01\n{stated}").encode()
    article = read_article(raw, PurePosixPath(path), EPOCH, plan.roots[0].reading).article
    assert article is not None
    assert [one.name for one in (article.category, *article.topics) if one is not None] == expected
    assert article.url == "/".join(["https://e.example", *expected, "x"])


# --- A folder that yields nothing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "There are no article files (.md, .markdown,"),
        ({"a.rst": "x", "b/c.rst": "x", "d.txt": "x"}, "but 2 .rst, 1 .txt files; scan.extensions lists"),
        (
            {"a.md": "Text", "b.md": "Text", "c.md": front("title: A")},
            "2 have no front matter; if another program",
        ),
        ({"a.md": front("title: A\nlink: https://e.example/")}, "1 has no date; dates.from_file_name takes"),
        ({"a.md": front("title: A\ndate: 2024-05-01")}, "1 has no address; set articles[].base_url"),
        ({"a.md": front("date: 2024-05-01\nlink: https://e.example/")}, "1 has no title; articles[].titles"),
        ({"a.md": front("title: A\ndraft: true")}, "1 is hidden by a key such as draft"),
        ({"a.md": "---\ntitle: [\n---\n"}, "1 has an error; see above"),
        ({"a.md": ""}, "1 is empty"),
    ],
)
def test_a_folder_without_an_article_says_why(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    (tmp_path / "site").mkdir()
    for name, text in files.items():
        write_file(tmp_path / "site", name, text)
    told = CliRunner().invoke(main, ["check", str(tmp_path / "site")]).stderr

    assert reason in told
    assert told.count("No article in") + told.count("There are no") == 1


def test_a_folder_with_an_article_gets_no_advice(tmp_path: Path) -> None:
    write_file(tmp_path / "site", "a.md", front("title: A\ndate: 2024-05-01\nlink: https://e.example/"))
    write_file(tmp_path / "site", "b.md", "Text")

    assert "No article" not in CliRunner().invoke(main, ["check", str(tmp_path / "site")]).stderr


# --- Files without front matter -------------------------------------------------------------------------


BARE = {"bare": True, "titles": ["heading", "file-name"], "url": "https://e.example/{slug}"}


def bare(text: str, path: str = "2024-05-01-old-pier.md", **root: Any) -> Reading:
    given = {"path": ".", "preset": "none", "dates_from_file_name": True} | BARE | root
    plan = plan_of(load_settings(environ={}, overrides={"articles": [given]}))
    return read_article(text.encode(), PurePosixPath(path), EPOCH, plan.roots[0].reading)


@pytest.mark.parametrize(
    ("text", "title", "body"),
    [
        ("Text.\n", "Old Pier", "<p>Text.</p>"),
        ("# The pier\n\nText.\n", "The pier", "<p>Text.</p>"),
        ("Text\n\n---\n\nMore.\n", "Old Pier", "<p>Text</p>\n<hr>\n<p>More.</p>"),
    ],
)
def test_a_file_without_front_matter_is_an_article_where_settings_say_so(
    text: str, title: str, body: str
) -> None:
    article = bare(text).article
    assert article is not None
    assert (article.title, article.body_html) == (title, body)
    assert bare(text, bare=False).verdict is Verdict.NOT_ARTICLE


@pytest.mark.parametrize(
    "first", ["draft: true", "title: A\ndraft: yes", "published: false", "status: draft"]
)
def test_such_a_file_is_hidden_if_its_first_lines_say_so(first: str) -> None:
    assert bare(f"{first}\n\nText.\n").verdict is Verdict.HIDDEN
    assert bare(f"{first}\nText.\n").verdict is Verdict.HIDDEN


def test_such_a_file_without_a_date_is_no_article() -> None:
    assert bare("Text.\n", "pier.md").verdict is Verdict.NOT_ARTICLE


def test_the_settings_know_every_placeholder() -> None:
    assert list(PLACEHOLDER_NAMES) == list(PLACEHOLDERS)
    assert set(DISTINGUISHING) < PLACEHOLDERS.keys()
