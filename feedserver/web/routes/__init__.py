"""The URL rules and views of the site: a blueprint each for feeds, pages, lists and operations.

An address has one owner, the first of: the fixed addresses (directory, OPML of all feeds, status, health,
icons, static files), addresses that the settings retired, the lists, listings that have articles, redirects
of the settings, listings without articles, guesses. So a topic that was renamed can be redirected as soon as
its last article has left it. `dispatch` decides the first five before a view is called, `not_found` the rest.
"""
