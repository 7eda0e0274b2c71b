"""
How much a manifest may ask of us: the numbers that keep hostile input cheap.

Belongs here: sizes and counts. Does not: the service's own limits, which come from botocore's model.
"""

from __future__ import annotations

from typing import Final

#: One line, one CSV record or one element of a YAML or JSON document, in bytes or characters. A StartRun
#: request cannot carry more than a quarter of it; parsed, hostile text takes a hundred times its size.
RECORD: Final = 1024 * 1024
#: A YAML or JSON document in all, in bytes: what an endless pipe may write to our temporary file.
DOCUMENT: Final = 4 * 1024 * 1024 * 1024
#: An object in S3, in bytes: its copy stands in a temporary file.
OBJECT: Final = DOCUMENT
#: How often its own size any stretch of a gzip file may hold; sheets hold 60 at most.
GROWTH: Final = 200
#: What such a stretch holds, in bytes: it is held until it is measured, and what has less may hold anything.
UNPACKED: Final = 1024 * 1024
#: An Excel workbook, and all that it holds unpacked, in bytes.
WORKBOOK: Final = 64 * 1024 * 1024
WORKBOOK_UNPACKED: Final = 256 * 1024 * 1024
#: What reading one may take: bytes of memory, and seconds of a processor.
WORKBOOK_MEMORY: Final = 256 * 1024 * 1024
WORKBOOK_SECONDS: Final = 30
#: Rows times columns of a worksheet: the library has room for all of them, whether there are cells or not.
WORKBOOK_AREA: Final = 4 * 1024 * 1024
#: All that has a YAML anchor, in characters: it is held until the document ends.
ANCHORED: Final = 8 * 1024 * 1024
#: Lists and tables within each other.
DEPTH: Final = 50
#: Columns of CSV and TSV.
COLUMNS: Final = 10_000
#: Text that placeholders may make in one row, in characters.
FILLED: Final = 1024 * 1024
#: Digits of a number; anything longer is beyond what JSON readers can hold.
DIGITS: Final = 308
#: ``parameters`` of one run, in bytes of JSON. Documented for StartRun, absent from its model.
PARAMETERS: Final = 256_000
#: Tags of one run. Documented for StartRun, absent from its model.
TAGS: Final = 50
#: Ids and batch names, in characters: both go into tag values (256) and run names.
NAME: Final = 128
#: Batch names, in bytes: a file's name may have 255, and ours add to it.
FILE_NAME: Final = 200
#: Rules of ``retry:``; each failed run is held against them.
RULES: Final = 100
#: Globs over the reason in one of them: all are shown in the history.
REASONS: Final = 20
#: A glob over what the service says of a failure, in characters.
GLOB: Final = 200
#: Attempts that one rule may add; ``--retry`` takes no more either.
RETRIES: Final = 999
#: The longest wait before a retry, in seconds: 30 days.
WAIT: Final = 30 * 86400
#: Lanes of one manifest.
LANES: Final = 200
#: What one row asks for in all lanes together, in bytes.
OFFERS: Final = 4 * 1024 * 1024
#: Problems that are shown; the rest are counted.
PROBLEMS: Final = 50
#: Problems of one kind (same field, same cure) that are shown, so that one mistake does not hide the others.
PROBLEMS_OF_A_KIND: Final = 10
#: Problems in the same words that are shown one by one; more are one with a count.
SAME: Final = 3
#: Causes of warnings that are kept apart, each in its column.
CAUSES: Final = 1_000
#: Fields of documents whose values are kept apart to find what is doubtful; those of more are one.
WATCHED: Final = 1_000
#: A text that is looked at for warnings, in characters: longer ones are programs and the like.
LOOKED_AT: Final = 10_000
#: Files of reads that are remembered to find those that rows share, at some 100 bytes each.
FILES: Final = 500_000
#: Lines of one row of a sheet that are shown with a problem.
LINES: Final = 100
#: A sheet that is written for one run, in bytes: it is held while it is sent.
SHEET: Final = 16 * 1024 * 1024
