"""The index of the article files and the memory of what was published, on SQLAlchemy Core.

`schema` names the tables, `builds` the files they live in, `statements` compiles what is asked for often.

One process writes: `keeper` opens, begins and replaces builds, `predecessor` hands over from the one
before; `writer` changes a build with `files`, `candidates`, `entries`, `taxonomies` and `ledger`, `loading`
fills a new one, `recovery` mends what a sudden death left; `contents` takes readings apart for them, and
`decisions` says what is published. Many processes read: `reader` answers selections, `commits` tells it when
to look again, `catalogue` answers what concerns everything. `memory` keeps what cannot be found out again
from the files.
"""
