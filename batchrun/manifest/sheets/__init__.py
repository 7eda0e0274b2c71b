"""Sheets: any table as it is, with options or keys that say how its rows become runs.

How a row becomes a record: ``text`` reads texts that name columns, from the user's options
(``manifest.sheet_wishes``) and the header; ``template`` compiles all of it to ``nodes``, once for the sheet;
``uses`` tells what becomes of each column; ``records`` groups the rows of one run, and fills the template
with them; ``own_sheets`` keeps the sheets to write for runs that read one themselves.
"""
