"""A file for each verb, and for what only one of them does: its options, and the order of what it does."""
