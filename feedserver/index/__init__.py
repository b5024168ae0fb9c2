"""The index of the article files and the memory of what was published, on SQLAlchemy Core.

`schema` names the tables, `builds` the files they live in. `keeper` opens, begins and replaces builds,
`writer` changes one (one process) with `files`, `candidates`, `taxonomies` and `ledger`, and asks
`decisions` what is published; `reader` answers selections (many processes); `memory` keeps what cannot
be found out again from the files.
"""
