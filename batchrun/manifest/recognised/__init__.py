"""
Files that are no manifest, recognised on sight: what they look like, and the command that takes them.

``kinds`` has whose file it is; ``sheet`` finds out which columns hold ids, what to type next, and puts the
three into one problem. A new kind of table is a line in ``kinds``. ``documents`` does the same for YAML and
JSON.
"""
