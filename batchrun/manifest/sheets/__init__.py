"""
Sheets: any table, as it is, and what is said beside it of the runs that its rows are to become.

How a row becomes a record: ``keys`` and ``options`` say what is wanted (``wanted``); ``columns`` knows the
header, ``text`` reads a text that names columns, ``compiling`` makes ``nodes`` of a whole template, once for
the sheet; ``groups`` brings together the rows that make one run, ``filling`` fills the template with them,
``own_sheets`` keeps what is to be written for runs that read a sheet themselves; ``records`` puts these
together.
"""
