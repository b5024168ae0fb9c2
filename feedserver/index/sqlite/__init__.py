"""The index and the publication history as SQLite files of a state folder: see `store`."""
