"""Lanes of a manifest: the table of them, and each row's request in every lane that it may take.

``table`` reads ``lanes:``, and chooses between the manifest's own and ``--lanes``; ``lane`` reads one lane;
``naming`` reads a row's ``lane``; ``offering`` makes a row's offers.
"""
