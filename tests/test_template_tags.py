"""Template code in bodies: what is known becomes HTML, and nothing of the rest reaches a subscriber."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.reading import ReadingRules, read_article
from feedserver.articles.rule_names import LANGUAGES
from feedserver.articles.template_output import Site
from feedserver.articles.template_tags import replace_tags
from feedserver.model import Reading

SITE = Site("https://shore.example/log/")
PIECES = [
    *("{%", "%}", "{{", "}}", "{{<", ">}}", "{{%", "%}}", "{#", "#}", "/*", "*/", "-", "/"),
    *(
        "raw",
        "endraw",
        "if",
        "endif",
        "figure",
        'src="a.png"',
        "highlight",
        "endhighlight",
        "/highlight",
        "x",
        "endx",
    ),
    *(" ", "\n", "```", "`", "text", '"', "'", "=", "(", ")", "end", "site.url", "|", "é", "\\"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def read(body: str, templates: str, path: str = "posts/boat.md") -> Reading:
    rules = ReadingRules(
        id_authority="shore.example",
        id_year=2025,
        base_url="https://shore.example/",
        url_pattern="/{slug}/",
        templates=templates,
    )
    raw = f"---\ntitle: Boat\ndate: 2024-06-01\n---\n{body}".encode()
    return read_article(raw, PurePosixPath(path), datetime(2024, 6, 2, tzinfo=UTC), rules)


def replaced(text: str, language: str) -> str:
    """The text without template code, of which everything is known; white space in one form."""
    result = replace_tags(text, language, SITE)
    assert result.unknown == ()
    return " ".join(result.text.split())


YOUTUBE = '<iframe src="https://www.youtube.com/embed/a-1"></iframe>'
VIMEO = '<iframe src="https://player.vimeo.com/video/7"></iframe>'


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("liquid", "{{ site.url }}{{ site.baseurl }}/a", "https://shore.example/log/a"),
        (
            "liquid",
            "{{ \"/a\" | relative_url }} {{- 'b' | absolute_url -}}",
            "/log/a https://shore.example/log/b",
        ),
        ("liquid", '{{ "/a" | prepend: site.baseurl | prepend: site.url }}', "https://shore.example/log/a"),
        ("liquid", "{{ '{{' }}", "{{"),
        ("liquid", "{% raw %}{{ a }} {% b %}{% endraw %}", "{{ a }} {% b %}"),
        ("liquid", "{%- raw -%}{{ a }}{%- endraw -%}", "{{ a }}"),
        (
            "liquid",
            "{% highlight ruby linenos %}\na < b\n{% endhighlight %}",
            "<pre><code>a &lt; b</code></pre>",
        ),
        ("liquid", "[p]({% post_url 2023-05-01-pier %})", "[p](/_posts/2023-05-01-pier.md)"),
        ("liquid", "[p]({% link _walks/pier.md %})", "[p](/_walks/pier.md)"),
        ("liquid", "[p]({% link maps/pier.pdf %})", "[p](https://shore.example/log/maps/pier.pdf)"),
        ("liquid", '{% include youtube.html id="a-1" %}', YOUTUBE),
        ("liquid", '{% include video id="7" provider="vimeo" %}', VIMEO),
        (
            "liquid",
            '{% include figure.html src="/a.png" caption="A & b" alt="c" %}',
            '<figure><img src="/a.png" alt="c"><figcaption>A &amp; b</figcaption></figure>',
        ),
        ("liquid", "a{% comment %}b{% endcomment %}c{% assign d = 1 %}", "ac"),
        (
            "liquid",
            "{% gist ann/12ab %}",
            '<a href="https://gist.github.com/ann/12ab">https://gist.github.com/ann/12ab</a>',
        ),
        ("nunjucks", '{# a #}{% set b = 1 %}{{ "/c/" | url }}', "/log/c/"),
        ("nunjucks", "{% verbatim %}{{ a }}{% endverbatim %}", "{{ a }}"),
        ("hugo", "{{< youtube a-1 >}}", YOUTUBE),
        ("hugo", '{{< youtube id="a-1" autoplay=true >}}', YOUTUBE),
        ("hugo", "{{% vimeo 7 %}}", VIMEO),
        (
            "hugo",
            "{{</* youtube a-1 */>}} {{%/* b */%}} {{ .Title }}",
            "{{< youtube a-1 >}} {{% b %}} {{ .Title }}",
        ),
        (
            "hugo",
            '{{< figure src="a.png" title="A" link="/b/" />}}',
            '<figure><a href="/b/"><img src="a.png" alt="A"></a><figcaption>A</figcaption></figure>',
        ),
        (
            "hugo",
            '{{< highlight go "linenos=table" >}}a < b{{< /highlight >}}',
            "<pre><code>a &lt; b</code></pre>",
        ),
        (
            "hugo",
            '[p]({{< ref "pier.md#end" >}}) [q]({{< relref "/walks/pier" >}})',
            "[p](@wiki/pier.md#end) [q](/walks/pier.md)",
        ),
        (
            "hugo",
            "{{< details summary=More >}}**a**{{< /details >}}",
            "<details><summary>More</summary> **a** </details>",
        ),
        (
            "hugo",
            '{{< x user="ann" id="12" >}}',
            '<a href="https://x.com/ann/status/12">https://x.com/ann/status/12</a>',
        ),
        ("hugo", "```\n{{< youtube a-1 >}}\n```", f"``` {YOUTUBE} ```"),
        ("hexo", "{% asset_img left a.png 300 200 The boat %}", '<img src="a.png" alt="boat">'),
        ("hexo", '{% asset_img a.png "The boat" %}', '<img src="a.png" alt="The boat">'),
        (
            "hexo",
            "[p]({% post_path pier %}) {% post_link pier The pier %}",
            '[p](/_posts/pier.md) <a href="/_posts/pier.md">The pier</a>',
        ),
        ("hexo", "{% codeblock lang:js %}\na < b\n{% endcodeblock %}", "<pre><code>a &lt; b</code></pre>"),
        ("hexo", "{% blockquote Ann %}\n*b*\n{% endblockquote %}", "<blockquote> *b* — Ann </blockquote>"),
        ("hexo", "{% link The boat https://b.example/ %}", '<a href="https://b.example/">The boat</a>'),
        ("hexo", "```\n{% youtube a-1 %}\n```", "``` {% youtube a-1 %} ```"),
        (
            "zola",
            '{{ youtube(id="a-1", class="b") }} {{/* c() */}} {{ d }}',
            f"{YOUTUBE} {{{{ c() }}}} {{{{ d }}}}",
        ),
    ],
)
def test_a_known_tag_becomes_what_its_program_makes_of_it(language: str, text: str, expected: str) -> None:
    assert replaced(text, language) == expected


@pytest.mark.parametrize(
    ("language", "text", "expected", "unknown"),
    [
        ("liquid", "a {% toc %}b {{ page.title | upcase }}c", "a b c", ("toc", "page.title")),
        (
            "liquid",
            "a{% for b in c %}d{{ b }}{% endfor %}e{% if f %}g{% else %}h{% endif %}",
            "ae",
            ("b", "for", "if"),
        ),
        ("liquid", "{% tip %}**a** {% b %}{% endtip %}", "**a** ", ("b", "tip")),
        ("liquid", "{% include nav.html %}{% include figure.html src=page.image %}", "", ("include",)),
        ("hugo", "{{< notice tip >}}a{{< /notice >}}{{< b >}}", "a", ("notice", "b")),
        ("hugo", '{{< youtube "a b" >}}{{< figure >}}', "", ("youtube", "figure")),
        ("hexo", "{% note info %}a{% endnote %}{{ b }}", "a", ("note", "b")),
        ("zola", "{% tip(a=1) %}b{% end %}{{ c() }}", "b", ("tip", "c")),
    ],
)
def test_any_other_tag_is_removed_and_named(
    language: str, text: str, expected: str, unknown: tuple[str, ...]
) -> None:
    assert replace_tags(text, language, SITE) == (expected, unknown)


def test_a_file_has_one_finding_about_its_tags() -> None:
    reading = read("{% toc %}\n\nText {{ page.title }} and {% toc %}.", "liquid")

    assert reading.article is not None
    assert reading.article.body_html == "<p>Text  and .</p>"
    assert [finding.code for finding in reading.findings] == ["template-tag"]
    assert reading.findings[0].message.endswith("removed: toc, page.title")


def test_without_a_rule_template_code_is_text() -> None:
    body = "{% raw %} {{ a }} {{&lt; b >}}"

    reading = read(body, "")

    assert reading.article is not None
    assert "{% raw %} {{ a }} {{&lt; b &gt;}}" in reading.article.body_html
    assert reading.findings == ()


def test_a_tag_on_a_line_of_its_own_is_a_block_and_any_other_stays_in_its_line() -> None:
    reading = read('Before\n{{< figure src="/a.png" >}}\n**after**\n\nA {{< youtube a-1 >}} b', "hugo")

    assert reading.article is not None
    assert "<p><strong>after</strong></p>" in reading.article.body_html
    assert '<p>Before</p>\n<img src="https://shore.example/a.png"' in reading.article.body_html


def test_the_values_of_arguments_are_no_markup() -> None:
    text = '{{< figure src="a.png\\"><script>" caption="<b>" >}}'

    assert "<script>" not in replace_tags(text, "hugo", SITE).text
    assert "&lt;b&gt;" in replace_tags(text, "hugo", SITE).text


@given(TEXTS, st.sampled_from(LANGUAGES))
def test_any_text_can_be_read(text: str, language: str) -> None:
    result = replace_tags(text, language, SITE)

    if "raw" not in text and "/*" not in text and "`" not in text and '"' not in text and "'" not in text:
        assert not re.search(r"\{%-?\s*(?:figure|x|if)[^{}%]*%\}", result.text) or language in {
            "hugo",
            "zola",
        }
    assert replace_tags(text, "", SITE) == (text, ())


N = 1_000_000
WORST = {
    "tags": "{% a %}" * (N // 7),
    "unclosed tags": "{%" * (N // 2),
    "values": "{{" * (N // 2),
    "shortcodes": "{{< a >}}" * (N // 9),
    "open blocks": "{% if a %}" * (N // 10) + "{% endif %}",
    "nested blocks": "{% a %}" * (N // 20) + "{% enda %}" * (N // 20),
    "raw": "{% raw %}" * (N // 9),
    "quotes": ('{% a "' + '"\\' * 1_900 + "%}") * (N // 4_000),
}


@pytest.mark.parametrize("name", WORST)
def test_the_time_grows_with_the_length_alone(name: str) -> None:
    for language in LANGUAGES:
        started = time.process_time()
        text = replace_tags(WORST[name], language, SITE).text
        assert time.process_time() - started < 5  # the slowest takes 0.9 s
        assert len(text) <= len(WORST[name])
