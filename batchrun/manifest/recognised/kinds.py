"""The kind of a table by its header, and the kind of a document by its names.

Belongs here: known tables and their columns, whether columns are a manifest's, and whether names are fields
or parameters. Does not: cells.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from batchrun.manifest.columns import ColumnError, column
from batchrun.manifest.model_check import NEWER, REQUEST_ID, RequestModel
from batchrun.manifest.problems import nearest
from batchrun.model.entries.retrying import LANE

RESULTS: Final = "the results of a batch"
_BY_COLUMNS: Final = (
    (frozenset({"RGID", "RGSM", "Read1File"}), "a DRAGEN fastq_list"),
    (frozenset({"patient", "sample"}), "an nf-core samplesheet"),
    (frozenset({"sample", "fastq_1"}), "an nf-core samplesheet"),
    (frozenset({"group_id", "subject_id", "sample_id", "filepath"}), "an nf-core samplesheet"),
    (frozenset({"run_accession", "sample_accession"}), "an ENA run table"),
    (frozenset({"Run", "BioSample"}), "an SRA run table"),
    (frozenset({"batch ID"}), "a dx batch table"),
    (frozenset({"id", "runId", "uuid", "runOutputUri"}), RESULTS),
)
#: Documents of other programs, by names that no workflow has together as parameters; and where theirs are.
_OF_OTHERS: Final = (
    (frozenset({"arn", "status", "parameterTemplate"}), "an answer of GetWorkflow", None),
    (frozenset({"arn", "status", "creationTime"}), "an answer of GetRun", "parameters"),
    (frozenset({"workflow_params", "workflow_type"}), "a request to a WES service", "workflow_params"),
    (frozenset({"workflowName", "inputs", "status"}), "Cromwell's metadata of a run", "inputs"),
    (frozenset({"executors", "inputs", "outputs"}), "a task of a TES service", None),
    (frozenset({"$schema", "definitions"}), "a JSON Schema", None),
    (frozenset({"$schema", "$defs"}), "a JSON Schema", None),
)
_TERRA: Final = ("entity:", "update:", "membership:")
_ENDING: Final = (
    r"\.(?:fastq|fq|ora|bam|cram|sam|bai|crai|g?vcf|bcf|tbi|csi|fasta|fa|fna|pod5|fast5|bed|idat|h5)"
    r"(?:\.(?:gz|bgz|bz2|zst))?"
)
_FILE: Final = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]*://.*|/.*|.*{_ENDING}",
    re.DOTALL | re.IGNORECASE,
)
#: Fields whose names hardly any workflow has as parameters.
_TELLING: Final = frozenset({"workflowId", "runId", "roleArn", "outputUri", "parameters"})
#: Those whose names no sequencer or archive has as columns.
_OF_RUNS: Final = frozenset({"workflowId", "roleArn", "outputUri"})
_DATA: Final = re.compile(rf"\S.*{_ENDING}", re.IGNORECASE)
_READS: Final = tuple(
    ending
    for kind in (".fastq", ".fq", ".ora")
    for packed in ("", ".gz", ".bz2", ".zst")
    for ending in (kind + packed, (kind + packed).upper())
)
#: Those recognised in any spelling, such as WorkflowId or role_arn, if several are there.
_MISWRITTEN: Final = frozenset({"workflowid", "rolearn", "outputuri"})
_SLIPS: Final = 2
#: Unknown names for which a similar field is looked for; guessing takes time.
GUESSES: Final = 20


class DocumentKind(enum.Enum):
    """What the names of a document are."""

    REQUEST = "request"  #: fields of StartRun, some of them unmistakable
    PARAMETERS = "parameters"  #: names of a workflow's own, none of them a field
    EITHER = "either"  #: names that may be fields, none of them unmistakable


def document_kind(names: Collection[str], model: RequestModel) -> DocumentKind:
    """Return the kind of a document, by its names."""
    fields = {name for name in names if is_field(name, model)}
    if not fields:
        is_slip_of = len(_MISWRITTEN.intersection(map(_letters, names))) >= _SLIPS
        return DocumentKind.REQUEST if is_slip_of else DocumentKind.PARAMETERS
    return DocumentKind.EITHER if fields.isdisjoint(_TELLING) else DocumentKind.REQUEST


def of_others(names: Collection[str]) -> tuple[str, str] | None:
    """Return which other program's document has these names, with an article, and the cure; else None."""
    for marks, what, key in _OF_OTHERS:
        if marks.issubset(names):
            where = "" if key is None else f", which are under {key}: jq .{key} FILE > parameters.json"
            return what, f"give a file with the parameters alone{where}"
    return None


def _letters(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def is_field(name: str, model: RequestModel) -> bool:
    """Report whether StartRun has a field of that name, including requestId."""
    return name in model.fields or name == REQUEST_ID


def is_slip(names: Iterable[str], known: Iterable[str]) -> bool:
    """Report whether one of the first names looks like a misspelt known one."""
    of = list(known)
    return any(nearest(name, of) is not None for name in itertools.islice(names, GUESSES))


def kind_of(header: Sequence[str]) -> str | None:
    """Return what sort of table it looks like, with an article; None if unknown."""
    if header[0].startswith(_TERRA):
        return "a Terra data table"
    return next((what for names, what in _BY_COLUMNS if names.issubset(header)), None)


def is_file(text: str) -> bool:
    """Report whether a cell names a file: a URI, a path, or a name with an extension of sequencing data."""
    return _FILE.fullmatch(text) is not None


def is_data(text: str) -> bool:
    """Report whether a text has an extension of sequencing data."""
    return _DATA.fullmatch(text) is not None


def is_reads(text: str) -> bool:
    """Report whether a text names a FASTQ file."""
    return text.endswith(_READS)


def is_foreign(header: Sequence[str], model: RequestModel) -> bool:
    """Report whether most columns other than ``id`` are neither fields nor misspelt ones.

    ``lane`` does not count: it may be batchrun's or a sequencer's. Beside an ``id``, a column that every run
    needs decides alone: in a sheet it would become a parameter, while the rows lack the field.
    """
    if "id" in header and not _OF_RUNS.isdisjoint(header) and kind_of(header) != RESULTS:
        return False
    others = [name for name in header if name not in {"id", LANE}]
    unknown = [name for name in others if not _is_column(name, model)]
    slips = sum(nearest(name.partition(".")[0], model.fields) is not None for name in unknown[:GUESSES])
    return len(unknown) - 2 * slips > len(others) - len(unknown)


def _is_column(header: str, model: RequestModel) -> bool:
    try:
        column(header, model)
    except ColumnError:
        return header.partition(".")[0].partition(":")[0] in {REQUEST_ID, *NEWER, *model.fields}
    return True
