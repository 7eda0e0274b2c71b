"""
What is no error in a manifest, and yet hardly meant: a path on somebody's laptop, ``16`` that is text.

How a value flows: ``looking`` has each text with its place, before anything is filled in; ``scan`` goes
through them, and holds single ones against ``texts`` and ``engine``, whole columns against ``untyped``, and a
row and its neighbours against what is ``known`` of mates and files. What they doubt goes to ``found``, which
has each cause once. Nothing in here changes a request or stops anything.
"""
