"""A file for each verb, with its options and steps, and files for what only one verb does."""
