"""The index and the publication history in a PostgreSQL database, for several machines: see `store`."""
