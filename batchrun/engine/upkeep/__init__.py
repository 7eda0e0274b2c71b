"""What is done to a batch beside launching it: rebuild, compare, delete, ask for usage."""
