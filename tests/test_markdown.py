"""Markdown: the extensions of other programs become what feed readers show, and code stays as it is."""

from __future__ import annotations

import html
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.body import render_body
from feedserver.articles.markdown import LONGEST_REWRITTEN, render_markdown
from feedserver.articles.rule_names import EXTENSIONS

# MDX removes all braces, so it is not used together with attribute lists.
ALL = tuple(name for name in EXTENSIONS if name != "mdx")
SIGNS = [
    *('!!! tip "Rain"', "    wet", "??? note", '=== "Tab"', ":::warning", ":::", "> [!tip] Dry", "> [!NOTE]"),
    *("{: .left}", "{:toc}", "{#id}", "{.a}", "==mark==", "H~2~O", "x^2^", ":tada:", "https://a.example/b_c"),
    *("*[AB]: All Boats", "AB", "[TOC]", "[[Boats]]", "$a_1$", "- [x] tied", "<Boat name={x} />", "{boats}"),
    *("import a from 'b'", "export const a = 1", '"quoted"', "--", "~~old~~", '<div markdown="1">', "</div>"),
]
CODE = st.lists(st.sampled_from([*SIGNS, "", "a"]), min_size=1, max_size=6).map("\n".join)
BETWEEN = ["\n", "\n\n", " ", "`", "```", "    ", "- ", "> ", "text", "é", "\\"]
TEXTS = st.lists(st.sampled_from([*SIGNS, *BETWEEN]), max_size=20).map("".join)


def rendered(text: str, *extensions: str) -> str:
    return render_markdown(text, extensions).strip()


def flat(markup: str) -> str:
    """HTML without white space between tags; `[title] … [/]` is a quote with a title."""
    markup = re.sub(r">\s+<", "><", " ".join(markup.split()))
    markup = re.sub("<blockquote><p><strong>(.*?)</strong></p>", r"[\1]", markup)
    return markup.replace("<blockquote>", "[]").replace("</blockquote>", "[/]")


# --- For everybody


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- [x] tied\n- [ ] painted", "<ul><li>☑ tied</li><li>☐ painted</li></ul>"),
        (
            "> [!WARNING]\n> Low tide.",
            "[Warning]<p>Low tide.</p>[/]",
        ),
        ("## Boats {#boats}", "<h2>Boats</h2>"),
        ("## Boats {#boats .wide} ##\n", "<h2>Boats</h2>"),
        ("Boats {#boats}\n=====", "<h1>Boats</h1>"),
        ("> # Boats { #b }", "[]<h1>Boats</h1>[/]"),
    ],
)
def test_alerts_task_lists_and_ids_of_headings_are_understood_in_any_folder(text: str, expected: str) -> None:
    assert flat(rendered(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "A set {#a} of boats",
        "## The set {a, b}",
        "## `{#a}`",
        "    # Boats {#boats}",
        "```\n# Boats {#boats}\n```",
        "See [x] and [ ] there",
        "> [!Note] this",
        ':::tip\n\n!!! note "x"\n\n==a== H~2~O :tada: {: .left} $a$ https://a.example [[x]] ^[a]',
    ],
)
def test_ordinary_text_is_as_written(text: str) -> None:
    plain = html.unescape(re.sub("<[^>]*>", "", rendered(text)))

    assert re.findall(r"[^\s#>]+", plain) == re.findall(r"[^\s#>]+", text.replace("```", "").replace("`", ""))


def test_the_alignment_of_a_table_is_kept() -> None:
    text = "| a | b | c |\n|:--|:-:|--:|\n| 1 | 2 | 3 |"

    body = render_body(text, is_html=False)

    assert re.findall('<td align="(.*?)">', body) == ["left", "center", "right"]
    assert render_body('<table><tr><td align="x">1</td></tr></table>', is_html=True).count("align") == 0


# --- Extensions


@pytest.mark.parametrize(
    ("extension", "text", "expected"),
    [
        (
            "attribute-lists",
            '![p](https://p.example/a.png){: .left width="70" }',
            '<p><img src="https://p.example/a.png" alt="p" /></p>',
        ),
        (
            "attribute-lists",
            "[p](https://p.example/){.button #go}",
            '<p><a href="https://p.example/">p</a></p>',
        ),
        ("attribute-lists", "Boats.\n{: .note}\n\nTides.", "<p>Boats.</p><p>Tides.</p>"),
        ("attribute-lists", "{: .note}\nBoats.", "<p>Boats.</p>"),
        ("attribute-lists", "{.note}\nBoats.", "<p>Boats.</p>"),
        ("attribute-lists", "- a\n{: .x}\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("attribute-lists", "* TOC\n{:toc}\n\nBoats", "<p>Boats</p>"),
        ("attribute-lists", "*a*{:.b}, f(x){return} {a: b}", "<p><em>a</em>, f(x){return} {a: b}</p>"),
        (
            "admonitions",
            '!!! tip "Dry *feet*"\n    At low tide.\n\n    - go\n\nAfter.',
            "[Dry <em>feet</em>]<p>At low tide.</p><ul><li>go</li></ul>[/]<p>After.</p>",
        ),
        ("admonitions", "!!! danger\n\n    Ice.", "[Danger]<p>Ice.</p>[/]"),
        ("admonitions", '!!! note ""\n    Ice.', "[]<p>Ice.</p>[/]"),
        ("admonitions", '???+ info inline end "More"\n    Ice.', "[More]<p>Ice.</p>[/]"),
        ("admonitions", '=== "North"\n\n    Ice.', "[North]<p>Ice.</p>[/]"),
        ("admonitions", "!!! note\n    A\n\n    !!! tip\n        B", "[Note]<p>A</p>[Tip]<p>B</p>[/][/]"),
        (
            "admonitions",
            "1. Go\n\n    !!! note\n        Ice.",
            "<ol><li><p>Go</p>[Note]<p>Ice.</p>[/]</li></ol>",
        ),
        ("admonitions", "!!! important news\n\nText", "<p>!!! important news</p><p>Text</p>"),
        (
            "containers",
            ":::tip Dry feet\n\nAt low tide.\n\n:::\n\nAfter.",
            "[Dry feet]<p>At low tide.</p>[/]<p>After.</p>",
        ),
        ("containers", "Before.\n::: warning\nIce.\n:::", "<p>Before.</p>[Warning]<p>Ice.</p>[/]"),
        ("containers", ":::note[Dry *feet*]{.wide}\nIce.\n:::", "[Dry <em>feet</em>]<p>Ice.</p>[/]"),
        ("containers", "::::info\nA\n:::tip\nB\n:::\nC\n::::", "[Info]<p>A</p>[Tip]<p>B</p>[/]<p>C</p>[/]"),
        ("containers", ":::columns\nA\n:::", "<p>A</p>"),
        ("containers", ":::tip\nA", "<p>A</p>"),
        ("callouts", "> [!tip] Dry *feet*\n> Go.", "[Dry <em>feet</em>]<p>Go.</p>[/]"),
        ("callouts", "> [!faq]- Why?\n> Go.", "[Why?]<p>Go.</p>[/]"),
        ("callouts", "> [!my-own|x]\n> Go.", "[My own]<p>Go.</p>[/]"),
        (
            "html-blocks",
            '<div class="a" markdown="1">\n**b**\n</div>',
            '<div class="a"><p><strong>b</strong></p></div>',
        ),
        (
            "html-blocks",
            "<details markdown><summary>S</summary>\n**b**\n</details>",
            "<details><summary>S</summary> **b** </details>",
        ),
        ("mark", "==a *b*== c == d", "<p><mark>a <em>b</em></mark> c == d</p>"),
        ("subscript", "H~2~O ~ 5 ~ ~~old~~", "<p>H<sub>2</sub>O ~ 5 ~ <del>old</del></p>"),
        ("superscript", "x^2^ ^ 5 ^", "<p>x<sup>2</sup> ^ 5 ^</p>"),
        ("emoji", ":tada: :nothing: 10:30:45 `:tada:`", "<p>🎉 :nothing: 10:30:45 <code>:tada:</code></p>"),
        (
            "autolinks",
            "see https://a.example/b_c_d?e=(f), ok",
            '<p>see <a href="https://a.example/b_c_d?e=(f)">https://a.example/b_c_d?e=(f)</a>, ok</p>',
        ),
        (
            "autolinks",
            "(https://a.example/). ann@a.example",
            (
                '<p>(<a href="https://a.example/">https://a.example/</a>). '
                '<a href="mailto:ann@a.example">ann@a.example</a></p>'
            ),
        ),
        (
            "autolinks",
            "[https://a.example](https://b.example) <https://c.example>",
            '<p><a href="https://b.example">https://a.example</a><a href="https://c.example">https://c.example</a></p>',
        ),
        ("autolinks", "[a]\n\n[a]: https://a.example", '<p><a href="https://a.example">a</a></p>'),
        (
            "abbreviations",
            "The AB and ABC.\n\n*[AB]: All Boats",
            '<p>The <abbr title="All Boats">AB</abbr> and ABC.</p>',
        ),
        ("definition-lists", "Tide\n: Water", "<dl><dt>Tide</dt><dd>Water</dd></dl>"),
        ("math", "$a_1 < b_1$ and $$c$$, 5 $ and 6 $", "<p>$a_1 &lt; b_1$ and $$c$$, 5 $ and 6 $</p>"),
        ("smart-punctuation", '"a" -- b', "<p>“a” – b</p>"),
        ("toc", "[TOC]\n\nText", "<p>Text</p>"),
        (
            "mdx",
            (
                "import A from './a'\nimport {\n  B,\n} from 'b'\n\n# Boats\n\n<A b={1 > 2} c={{d: '>'}}>\n\n"
                "In **it**.\n\n</A>\n\nText {props.x} <B.C/> {/* c */}"
            ),
            "<h1>Boats</h1><p>In <strong>it</strong>.</p><p>Text</p>",
        ),
        ("mdx", "<A>\n  <B>\n\n    In **it**.\n\n  </B>\n</A>", "<p>In <strong>it</strong>.</p>"),
        ("mdx", "export const a = {\n  b: 1,\n\n  c: 2,\n}\n\nText", "<p>Text</p>"),
        (
            "mdx",
            "export { a } is code, `<A b={1}/>` too\n\n```\n<A/> {x}\n```",
            "<pre><code>&lt;A/&gt; {x} </code></pre>",
        ),
        ("mdx", "A < B, a<b and A \\{b} of I <3 U", "<p>A &lt; B, a&lt;b and A {b} of I &lt;3 U</p>"),
    ],
)
def test_an_extension_becomes_html_that_readers_show(extension: str, text: str, expected: str) -> None:
    assert flat(rendered(text, extension)) == expected


def test_the_extensions_work_together() -> None:
    text = '!!! tip "H~2~O"\n    ==Drink== :tada: at https://a.example/{: .x}\n\n    `==as is==`\n'

    assert flat(rendered(text, *ALL)) == (
        "[H<sub>2</sub>O]<p><mark>Drink</mark> 🎉 at "
        '<a href="https://a.example/">https://a.example/</a></p><p><code>==as is==</code></p>[/]'
    )


# --- Code


def code_in(markup: str) -> list[str]:
    return [html.unescape(code) for code in re.findall("<code[^>]*>(.*?)</code>", markup, re.DOTALL)]


@given(CODE, st.sampled_from(["", "é 漢 "]))
def test_code_is_never_touched(code: str, before: str) -> None:
    span = " ".join(code.split()) or "x"
    fenced = f"{before}\n\n````\n{code}\n````\n\n{before} `` {span} ``\n\n- a\n\n  ~~~~\n  {{#a}}\n  ~~~~\n"
    indented = "text\n\n" + "\n".join(f"    {line}" for line in code.split("\n") if line) + "\n\nend"

    # MDX has no indented code.
    for text, extensions in ((fenced, ALL), (fenced, EXTENSIONS), (indented, ALL)):
        assert code_in(rendered(text, *extensions)) == code_in(rendered(text))


@given(TEXTS)
def test_any_text_is_rendered_and_its_letters_stay(text: str) -> None:
    for extensions in ((), ALL, EXTENSIONS):
        markup = render_markdown(f"First.\n\n{text}", extensions)

        assert "First." in markup
        assert not re.search("[\x00-\x02]", markup)


N = LONGEST_REWRITTEN - 100
WORST = {
    "broken components": '<A "' * (N // 4),
    "broken exports": "export {\n\n" * (N // 10),
    "heading id": "# {#" + "a" * N,
    "blanks before an id": "# a" + " " * (N - 20) + "{#a}",
    "containers": ":::note\n" * (N // 12) + ":::\n" * (N // 12),
    "blanks in a container": ":::a" + " " * (N - 20) + "{",
    "admonitions": "".join("    " * (i % 200) + "!!! note\n" for i in range(300)),
    "callouts": "> [!x] y\n" * (N // 9),
    "attributes": "){.a " * (N // 5),
    "value of an attribute": "){a=" + "a" * N,
    "parentheses after an address": "http://" + ")" * N,
    "abbreviations": "*[AB]: " + "x" * 200 + "\n\n" + "AB " * (N // 3),
    "definitions": "[a]: http://a.example/a `b`\n" * (N // 29),
    "code": "`a` " * (N // 4),
    "tags": "<div markdown " * (N // 14),
}


@pytest.mark.parametrize("name", WORST)
def test_the_time_grows_with_the_length_alone(name: str) -> None:
    for extensions in (ALL, EXTENSIONS):
        started = time.process_time()
        render_markdown(WORST[name], extensions)
        assert time.process_time() - started < 5  # the slowest takes 0.7 s


def test_a_long_text_is_rendered_without_rewriting() -> None:
    text = "==a==\n\n" * (LONGEST_REWRITTEN // 7 + 1)

    assert "<mark>" not in render_markdown(text, ALL)
    assert "<mark>" in render_markdown(text[: LONGEST_REWRITTEN - 7], ALL)
