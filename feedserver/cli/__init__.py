"""The command `feedserver`.

Options in, settings out, one part called; what is printed goes to standard output, errors to standard
error as one clear line each: exit 2 for wrong usage or settings, 1 for failure. No work is done here.

`group` is the command itself, and loads the module of the one that was asked for: one for each, of the same
name. `options` are what they share, `state`, `indexing` and `reading` what they do with a state folder,
`progress` shows how far they are.
"""
