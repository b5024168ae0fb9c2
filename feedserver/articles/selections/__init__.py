"""Selections of articles: the conditions that an address or the settings state, and the articles that match.

One grammar for saved feeds, ad hoc feeds and pages: `values` has the conditions, `words` the words of a
search, `parameters` reads and writes addresses, `matching` decides about one article. Pure, and knows neither
the index, which compiles conditions to queries, nor HTTP.
"""
