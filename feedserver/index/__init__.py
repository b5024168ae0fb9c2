"""The index of the article files and the memory of what was published, on SQLAlchemy Core.

`schema` names the tables, `builds` the files they live in, `writer` changes them (one process),
`reader` answers selections (many processes), `memory` keeps what cannot be found out again from the
files, `membership` decides which listings an article is in.
"""
