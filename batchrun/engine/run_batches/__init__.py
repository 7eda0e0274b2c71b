"""Rows that are submitted together: sending them, and following them until each has its run."""
