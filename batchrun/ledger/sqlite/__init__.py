"""A ledger in an SQLite file: the default, which needs no server."""
