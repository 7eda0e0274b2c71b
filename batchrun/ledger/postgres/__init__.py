"""A ledger in PostgreSQL, which several launchers share: the extra ``postgres``."""
