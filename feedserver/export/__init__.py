"""The whole site as files, for any static server.

`site` tells what the site consists of and makes its documents, `folder` keeps the files and what is known
of them, `run` finds out what changed and has that made, `watch` does so whenever something has changed. Bytes
and codings are those that the server sends (promise 2), because they come from the same publisher and the
same pages.
"""
