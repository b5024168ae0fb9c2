"""Files with faults in their fields and bodies, each with the findings that an editor should get."""

from __future__ import annotations

from lint_yaml_cases import LINK, REST, Case, article

FIELD_CASES: dict[str, Case] = {
    "no closing line": Case(
        f"---\ntitle: High water\n{REST}\ntags:\n  - Tides\n\nText.\n",
        (
            (
                "1:1-4 error front-matter-unclosed: the front matter has no closing --- line => Add "
                "a line --- after line 6, where the keys seem to end."
            ),
        ),
    ),
    "a list instead of keys": Case(
        article("- High water\n- 2025-03-04"),
        (
            (
                "2:1-13 error not-a-mapping: the front matter is a list, not a mapping of keys to "
                "values => Write key: value lines."
            ),
        ),
    ),
    "a control character": Case(
        article(f"title: High\x07water\n{REST}"),
        (
            (
                "2:12-13 error control-character: control character U+0007 in the front matter => "
                "Remove the character at the given position."
            ),
        ),
    ),
    "an ambiguous date": Case(
        article(f"title: High water\ndate: 07/08/2022\n{LINK}"),
        (
            (
                "3:1-17 error bad-date: date is ambiguous; write it as 2022-07-08 or 2022-08-07: "
                "'07/08/2022'; the article is hidden => Write 2025-03-04, 2025-03-04 07:30, "
                "2025-03-04T07:30:00Z, March 4, 2025 or 4 Mar 2025; a time without a zone is in "
                "site.time_zone."
            ),
        ),
    ),
    "a day that does not exist": Case(
        article(f"title: High water\ndate: 2025-02-30\n{LINK}"),
        (
            (
                "3:1-17 error bad-date: date is not a date: '2025-02-30'; the article is hidden => "
                "Write 2025-03-04, 2025-03-04 07:30, 2025-03-04T07:30:00Z, March 4, 2025 or 4 Mar "
                "2025; a time without a zone is in site.time_zone."
            ),
        ),
    ),
    "a word for a date": Case(
        article(f"title: High water\ndate: tomorrow\n{LINK}"),
        (
            (
                "3:1-15 error bad-date: date is not a date: 'tomorrow'; the article is hidden => "
                "Write 2025-03-04, 2025-03-04 07:30, 2025-03-04T07:30:00Z, March 4, 2025 or 4 Mar "
                "2025; a time without a zone is in site.time_zone."
            ),
        ),
    ),
    "a date of change that is none": Case(
        article(f"title: High water\n{REST}\nupdated: soon"),
        (
            (
                "5:1-14 warning bad-date: updated is not a date: 'soon' => Write 2025-03-04, "
                "2025-03-04 07:30, 2025-03-04T07:30:00Z, March 4, 2025 or 4 Mar 2025; a time without "
                "a zone is in site.time_zone."
            ),
        ),
    ),
    "no title": Case(
        article(REST), ("file error no-title: an article with a date must have a title => Add a title.",)
    ),
    "a title in another language": Case(
        article(f"Titel: High water\n{REST}"),
        (
            "file error no-title: an article with a date must have a title => Add a title.",
            (
                "2:1-6 warning unknown-key: the key 'Titel' is not read; is 'title' meant? => Write "
                "title; if the key is right as it is, use --ignore unknown-key."
            ),
        ),
    ),
    "a date with changed letters": Case(
        article(f"title: High water\ndtae: 2025-03-04\n{LINK}"),
        (
            (
                "file warning undated: nothing says when the article was published; it is in no feed "
                "=> Add a date, or let the settings take it from the modification time "
                "(dates.fallback: mtime)."
            ),
            (
                "3:1-5 warning unknown-key: the key 'dtae' is not read; is 'date' meant? => Write "
                "date; if the key is right as it is, use --ignore unknown-key."
            ),
        ),
    ),
    "a date with a lost letter": Case(
        article(f"title: High water\npublised: 2025-03-04\n{LINK}"),
        (
            (
                "file warning undated: nothing says when the article was published; it is in no feed "
                "=> Add a date, or let the settings take it from the modification time "
                "(dates.fallback: mtime)."
            ),
            (
                "3:1-9 warning unknown-key: the key 'publised' is not read; is 'published' meant? => "
                "Write published; if the key is right as it is, use --ignore unknown-key."
            ),
        ),
    ),
    "a date with another mark": Case(
        article(f"title: High water\npublish_date: 2025-03-04\n{LINK}"),
        (
            (
                "file warning undated: nothing says when the article was published; it is in no feed "
                "=> Add a date, or let the settings take it from the modification time "
                "(dates.fallback: mtime)."
            ),
            (
                "3:1-13 warning unknown-key: the key 'publish_date' is not read; is 'publishDate' "
                "meant? => Write publishDate; if the key is right as it is, use --ignore unknown-key."
            ),
        ),
    ),
    "a draft with changed letters": Case(
        article(f"title: High water\n{REST}\ndratf: true"),
        (
            (
                "5:1-6 warning unknown-key: the key 'dratf' is not read; is 'draft' meant? => Write "
                "draft; if the key is right as it is, use --ignore unknown-key."
            ),
        ),
    ),
    "a draft that is neither true nor false": Case(
        article(f"title: High water\n{REST}\ndraft: flase"),
        (
            (
                "5:1-13 error bad-visibility: draft must be true or false, not 'flase'; the article "
                "is hidden => Write true or false."
            ),
        ),
    ),
    "no address": Case(
        article("title: High water\ndate: 2025-03-04"),
        (
            (
                "file error no-url: an article with a date must have a URL => Add link: https://…, "
                "or set articles[].base_url and articles[].url, such as /{section}/{slug}/, in the "
                "settings."
            ),
        ),
    ),
    "an address without a site": Case(
        article("title: High water\ndate: 2025-03-04\nlink: /tides"),
        (
            (
                "4:1-13 error no-url: an article with a date must have a URL => The address is "
                "relative: set articles[].base_url in the settings, such as https://example.org."
            ),
        ),
    ),
    "an address of a script": Case(
        article("title: High water\ndate: 2025-03-04\nlink: javascript:alert(1)"),
        (
            (
                "4:1-26 error bad-url: link is not a URL of the web (http or https) => Write an "
                "absolute URL, or one relative to articles[].base_url."
            ),
        ),
    ),
    "a list for a title": Case(
        article(f"title: [High water]\n{REST}"),
        (
            (
                "2:1-20 error wrong-type: title must be a single value, not a list => Write the "
                "value as the message says."
            ),
        ),
    ),
    "a title twice": Case(
        article(f"title: High water\n{REST}\ntitle: Low water"),
        (
            (
                "5:1-6 warning duplicate-key: the key 'title' of line 2 is repeated in line 5; the "
                "last one counts => Remove one of the two."
            ),
        ),
    ),
    "a draft twice": Case(
        article(f"title: High water\n{REST}\ndraft: false\ndraft: true"),
        (
            (
                "6:1-6 error duplicate-key: the key 'draft' of line 5 is repeated in line 6 => "
                "Remove one of the two."
            ),
        ),
    ),
    "a title with a number sign": Case(
        article(f"title: Race #4 is won\n{REST}"),
        (
            (
                "2:1-22 warning dropped-value: title ends before #, which begins a comment in YAML; "
                'put the value in quotes => Write: title: "Race #4 is won"'
            ),
        ),
    ),
    "topics with number signs": Case(
        article(f"title: High water\n{REST}\ntags: #tides #pier"),
        (
            (
                "5:1-19 warning dropped-value: tags ends before #, which begins a comment in YAML; "
                'put the value in quotes => Write: tags: "#tides #pier"'
            ),
        ),
    ),
    "a body in a key": Case(
        article(f"title: High water\n{REST}\ncontent: Text."),
        (
            (
                "5:1-15 warning dropped-value: content is read in data files only; here the text "
                "after the front matter counts => Write it as the message says, or remove it."
            ),
        ),
    ),
    "a number in words": Case(
        article(f"title: High water\n{REST}\nquality: high"),
        ("5:1-14 warning bad-number: quality is not a whole number: 'high' => Write digits only.",),
    ),
    "a language in words": Case(
        article(f"title: High water\n{REST}\nlanguage: British English"),
        (
            (
                "5:1-26 warning bad-language: language is not a language tag: 'British English' => "
                "Write a tag such as en or pt-BR."
            ),
        ),
    ),
    "an e-mail address in words": Case(
        article(f"title: High water\n{REST}\nauthor:\n  name: Ada\n  email: ada at example.org"),
        (
            (
                "7:3-28 warning bad-email: email is not an e-mail address: 'ada at example.org' => "
                "Correct the address, or remove it."
            ),
        ),
    ),
    "a picture without an address": Case(
        article(f"title: High water\n{REST}\nimages:\n  - title: The pier"),
        (
            (
                "6:5-20 warning unusable-part: the picture has no usable address => Write a url or a "
                "name; for relative addresses set articles[].base_url."
            ),
        ),
    ),
    "a provider without a name": Case(
        article(f"title: High water\n{REST}\nprovider:\n  logo: x"),
        ("6:3-10 warning unusable-part: the provider has no usable name => Write a name.",),
    ),
    "a related article without an address": Case(
        article(f"title: High water\n{REST}\nrelated:\n  - title: Low water"),
        (
            (
                "6:5-21 warning unusable-part: the related article has no usable address => Write a "
                "url or a name; for relative addresses set articles[].base_url."
            ),
        ),
    ),
    "an action without an address": Case(
        article(f"title: High water\n{REST}\nactions:\n  - title: Listen"),
        (
            (
                "6:5-18 warning unusable-part: the action has no usable address => Write a url or a "
                "name; for relative addresses set articles[].base_url."
            ),
        ),
    ),
    "an action whose type is no media type": Case(
        article(f"title: High water\n{REST}\nactions:\n  - url: https://example.org/a.mp3\n    type: mp3"),
        (
            (
                "7:5-14 warning dropped-value: type is not a media type, such as audio/mpeg: 'mp3'; it is "
                "left out => Write it as the message says, or remove it."
            ),
        ),
    ),
    "a picture without a width": Case(
        article(f"title: High water\n{REST}\nimages:\n  - url: https://example.org/a.png\n    width: 0"),
        (
            (
                "7:5-13 warning dropped-value: width is not a size in pixels: '0'; it is left out => Write "
                "it as the message says, or remove it."
            ),
        ),
    ),
    "a link to a file that is missing": Case(
        article(f"title: High water\n{REST}", "Text.\n\nSee [the pier](pier.md).\n"),
        (
            (
                "8:1-25 warning broken-link: links to files that are no published articles are left "
                "out: 'pier.md' => Correct the path. Once the other article is published, the link "
                "is there."
            ),
        ),
    ),
    "HTML that is shown as code": Case(
        article(f"title: High water\n{REST}", "Text.\n\n<div>\n\n    <p>Pier</p>\n\n</div>\n"),
        (
            (
                "10:5-16 warning html-as-code: line 5 of the body is HTML that Markdown shows as "
                "code, because it is indented by four spaces after a blank line; remove the "
                "indentation, or set articles[].bodies to html => Remove the indentation, or set "
                "articles[].bodies to html."
            ),
        ),
    ),
    "a quote that swallows the draft": Case(
        article(f'title: High water\n{REST}\nexcerpt: "Text\ndraft: true\nend"'),
        (
            (
                "6:1-12 warning hidden-by-line: a line inside a text would hide the article; is a "
                "quote not closed? => Close the quote before that line, or indent the line."
            ),
        ),
    ),
    "TOML without quotes": Case(
        "+++\ntitle = High water\ndate = 2025-03-04\n+++\nText.\n",
        ("2:9-10 error toml-syntax: not valid TOML: Invalid value => Correct it at the given position.",),
    ),
    "TOML with a mistyped key": Case(
        '+++\ntitle = "High water"\ndtae = 2025-03-04\nlink = "https://example.org/tides"\n+++\nText.\n',
        (
            (
                "file warning undated: nothing says when the article was published; it is in no feed "
                "=> Add a date, or let the settings take it from the modification time "
                "(dates.fallback: mtime)."
            ),
            (
                "3:1-5 warning unknown-key: the key 'dtae' is not read; is 'date' meant? => Write "
                "date; if the key is right as it is, use --ignore unknown-key."
            ),
        ),
    ),
    "JSON with a comma too much": Case(
        '{\n  "title": "High water",\n  "date": "2025-03-04",\n}\n',
        (
            (
                "4:1-2 error json-syntax: not valid JSON: Expecting property name enclosed in double "
                "quotes => Remove the comma before this place."
            ),
        ),
        "_news/tides.json",
    ),
    "JSON with a bad date": Case(
        '{\n  "title": "High water",\n  "date": "soon",\n  "link": "https://example.org/tides"\n}\n',
        (
            (
                "3:3-18 error bad-date: date is not a date: 'soon'; the article is hidden => Write "
                "2025-03-04, 2025-03-04 07:30, 2025-03-04T07:30:00Z, March 4, 2025 or 4 Mar 2025; a "
                "time without a zone is in site.time_zone."
            ),
        ),
        "_news/tides.json",
    ),
    "a byte order mark": Case(
        "\ufeff" + article(f"title: High water\n{REST}"),
        (
            (
                "file info byte-order-mark: the file begins with a byte order mark => Save the file "
                "as UTF-8 without the mark; feedserver check --fix removes it."
            ),
        ),
    ),
}
