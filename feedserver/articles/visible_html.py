"""The part of a sanitised body that a reader displays: promise 1 compares this and not the bytes.

The sanitiser has removed comments, scripts, styles, classes and tracking pixels already, but not the white
space around them. Of each run of white space this module keeps one character, as browsers do (CSS Text 3,
section 4.1). Code and attributes keep theirs. The input is HTML of the sanitiser, where every `<` outside of
an attribute begins a tag. Takes time in proportion to the length. Does not decide when an article changed.
"""

from __future__ import annotations

import re

# Elements of which readers display the white space, and tags with attributes.
_KEPT = re.compile(
    r"(<(?:(pre|code|kbd|samp)[ >](?:.*?</\2>|.*)"
    r'|[a-z][a-z0-9]*+ [^<>"]*+(?:"[^"]*+"[^<>"]*+)*+>))',
    re.DOTALL,
)
_CODE_ENDS = ("</pre>", "</code>", "</kbd>", "</samp>")
_RUN = re.compile(r"[ \t\n]{2,}+")
# Rendered Markdown rarely holds any of these outside of code.
_RUNS = ("\n\n", "  ", "\n ", " \n", "\t")


def visible_html(body: str) -> str:
    """The sanitised HTML of a body with one character for each run of white space that no reader displays."""
    if not _has_runs(body):
        return body
    parts = _KEPT.split(body)  # text, the kept part, its element or None, text …
    texts = parts[::3]
    if any(end in text for text in texts if "</" in text for end in _CODE_ENDS):
        return body  # code inside of code: where it ends is not known
    parts[::3] = [_RUN.sub(_one_of, text) if _has_runs(text) else text for text in texts]
    del parts[2::3]
    return "".join(parts)


def _has_runs(text: str) -> bool:
    return any(run in text for run in _RUNS)


def _one_of(run: re.Match[str]) -> str:
    return "\n" if "\n" in run[0] else " "
