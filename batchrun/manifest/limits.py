"""Upper bounds that keep hostile manifests cheap.

Belongs here: sizes and counts. Does not: the service's own limits, which come from botocore's model.
"""

from __future__ import annotations

from typing import Final

#: One line, one CSV record or one element of a YAML or JSON document, in bytes or characters. A StartRun
#: request carries a quarter of it at most; hostile text takes a hundred times its size once parsed.
RECORD: Final = 1024 * 1024
#: A whole YAML or JSON document, in bytes: the most that an endless pipe may write to a temporary file.
DOCUMENT: Final = 4 * 1024 * 1024 * 1024
#: An object in S3, in bytes: it is copied to a temporary file.
OBJECT: Final = DOCUMENT
#: Expansion of any stretch of a gzip file; sheets reach 60 at most.
GROWTH: Final = 200
#: Size of such a stretch unpacked, in bytes: it is kept until it is measured; shorter ones are not measured.
UNPACKED: Final = 1024 * 1024
#: An Excel workbook, and its content unpacked, in bytes.
WORKBOOK: Final = 64 * 1024 * 1024
WORKBOOK_UNPACKED: Final = 256 * 1024 * 1024
#: Memory in bytes, and CPU seconds, for reading one.
WORKBOOK_MEMORY: Final = 256 * 1024 * 1024
WORKBOOK_SECONDS: Final = 30
#: Rows times columns of a worksheet: the library allocates all of them, empty or not.
WORKBOOK_AREA: Final = 4 * 1024 * 1024
#: Everything with a YAML anchor, in characters: it is kept until the document ends.
ANCHORED: Final = 8 * 1024 * 1024
#: Lists and tables within each other.
DEPTH: Final = 50
#: Columns of CSV and TSV.
COLUMNS: Final = 10_000
#: Text made by placeholders in one row, in characters.
FILLED: Final = 1024 * 1024
#: Digits of a number: JSON readers hold no longer ones.
DIGITS: Final = 308
#: ``parameters`` of one run, in bytes of JSON. Documented for StartRun, absent from its model.
PARAMETERS: Final = 256_000
#: Tags of one run. Documented for StartRun, absent from its model.
TAGS: Final = 50
#: Ids and batch names, in characters: both go into tag values (256) and run names.
NAME: Final = 128
#: Batch names, in bytes: a file name may have 255, and the results' adds to it.
FILE_NAME: Final = 200
#: Rules of ``retry:``; each failed run is matched against them.
RULES: Final = 100
#: Globs over the reason in one rule: all are shown in the history.
REASONS: Final = 20
#: A glob over the message of a failure, in characters.
GLOB: Final = 200
#: Attempts that one rule may add; ``--retry`` takes no more either.
RETRIES: Final = 999
#: The longest wait before a retry, in seconds: 30 days.
WAIT: Final = 30 * 86400
#: Lanes of one manifest.
LANES: Final = 200
#: A row's requests in all lanes together, in bytes.
OFFERS: Final = 4 * 1024 * 1024
#: Problems that are shown; the rest are counted.
PROBLEMS: Final = 50
#: Problems of one kind (same field, same cure) that are shown, so that one mistake does not hide others.
PROBLEMS_OF_A_KIND: Final = 10
#: Problems with the same words that are shown one by one; more become one with a count.
SAME: Final = 3
#: Causes of warnings that are counted apart, each in its column.
CAUSES: Final = 1_000
#: Fields of documents whose values are examined apart; all further ones count as one.
WATCHED: Final = 1_000
#: A text that is examined for warnings, in characters: longer ones are programs and the like.
LOOKED_AT: Final = 10_000
#: Files of reads that are remembered to find shared ones, at some 100 bytes each.
FILES: Final = 500_000
#: Lines of one row of a sheet that are shown with a problem.
LINES: Final = 100
#: A sheet that is written for one run, in bytes: it is in memory while it is sent.
SHEET: Final = 16 * 1024 * 1024
