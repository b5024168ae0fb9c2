"""The command `feedserver`.

A command turns its options into settings and calls one package, which does the work. Results go to standard
output, errors to standard error as one clear line each. The exit status is 2 for wrong usage or settings, and
1 for a failure.

`group` is the command itself. It imports the module of the chosen subcommand; each has one of its name.
`options` are shared by them, `state_command`, `indexing` and `reading` deal with the state folder, and
`progress` shows how far a command is.
"""
