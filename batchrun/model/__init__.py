"""Decisions: pure and synchronous. No await, clock, I/O, logging or randomness in here."""
