"""Template code in the front matter never reaches a subscriber as text, and never publishes anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from feedserver.articles.fields import Fields
from feedserver.articles.nodes import FindingNotes, Mapping
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.articles.rule_names import LANGUAGES
from feedserver.articles.source_file import SourceFile
from feedserver.articles.split_file import SplitFile
from feedserver.articles.template_fields import fields_of
from feedserver.findings import FindingCode
from feedserver.model import Article, Reading, Verdict

MTIME = datetime(2024, 6, 2, tzinfo=UTC)
RULES = ReadingRules(
    id_authority="shore.example",
    id_year=2025,
    base_url="https://shore.example/log/",
    url_pattern="/{slug}/",
    templates="liquid",
)
BOAT = "title: Boat\ndate: 2024-06-01\n"


def read(front: str, templates: str = "liquid", body: str = "Text.", rules: ReadingRules = RULES) -> Reading:
    rules = structs.replace(rules, templates=templates)
    raw = f"---\n{front}\n---\n{body}\n".encode()
    return read_article(
        raw, PurePosixPath("posts/boat.md"), MTIME, structs.replace(rules, templates=templates)
    )


def article(front: str, templates: str = "liquid", rules: ReadingRules = RULES) -> Article:
    found = read(front, templates, rules=rules).article
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("templates", "text", "expected"),
    [
        ("liquid", "{{ page.title }}", ""),
        ("liquid", "About {{ page.title }} and {{ site.url }}", "About and https://shore.example"),
        ("liquid", "{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("liquid", "{{ 'Sea' }} side", "Sea side"),
        ("liquid", "Before {% if a %}A{% endif %} after", "Before after"),
        ("liquid", "See {% include figure.html src='a.png' %}", "See"),
        ("liquid", "{% highlight js %}a < b{% endhighlight %}", "a < b"),
        ("liquid", "An open {{ brace", "An open {{ brace"),
        ("liquid", "See {% post_url 2024-01-01-pier %}", "See"),
        ("hugo", "See {{< ref pier >}}", "See"),
        ("nunjucks", "A {# note #} text", "A text"),
        ("hugo", "Watch {{< youtube a-1 >}} now", "Watch now"),
        ("hugo", "{{% unknown %}}inner{{% /unknown %}}", "inner"),
        ("hexo", "{% youtube a-1 %} and more", "and more"),
        ("zola", "{{ youtube(id='a-1') }} and more", "and more"),
    ],
)
def test_a_text_has_no_template_code(templates: str, text: str, expected: str) -> None:
    assert article(f"{BOAT}excerpt: {json.dumps(text)}", templates).excerpt == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("{{ '/img/a.jpg' | relative_url }}", ["https://shore.example/log/img/a.jpg"]),
        ("{{ '/img/a.jpg' | absolute_url }}", ["https://shore.example/log/img/a.jpg"]),
        ("{{ site.baseurl }}/a.jpg", ["https://shore.example/log/a.jpg"]),
        ("{{ site.url }}/a.jpg", ["https://shore.example/a.jpg"]),
        ("{% link img/a.jpg %}", ["https://shore.example/log/img/a.jpg"]),
        ("{{ page.cover }}", []),
        ("{{ site.cdn }}/a.jpg", []),
        ("/img/{{ page.slug }}.jpg", []),
    ],
)
def test_an_address_is_resolved_or_left_out(reference: str, expected: list[str]) -> None:
    for front in (
        f'image: "{reference}"',
        f'image: {{path: "{reference}", alt: x}}',
        f'images: ["{reference}"]',
    ):
        assert [one.url for one in article(BOAT + front).images] == expected


def test_names_in_lists_and_mappings_have_none_either() -> None:
    found = article(
        BOAT + 'tags: ["{{ x }}", sea, "{{ \'Hill\' }} side"]\n'
        'author: {name: "Ada {{ page.x }}", url: "{{ site.url }}/ada"}\n'
        'related: [{title: "{{ a }}Pier", url: "{{ \'/pier/\' | absolute_url }}"}]\n'
    )
    assert [topic.name for topic in found.topics] == ["sea", "Hill side"]
    assert [(one.name, one.url) for one in found.authors] == [("Ada", "https://shore.example/ada")]
    assert [(one.title, one.url) for one in found.related] == [("Pier", "https://shore.example/log/pier/")]


def test_all_that_was_removed_from_a_file_is_one_warning() -> None:
    reading = read(
        f'{BOAT}excerpt: "{{{{ page.a }}}}"\nimage: "{{{{ page.b }}}}"', body="{% mine %} {{ page.a }}"
    )

    assert [(one.code, one.message) for one in reading.findings] == [
        (
            FindingCode.TEMPLATE_TAG,
            "template code that has no meaning here is removed: page.a, page.b, mine",
        )
    ]


def test_what_has_a_meaning_is_no_finding() -> None:
    assert read(f'{BOAT}image: "{{{{ site.url }}}}/a.jpg"').findings == ()


def test_a_title_of_template_code_alone_is_a_missing_one() -> None:
    front = 'title: "{{ page.name }}"\ndate: 2024-06-01'
    reading = read(front)

    assert reading.verdict is Verdict.BROKEN
    assert {one.code for one in reading.findings} == {FindingCode.NO_TITLE, FindingCode.TEMPLATE_TAG}
    assert article(front, rules=structs.replace(RULES, titles=("file-name",))).title == "Boat"
    assert article(f"{front}\nname: Ship").title == "Ship"


def test_a_title_in_raw_marks_is_its_text() -> None:
    assert article('title: "{% raw %}x{% endraw %}"\ndate: 2024-06-01').title == "x"


def test_the_next_key_counts_if_nothing_is_left_of_the_first() -> None:
    assert article(f'{BOAT}excerpt: "{{{{ page.x }}}}"\ndescription: Short').excerpt == "Short"


def test_a_title_from_a_heading_has_none_in_its_address() -> None:
    rules = structs.replace(RULES, titles=("heading",), url_pattern="/{title}/")
    found = read("date: 2024-06-01", body="# The {{ 'old' }} pier {{ x }}\n\nText.", rules=rules).article
    assert found is not None
    assert (found.title, found.url) == ("The old pier", "https://shore.example/log/The%20old%20pier/")


def test_a_description_of_a_topic_has_none() -> None:
    reading = read('taxonomy: topic\nname: Sea\ndescription: "{{ page.x }}All of it"')
    assert reading.taxonomy is not None
    assert reading.taxonomy.description == "All of it"
    assert [one.code for one in reading.findings] == [FindingCode.TEMPLATE_TAG]


def test_a_player_in_featured_content_is_the_video() -> None:
    assert article(f"{BOAT}featuredContent: \"{{% include youtube.html id='a-1' %}}\"").video is not None


# --- Promise 6 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hiding",
    [
        *(
            'draft: "{{ env.draft }}"',
            'published: "{{ x }}"',
            'password: "{{ secret }}"',
            'date: "{{ later }}"',
        ),
        *('publishDate: "{{ later }}"', 'expires: "{{ later }}"', "draft: \"{{ 'false' }}\""),
        *('extra: {stage: "{{ x }}"}', 'stage: "{{ x }}"', 'meta: {published: "{{ later }}"}'),
    ],
)
def test_a_key_that_hides_is_read_as_written(hiding: str) -> None:
    rules = structs.replace(
        RULES,
        hidden_if=(("stage", ()), ("extra.stage", ())),
        more_keys=(("published", ("meta.published",)),),
        date_from_mtime=True,
    )
    states_date = hiding.startswith(("published", "date", "meta"))
    front = f"title: Boat\n{hiding}" if states_date else BOAT + hiding

    assert read(front, rules=rules).verdict is Verdict.HIDDEN
    assert read(f'{front}\nexcerpt: "{{{{ x }}}}"', rules=rules).verdict is Verdict.HIDDEN


@pytest.mark.parametrize("hiding", ['password: "{{ x }}"', 'date: "{{ later }}"', "draft: \"{{ 'false' }}\""])
def test_a_related_article_that_may_be_hidden_is_left_out(hiding: str) -> None:
    front = f"{BOAT}related:\n- title: Pier\n  url: https://e.example/\n  {hiding}\n"
    assert article(front).related == ()


# --- Costs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("front", "templates"),
    [("title: Boat", "liquid"), ('title: "{{ x }}"', ""), ("title: {a: {b: c}}", "liquid")],
)
def test_files_and_folders_without_template_code_have_plain_fields(front: str, templates: str) -> None:
    document = SplitFile(Mapping((), 1, 1), "", is_whole=True, front=front)
    rules = structs.replace(RULES, templates=templates)
    found = fields_of(document, SourceFile(PurePosixPath("a.md")), rules, FindingNotes())
    assert type(found) is Fields


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (
            ".json",
            json.dumps({"title": "\u007b\u007b x }}Boat", "date": "2024-06-01"}).replace("{{", "\\u007b{"),
        ),
        (".yaml", 'title: "\\x7b{ x }}Boat"\ndate: 2024-06-01\n'),
    ],
)
def test_braces_that_are_written_as_escapes_are_found(suffix: str, text: str) -> None:
    found = read_article(text.encode(), PurePosixPath(f"boat{suffix}"), MTIME, RULES).article
    assert found is not None
    assert found.title == "Boat"


def test_the_work_for_a_file_of_many_texts_with_template_code_is_bounded() -> None:
    many = "".join(f'k{number}: "{{{{ a }}}}b"\n' for number in range(3_000))
    reading = read(f'{many}{BOAT}excerpt: "{{{{ a }}}}b"')

    assert reading.article is not None
    assert reading.article.excerpt == ""
    assert "more than 2,000 texts" in reading.findings[-1].message


PIECES = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "raw",
    "endraw",
    "if",
    "endif",
    "<",
    ">",
    " ",
    "x",
    "|",
    "'",
    "/",
]


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join), st.sampled_from(LANGUAGES))
def test_any_text_in_any_field_leaves_the_article_as_visible_as_it_was(text: str, language: str) -> None:
    front = f"{BOAT}excerpt: {json.dumps(text)}\ntags: [{json.dumps(text)}]\nimage: {json.dumps(text)}"
    assert read(front, language).verdict is Verdict.ARTICLE
    assert read(f"{front}\ndraft: {json.dumps(text or 'x')}", language).verdict is Verdict.HIDDEN
