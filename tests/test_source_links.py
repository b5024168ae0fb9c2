"""Links between files of articles become links between their pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.reading import ReadingRules, read_address, read_article
from feedserver.articles.rule_names import EXTENSIONS, LANGUAGES
from feedserver.articles.source_file import SourceFile, is_source_link
from feedserver.model import Reading

SITE = "https://shore.example/"
RULES = ReadingRules(
    id_authority="shore.example", id_year=2025, base_url=SITE, url_pattern="/{path}/", markdown=("wikilinks",)
)
MTIME = datetime(2024, 6, 2, tzinfo=UTC)
PAGES = {
    "2023/pier.md": f"{SITE}old/pier/",
    "walks/lamp/index.md": f"{SITE}lamp/",
    "walks/tower.md": f"{SITE}tower/",
    "About us.md": f"{SITE}about/",
    "2023-05-01-quay.md": f"{SITE}quay/",
    "*/quay stones.md": f"{SITE}stones/",
}


def read(body: str, pages: Mapping[str, str] = PAGES, rules: ReadingRules = RULES) -> Reading:
    raw = f"---\ntitle: The harbour\ndate: 2024-06-01\n---\n{body}".encode()
    return read_article(
        raw, PurePosixPath("walks/harbour.md"), MTIME, rules, lambda path: pages.get(str(path), "")
    )


def links_in(reading: Reading) -> list[str]:
    assert reading.article is not None
    return re.findall('href="([^"]*)"', reading.article.body_html)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[a]({filename}../2023/pier.md#ships)", f"{SITE}old/pier/#ships"),
        ("[a]({filename}/2023/pier.md)", f"{SITE}old/pier/"),
        ("[a](|filename|tower.md)", f"{SITE}tower/"),
        ('<a href="{filename}tower.md">a</a>', f"{SITE}tower/"),
        ("[a]({static}/files/the%20plan.pdf)", f"{SITE}files/the%20plan.pdf"),
        ("[a]({static}../files/plan.pdf)", f"{SITE}files/plan.pdf"),
        ("[a]({filename}/files/plan.pdf)", f"{SITE}files/plan.pdf"),
        ("[a]({attach}maps/plan.pdf)", f"{SITE}walks/harbour/maps/plan.pdf"),
        ("[a]({attach}/files/plan.pdf)", f"{SITE}walks/harbour/plan.pdf"),
        ("[a]({index})", SITE),
    ],
)
def test_links_of_pelican_lead_where_it_puts_pages_and_files(text: str, address: str) -> None:
    reading = read(text)

    assert links_in(reading) == [address]
    assert reading.findings == ()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[a](../2023/pier.md)", "old/pier/"),
        ("[a](../2023/pier.md#ships)", "old/pier/#ships"),
        ("[a](/2023/pier.md)", "old/pier/"),
        ("[a](2023/pier.md)", "old/pier/"),
        ("[a](@/2023/pier.md#ships)", "old/pier/#ships"),
        ("[a](tower.md)", "tower/"),
        ("[a](./tower.md?x=1)", "tower/"),
        ("[a](lamp/index.md)", "lamp/"),
        ("[a](lamp.md)", "lamp/"),
        ("[a](../About%20us.md)", "about/"),
        ("[a](/_posts/2023-05-01-quay.md)", "quay/"),
        ("[[tower]]", "tower/"),
        ("[[About us|shown]]", "about/"),
        ("[[Quay stones]]", "stones/"),
        ("[[walks/tower#top]]", "tower/#top"),
        ("![[tower]]", "tower/"),
        ("| a |\n|---|\n| [[tower\\|b]] |", "tower/"),
        ('<a href="../2023/pier.md">a</a>', "old/pier/"),
        ("[a]\n\n[a]: ../2023/pier.md", "old/pier/"),
    ],
)
def test_a_link_to_a_file_leads_to_the_page_of_its_article(text: str, address: str) -> None:
    reading = read(text)

    assert links_in(reading) == [f"{SITE}{address}"]
    assert reading.findings == ()


@pytest.mark.parametrize(
    "text",
    [
        "[a]({tag}boats)",
        "[a]({static}../../../x.pdf)",
        "[a](../2022/pier.md)",
        "[a](../../../x.md)",
        "[a](@/x.md)",
        "[[a]]",
        "[a](x.MD#b)",
    ],
)
def test_a_link_that_leads_nowhere_is_its_text_and_a_warning(text: str) -> None:
    reading = read(text)

    assert reading.article is not None
    assert reading.article.body_html == "<p>a</p>"
    assert [finding.code for finding in reading.findings] == ["broken-link"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[a](https://b.example/x.md)", "https://b.example/x.md"),
        ("[a](//b.example/x.md)", "https://b.example/x.md"),
        ("[a](x.pdf)", f"{SITE}walks/harbour/x.pdf"),
        ("[a](x?file=y.md)", f"{SITE}walks/harbour/x?file=y.md"),
        ("[a](mailto:ann@b.md)", "mailto:ann@b.md"),
        ("[[#top]]", f"{SITE}walks/harbour/#top"),
    ],
)
def test_other_links_are_addresses(text: str, address: str) -> None:
    assert links_in(read(text)) == [address]


def test_an_embedded_picture_is_a_picture_of_the_page() -> None:
    reading = read("![[boat one.png]] ![[a.jpg|300]] ![[b.jpg|A boat]]")

    assert reading.article is not None
    assert re.findall('<img src="([^"]*)" alt="([^"]*)"', reading.article.body_html) == [
        (f"{SITE}walks/harbour/boat%20one.png", ""),
        (f"{SITE}walks/harbour/a.jpg", ""),
        (f"{SITE}walks/harbour/b.jpg", "A boat"),
    ]


def test_the_reading_names_the_files_that_decide_its_links() -> None:
    reading = read("[a](tower.md) [b](lamp.md) [c](https://c.example/d.md)")

    assert dict(reading.links) == {
        "walks/tower.md": f"{SITE}tower/",
        "walks/lamp.md": "",
        "walks/lamp/index.md": f"{SITE}lamp/",
    }


def test_without_other_files_a_link_is_broken() -> None:
    raw = b"---\ntitle: A\ndate: 2024-06-01\n---\n[a](b.md)"

    reading = read_article(raw, PurePosixPath("a.md"), MTIME, RULES)

    assert reading.article is not None
    assert reading.article.body_html == "<p>a</p>"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("---\ntitle: A\ndate: 2024-06-01\nurl: /a/\n---\nx", f"{SITE}a/"),
        ("---\ntitle: A\ndate: 2024-06-01\n---\nx", f"{SITE}b/"),
        ("---\ntitle: A\ndate: 2024-06-01\ndraft: true\n---\nx", None),
        ("---\ntitle: A\n---\nx", None),
        ("---\ntitle: A\ndate: soon\n---\nx", None),
        ("---\ntitle: [\n---\nx", None),
        ("x", None),
        ("", None),
    ],
)
def test_the_address_of_an_article_is_that_of_its_reading(text: str, url: str | None) -> None:
    path = PurePosixPath("b.md")
    address = read_address(text.encode(), path, MTIME, RULES)
    article = read_article(text.encode(), path, MTIME, RULES).article

    assert (address and address.url) == (article and article.url) == url


def test_the_files_that_are_asked_for_are_bounded() -> None:
    reading = read(" ".join(f"[a]({number}.md)" for number in range(1_000)))

    assert len(reading.links) == 100
    assert len(reading.findings) == 1


@given(st.text("ab/.#?@%\x00: é", max_size=20))
def test_any_link_is_looked_up_below_the_root(reference: str) -> None:
    source = SourceFile(PurePosixPath("a/b.md"), lambda _: "")

    assert source.address(f"{reference}.md") is None
    assert not any(".." in PurePosixPath(path).parts or path.startswith("/") for path in source.links)
    assert is_source_link("a.md")


EVERYTHING = st.lists(
    st.sampled_from(
        [
            *(
                "---\n",
                "title: A\n",
                "date: 2024-05-01\n",
                "link: https://a.example/\n",
                "image: b.png\n",
                "\n",
                " ",
            ),
            *(
                "[a](b.md)",
                "[[",
                "]]",
                "{% raw %}",
                "{{",
                "}}",
                "{%",
                "%}",
                "{{<",
                ">}}",
                ":::tip\n",
                "!!! note\n",
            ),
            *(
                "    x\n",
                "`",
                "```\n",
                "==",
                "~",
                "^",
                "$",
                ":tada:",
                "<A ",
                "/>",
                "{#",
                "}",
                "|",
                "> [!note] ",
            ),
            *("import ", "@/b.md", "#c", "\x00", "\ud800", "é", "https://a.example/", "*[A]: b\n", "\u2028"),
        ]
    ),
    max_size=30,
).map("".join)


@given(
    EVERYTHING, st.sampled_from(("", *LANGUAGES)), st.booleans(), st.sampled_from([".md", ".html", ".json"])
)
def test_no_text_raises_out_of_reading_by_any_rules(
    text: str, templates: str, has_front: bool, suffix: str
) -> None:
    rules = msgspec.structs.replace(RULES, markdown=EXTENSIONS, templates=templates)
    front = "---\ntitle: A\ndate: 2024-05-01\n---\n" if has_front else ""
    raw = f"{front}{text}".encode("utf-8", "surrogatepass")

    reading = read_article(raw, PurePosixPath(f"a{suffix}"), MTIME, rules, lambda _: f"{SITE}x/")

    assert reading.article is None or not re.search("[\x00-\x02]", reading.article.body_html)
