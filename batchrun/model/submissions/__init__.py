"""Rows that go to the service together, by StartRunBatch: which are alike, and what they ask for."""
