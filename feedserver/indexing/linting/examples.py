"""An example of each fault in front matter, and the same lines without it.

The lines are those of an article that has a title, a date and a link besides, unless the fault is in one of
them. A test reads both, and finds the code in the first ones only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from feedserver.findings import FindingCode

EXAMPLES: Final[Mapping[FindingCode, tuple[str, str]]] = {
    FindingCode.UNDATED: ("title: High water", "title: High water\ndate: 2025-03-04"),
    FindingCode.BAD_VISIBILITY: ("draft: flase", "draft: false"),
    FindingCode.FRONT_MATTER_UNCLOSED: (
        "---\ntitle: High water\ndate: 2025-03-04\n\nText.",
        "---\ntitle: High water\ndate: 2025-03-04\nlink: https://example.org/high-water\n---\nText.",
    ),
    FindingCode.NOT_A_MAPPING: ("- High water", "title: High water"),
    FindingCode.DUPLICATE_KEY: ("tags: [Tides]\ntags: [Ferries]", "tags: [Tides, Ferries]"),
    FindingCode.YAML_SYNTAX: ("title: Tides: a guide", 'title: "Tides: a guide"'),
    FindingCode.YAML_ALIAS: ("title: *new", 'title: "*new"'),
    FindingCode.YAML_DOCUMENTS: ("title: One\n--- # second\ntitle: Two", "title: One"),
    FindingCode.YAML_KEY: ("[a, b]: c", "a: c"),
    FindingCode.WRONG_TYPE: ("title: [High water]", "title: High water"),
    FindingCode.BAD_DATE: ("date: 07/08/2022", "date: 2022-08-07"),
    FindingCode.BAD_DURATION: ("length: half an hour", "length: PT30M"),
    FindingCode.BAD_EMAIL: ("author: {name: Ada, email: ada at example.org}", "author: {name: Ada}"),
    FindingCode.BAD_LANGUAGE: ("language: British English", "language: en-GB"),
    FindingCode.BAD_NUMBER: ("quality: high", "quality: 80"),
    FindingCode.BAD_URL: ('link: "javascript:alert(1)"', "link: https://example.org/high-water"),
    FindingCode.NO_TITLE: ("date: 2025-03-04", "title: High water\ndate: 2025-03-04"),
    FindingCode.NO_URL: (
        "title: High water\ndate: 2025-03-04",
        "title: High water\ndate: 2025-03-04\nlink: https://example.org/high-water",
    ),
    FindingCode.UNUSABLE_PART: (
        "images: [{title: The pier}]",
        "images: [{url: https://example.org/pier.jpg, title: The pier}]",
    ),
    FindingCode.UNKNOWN_KEY: ("publised: 2025-03-04", "published: 2025-03-04"),
    FindingCode.DROPPED_VALUE: ("title: Race #4 is won", 'title: "Race #4 is won"'),
}
