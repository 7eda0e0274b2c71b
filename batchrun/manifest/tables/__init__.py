"""
Tables as their files have them: a header, and rows of text.

A file's bytes become a :class:`~batchrun.manifest.table.Table` in here, whatever the file is. What the
columns mean is decided elsewhere: in ``cells``, where the file is a CSV manifest. A new kind of source is a
file beside ``delimited``, and a case in ``reading``.
"""
