"""From the bytes of one file to an article: pure, without I/O or clock.

`reading.read_article` is the entry point; the other modules are its steps. Promises 4, 5 and 6 are kept here.
"""
