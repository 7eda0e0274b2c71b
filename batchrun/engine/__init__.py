"""The launcher: asks the planner, acts, records. It decides nothing itself."""
