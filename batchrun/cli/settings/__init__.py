"""Defaults of options from ``batchrun.toml``: finding the file, checking it, and an example of it."""
