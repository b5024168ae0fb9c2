"""The index of the article files and the publication history, on SQLAlchemy Core.

`schema` defines the tables, `builds` opens the files that hold them, `statements` compiles frequent
statements. `facts` are values that a build and the publication history note of themselves; `noted` stores
them.

One process writes. `keeper` opens, begins and replaces builds; `predecessor` reads the build before. `writer`
changes a build with `files`, `candidates`, `entries`, `taxonomies` and `ledger`; `loading` fills a new one;
`recovery` repairs the traces of a crash. `contents` converts readings for them, and `decisions` decides which
articles are published.

Many processes read. `serving` is the connection that follows the serving build, and `commits` tells it when
to look; `reader` answers questions with `values`, `catalogue` those about the whole site.

`history` keeps the facts that no file can tell, `copies` copies it, and `takeover` renames the one of an
older release.
"""
