"""How a batch and its rows are shown on terminals, in logs and as JSON lines."""
