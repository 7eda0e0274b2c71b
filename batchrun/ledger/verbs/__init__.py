"""What is read from a ledger and written to it, written once for every store."""
