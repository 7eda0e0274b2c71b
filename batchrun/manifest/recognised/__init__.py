"""Files that are not manifests: what they look like, and the command that takes them.

``kinds`` tells what sort of table it is, and ``identities`` which columns have its ids; ``sheet`` finds the
command to type, and puts all of it into one problem. A new kind of table is a line in ``kinds``.
``documents`` does the same for YAML and JSON.
"""
