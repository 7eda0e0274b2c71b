"""Likely mistakes in a manifest that are not errors: a path on somebody's laptop, ``16`` as text.

How a value flows: ``looking`` receives each text with its place, before placeholders are filled in; ``scan``
checks single texts by ``texts`` and ``engine``, whole columns by ``untyped``, and a row and its neighbours by
what is ``known``: its ``mates``, and what is ``repeated``. Their doubts go to ``found``, which keeps each
cause once. Nothing in here changes a request or stops anything.
"""
