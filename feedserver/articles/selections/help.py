"""The parameters of selections as people read about them: for the page of a site and for the documentation.

Data only. A test asks a server for every example.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class ParameterHelp(NamedTuple):
    """Some parameters: their names, what they mean, and an example as an address."""

    names: str
    meaning: str
    example: str


HELP: Final = (
    ParameterHelp(
        "topic, provider, domain, category, type, language, author",
        "Articles with this name. Names with commas are alternatives; a parameter given twice asks for "
        "both. Names are written as in articles or as in addresses. language=en finds en-GB, too; articles "
        "without a language are in that of the site.",
        "/articles.rss?topic=ai,robotics&provider=example-news",
    ),
    ParameterHelp(
        "not_topic, not_provider, not_domain, not_category, not_type, not_language, not_author",
        "No articles with one of these names.",
        "/articles.atom?topic=ai&not_type=video,podcast",
    ),
    ParameterHelp(
        "q",
        'Words in title, excerpt or text, in any script: all of them; "a phrase" as it is; robot OR drone '
        "for either; -toy for none; robo* for all words that begin so. Letter case and accents make no "
        "difference.",
        "/articles.json?q=%22open+source%22+robot*+-toy",
    ),
    ParameterHelp(
        "min_quality, min_heat",
        "Articles whose file states at least this quality or heat.",
        "/articles.rss?min_heat=50",
    ),
    ParameterHelp(
        "since",
        "Articles published within some hours, days or weeks, or since a date. An age counts from the hour "
        "that has begun.",
        "/articles.rss?topic=ai&since=7d",
    ),
    ParameterHelp(
        "sort",
        "published (as usual), updated, heat, quality; or relevance, with q: articles with all words in the "
        "title come first, then those with all in title and excerpt.",
        "/articles.rss?q=robot&sort=relevance",
    ),
    ParameterHelp("limit", "How many entries the feed has at most: 1 to 500.", "/topics/ai.rss?limit=10"),
    ParameterHelp(
        "fold",
        "true: articles about one story are one entry, with the others as related articles. Articles are "
        "about one story if one names the other as related, or if both have the same page.",
        "/articles.atom?topic=ai&fold=true",
    ),
)

# Bounds and rules that hold for all of them.
RULES: Final = (
    "Every listing takes these parameters, on its page and on its feeds: /articles, /topics/ai, /feeds/mine.",
    "All parameters together narrow the selection. Their order makes no difference. Others are ignored.",
    "One selection has one address; other spellings of it are redirected there. Subscribe to that one.",
    "A selection has at most 20 names and phrases, and 200 characters of q.",
)
