"""From the settings to the parts: each gets the values it needs, none gets the settings.

A module for each use, so that a command loads the parts that it needs and no others: `planning` for who reads
files, `indexing` for who indexes, `publishing` for who publishes, `exporting` for who exports. Makes values
and parts; starts nothing.
"""
