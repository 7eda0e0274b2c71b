"""The life of a row: its entry, the events that befall it, and the one table of states."""
