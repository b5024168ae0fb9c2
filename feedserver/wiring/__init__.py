"""Makes the objects of the program from the settings: each gets its values, and none gets the settings.

There is a module for each use, so that a command imports only the packages that it needs: `planning` for
reading files, `indexing` for the indexer, `publishing` for feeds and pages, `serving` for servers,
`exporting` for exports, `application` for the WSGI application. Makes values and objects; starts nothing.
"""
