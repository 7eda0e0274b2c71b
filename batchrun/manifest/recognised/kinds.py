"""
What kind of table a header is of.

Belongs here: whose tables have which columns, and whether columns are a manifest's. Does not: cells.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from batchrun.manifest.columns import ColumnError, column
from batchrun.manifest.model_check import REQUEST_ID
from batchrun.manifest.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.manifest.model_check import RequestModel

_BY_COLUMNS: Final = (
    (frozenset({"RGID", "RGSM", "Read1File"}), "a DRAGEN fastq_list"),
    (frozenset({"patient", "sample"}), "an nf-core samplesheet"),
    (frozenset({"sample", "fastq_1"}), "an nf-core samplesheet"),
    (frozenset({"group_id", "subject_id", "sample_id", "filepath"}), "an nf-core samplesheet"),
    (frozenset({"run_accession", "sample_accession"}), "an ENA run table"),
    (frozenset({"batch ID"}), "a dx batch table"),
)
_TERRA: Final = "entity:"
_FILE: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://.*|/.*"
    r"|.*\.(?:fastq|fq|ora|bam|cram|sam|bai|crai|g?vcf|bcf|tbi|csi|fasta|fa|fna|pod5|fast5|bed|idat|h5)"
    r"(?:\.(?:gz|bgz|bz2|zst))?",
    re.DOTALL | re.IGNORECASE,
)
#: Unknown names that are held against the fields: to guess what was meant takes time.
_GUESSES: Final = 20


def kind_of(header: Sequence[str]) -> str | None:
    """Tell whose table it looks like, with its article; None for what could be anybody's."""
    if header[0].startswith(_TERRA):
        return "a Terra data table"
    return next((what for names, what in _BY_COLUMNS if names.issubset(header)), None)


def is_file(text: str) -> bool:
    """Tell whether a cell names a file: a URI, a path, or a name with an extension that such data has."""
    return _FILE.fullmatch(text) is not None


def is_foreign(header: Sequence[str], model: RequestModel) -> bool:
    """Tell whether most columns but ``id`` are nobody's fields, and do not look like a slip either."""
    others = [name for name in header if name != "id"]
    unknown = [name for name in others if not _is_field(name, model)]
    slips = sum(nearest(name.partition(".")[0], model.fields) is not None for name in unknown[:_GUESSES])
    return len(unknown) - 2 * slips > len(others) - len(unknown)


def _is_field(header: str, model: RequestModel) -> bool:
    try:
        column(header, model)
    except ColumnError:
        return header.partition(".")[0].partition(":")[0] in {REQUEST_ID, *model.fields}
    return True
