"""The whole site as files, for any static server.

`site` lists the units of the site and makes their documents. `target` says what a place for them must do, and
`folder` does it with files. `run` finds the changed units and has them made, and `watch` repeats that after
each change. Bytes and encodings are those that the server sends (promise 2), because they come from the same
publisher and the same pages.
"""
