"""How fast calls may follow each other, and what was learned of the limit."""
