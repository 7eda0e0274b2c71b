"""
Sheets: any table, as it is, and what is said beside it of the runs that its rows are to become.

How a row becomes a record: of what is wished for (``manifest.sheet_wishes``) and the header, ``text`` reads
texts that name columns; ``template`` makes ``nodes`` of all of it, once for the sheet; ``uses`` tells what
becomes of each column; ``records`` brings together the rows that make one run, and fills the template with
them; ``own_sheets`` keeps what is to be written for runs that read a sheet themselves.
"""
