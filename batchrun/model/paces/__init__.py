"""Rate limiting: how fast calls may follow each other, and what was learned of the service's limits."""
