"""Files that are no YAML, each with the findings that an editor should get: place, severity, code, message.

The place is that of the mistake, not the one at which a parser gave up. Each row was judged as its reader:
does the line say where to go, and the message what to do?
"""

from __future__ import annotations

from typing import NamedTuple

LINK = "link: https://example.org/tides"
REST = f"date: 2025-03-04\n{LINK}"


class Case(NamedTuple):
    """A file by name, and its diagnostics as `linted.described` writes them."""

    text: str
    expected: tuple[str, ...]
    name: str = "_news/tides.md"


def article(front: str, body: str = "Text.\n") -> str:
    """A Markdown file with this front matter."""
    return f"---\n{front}\n---\n{body}"


YAML_CASES: dict[str, Case] = {
    "a quote that is never closed": Case(
        article(f'title: "High water\n{REST}'),
        (
            (
                "2:8-9 error yaml-syntax: not valid YAML: the quote that opens here is never closed "
                "=> Close it in the same line, or remove it."
            ),
        ),
    ),
    "a quote that the next quote closes": Case(
        article('title: "High water\ndate: 2025-03-04\nlink: "https://example.org/tides"'),
        (
            (
                "2:8-9 error yaml-syntax: not valid YAML: the quote that opens here is never closed "
                "=> Close it in the same line, or remove it."
            ),
        ),
    ),
    "an apostrophe in single quotes": Case(
        article(f"title: 'The pier's end'\n{REST}"),
        (
            (
                "2:18-19 error yaml-syntax: not valid YAML: text follows the quote that ends the "
                "value; inside '…', an apostrophe is written twice => Write: title: \"The pier's end\""
            ),
        ),
    ),
    "text after a quote": Case(
        article(f'title: "High" water\n{REST}'),
        (
            (
                "2:15-16 error yaml-syntax: not valid YAML: text follows the quote that ends the "
                'value; inside "…", write \\" for a quote => Write: title: \'"High" water\''
            ),
        ),
    ),
    "a colon in a title": Case(
        article(f"title: Tides: a guide\n{REST}"),
        (
            (
                "2:13-14 error yaml-syntax: not valid YAML: the value contains a colon and a blank, "
                'so it needs quotes => Write: title: "Tides: a guide" (--fix does it)'
            ),
        ),
    ),
    "a colon in a title of many words": Case(
        article(f"date: 2025-03-04\n{LINK}\ntitle: The harbour at night: lights, boats and tides"),
        (
            (
                "4:28-29 error yaml-syntax: not valid YAML: the value contains a colon and a blank, "
                'so it needs quotes => Write: title: "The harbour at night: lights, boats and tides" '
                "(--fix does it)"
            ),
        ),
    ),
    "a title that begins with an at sign": Case(
        article(f"title: @harbour is back\n{REST}"),
        (
            (
                "2:8-9 error yaml-syntax: not valid YAML: a text cannot begin with @ unless it is in "
                'quotes => Write: title: "@harbour is back" (--fix does it)'
            ),
        ),
    ),
    "a title in backticks": Case(
        article(f"title: `ls` and friends\n{REST}"),
        (
            (
                "2:8-9 error yaml-syntax: not valid YAML: a text cannot begin with ` unless it is in "
                'quotes => Write: title: "`ls` and friends" (--fix does it)'
            ),
        ),
    ),
    "a title in asterisks": Case(
        article(f"title: *New* pier\n{REST}"),
        (
            (
                "2:8-9 error yaml-syntax: not valid YAML: a text cannot begin with * unless it is in "
                'quotes => Write: title: "*New* pier" (--fix does it)'
            ),
        ),
    ),
    "a title that begins with a bracket": Case(
        article(f"title: [Video] High water\n{REST}"),
        (
            (
                "2:16-17 error yaml-syntax: not valid YAML: a value that begins with [ ends here; a "
                'text that begins with it needs quotes => Write: title: "[Video] High water"'
            ),
        ),
    ),
    "a title after a bar": Case(
        article(f"title: | High water\n{REST}"),
        (
            (
                "2:8-9 error yaml-syntax: not valid YAML: a text after | begins on the next line; if "
                '| belongs to it, it needs quotes => Write: title: "| High water"'
            ),
        ),
    ),
    "a title after a dash": Case(
        article(f"title: - High water\n{REST}"),
        (
            (
                "2:8-9 error yaml-syntax: not valid YAML: a list begins on a line of its own, or is "
                'written [a, b]; a text that begins with - needs quotes => Write: title: "- High '
                'water"'
            ),
        ),
    ),
    "a path in double quotes": Case(
        article(f'title: "C:\\water"\n{REST}'),
        (
            (
                '2:11-12 error yaml-syntax: not valid YAML: inside "…" a backslash begins an escape, '
                "and this is none; use '…', or write the backslash twice => Write: title: 'C:\\water'"
            ),
        ),
    ),
    "a list that is not closed": Case(
        article(f"title: High water\ntags: [Tides, Pier\n{REST}"),
        (
            (
                "3:7-8 error yaml-syntax: not valid YAML: the [ that opens here is never closed => "
                "Close it in the same line, or remove it."
            ),
        ),
    ),
    "a mapping that is not closed": Case(
        article(f"title: High water\nauthor: {{name: Ada\n{REST}"),
        (
            (
                "3:9-10 error yaml-syntax: not valid YAML: the { that opens here is never closed => "
                "Close it in the same line, or remove it."
            ),
        ),
    ),
    "a tab before an item": Case(
        article(f"title: High water\n{REST}\ntags:\n\t- Tides"),
        (
            (
                "6:1-2 error yaml-syntax: not valid YAML: a tab indents this line, and YAML allows "
                "blanks only => Write blanks in place of the tab. (--fix does it)"
            ),
        ),
    ),
    "a key that is indented": Case(
        article(f"title: High water\n date: 2025-03-04\n{LINK}"),
        (
            (
                "3:2-3 error yaml-syntax: not valid YAML: this line is indented deeper than the key "
                "before it => Begin it where the keys before it begin."
            ),
        ),
    ),
    "an item among keys": Case(
        article(f"title: High water\n{REST}\n- Tides"),
        (
            (
                "5:1-2 error yaml-syntax: not valid YAML: an item of a list is here, where a key "
                "should be => Write the item below the key of its list, or remove it."
            ),
        ),
    ),
    "no blank after a colon": Case(
        article(f"title:High water\n{REST}"),
        (
            (
                "2:7-8 error yaml-syntax: not valid YAML: a blank is missing after the colon => "
                "Write: title: High water"
            ),
        ),
    ),
    "a no-break space after a colon": Case(
        article(f"title: High water\ndate:\u00a02025-03-04\n{LINK}"),
        (
            (
                "3:6-7 error yaml-syntax: not valid YAML: a no-break space follows the colon; write "
                "a blank => Write: date: 2025-03-04"
            ),
        ),
    ),
    "a line without a colon": Case(
        article(f"title: High water\ndate 2025-03-04\n{LINK}"),
        (
            (
                "3:1-2 error yaml-syntax: not valid YAML: this line has no colon, so it is no key, "
                "and it does not continue a value either => Write key: value, or indent the line if "
                "it belongs to the value before it."
            ),
        ),
    ),
    "conflict markers": Case(
        article(f"<<<<<<< HEAD\ntitle: High\n=======\ntitle: Low\n>>>>>>> main\n{REST}"),
        (
            (
                "2:1-2 error yaml-syntax: not valid YAML: the file holds conflict markers of a "
                "version control system => Keep one of the versions, and remove the lines with the "
                "marks."
            ),
        ),
    ),
}
