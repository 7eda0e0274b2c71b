"""Rows that are sent together, by StartRunBatch: which rows are alike, and the request."""
