"""A live page of a ledger for browsers; it only reads, and never calls the service."""
