"""
What is no error in a manifest, and yet hardly meant: a path on somebody's laptop, ``16`` that is text.

How a value flows: ``looking`` has each text with its place, before anything is filled in, and asks the rules
of its kind (``characters``, ``uris``, ``spreadsheets``, ``engine``; ``untyped`` for a whole column; ``mates``
and ``files`` for a row and its neighbours). What they doubt goes to ``found``, which tells each cause once.
Nothing in here changes a request or stops anything.
"""
