"""A live page of a ledger, for people with a browser; it reads, and never writes or calls the service."""
