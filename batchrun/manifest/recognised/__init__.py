"""
Files that are no manifest, recognised on sight: what they look like, and the command that takes them.

``kinds`` has whose file it is, ``identity`` which columns hold ids, ``command`` what to type next, and
``sheet`` puts the three into one problem. A new kind of table is a line in ``kinds``. ``document`` does the
same for YAML and JSON.
"""
