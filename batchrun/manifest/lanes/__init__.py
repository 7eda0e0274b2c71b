"""
Lanes of a manifest: the table that says which there are, and what each row asks for in those it may take.

``table`` reads ``lanes:``, and chooses between the manifest's own and ``--lanes``; ``lane`` reads one of
them; ``naming`` is a row's ``lane``; ``offering`` makes a row's offers.
"""
