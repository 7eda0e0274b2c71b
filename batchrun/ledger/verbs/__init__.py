"""What is read from a ledger and written to it, once for both stores."""
