"""The life of a row: its entry, the events that change it, and the one table of states."""
