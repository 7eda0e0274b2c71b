"""Tables as their files have them: a header, and rows of text.

A file of any kind becomes a :class:`~batchrun.manifest.table.Table` in here. What its columns mean is decided
elsewhere: in ``cells`` for a CSV manifest. A new kind of file is a module beside ``delimited``, and a case in
``reading``.
"""
