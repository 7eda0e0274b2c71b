"""Rules for texts that name places which HealthOmics cannot read: misspelt, local, or of another cloud.

It reads ``s3://`` and ``omics://``. A path below ``/mnt/workflow/`` is its own, and paths of a container
image (``/opt/``, ``/usr/``) exist when a task runs. Does not belong here: other doubts about a text
(``texts``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from batchrun.manifest.recognised.kinds import is_data, is_reads
from batchrun.manifest.warned.found import Company, Doubt, WarningKind, visible

_SOUND: Final = re.compile(r"(?:s3|omics)://[^/]")
#: What is copied with an element of a list.
_SEPARATORS: Final = {",": "comma", ";": "semicolon"}
#: Unfilled variables of templates or shells in a bucket's name; ``{NAME}`` is filled in by batchrun.
_OPEN: Final = re.compile(
    r"s3://((?:[^/{}<>$]|\{(?!(?:aws|your|account)-)[^{}]*\})*+[{}<>$][^/]*"
    r"|(?:[A-Z][A-Z_-]*|(?:your[-_]|amzn-s3-demo-)[^/]*)(?=/|\Z))"
)
#: Misspelt forms of s3://.
_MISWRITTEN: Final = re.compile(r"s3(?:[:;][/\\]*|[/\\]{2,})(?=[^/\\\s])", re.IGNORECASE)
_ARN: Final = re.compile(r"arn:aws[a-z-]*:s3:::(.+)")
_WEB: Final = re.compile(
    r"https?://(?:"
    r"(?P<host>[a-z0-9][a-z0-9.-]+)\.s3[.-](?:[a-z0-9-]+\.)*amazonaws\.com(?:\.cn)?/(?P<key>[^?#]+)"
    r"|s3[.-](?:[a-z0-9-]+\.)*amazonaws\.com(?:\.cn)?/(?P<path>[^?#]+)"
    r")",
    re.IGNORECASE,
)
_URI: Final = re.compile(r"(?!(?:arn|urn):)([A-Za-z][A-Za-z0-9+.-]{1,20}):/+\S")
#: Schemes that take another cloud's login; a workflow may fetch from the others by itself.
_OF_OTHERS: Final = frozenset(
    {"gs", "az", "abfs", "abfss", "wasb", "wasbs", "drs", "dx", "ica", "s3a", "s3n"}
)
_PATH: Final = re.compile(
    r"/[^/\s]+/+[^/\s]|~[^/\s]*/\S|\.\.?/\S|file:/|[a-z]:[\\/]\S|\\\\[^\\\s]+\\\S", re.IGNORECASE
)
_OWN: Final = re.compile(r"/(?:mnt/workflow|opt|usr|bin|etc|dev|proc|sys|lib)(?:/|\Z)")
_LOCAL: Final = Doubt(
    WarningKind.LOCAL_PATH,
    "is a local path, which HealthOmics cannot read",
    "copy it to S3 (aws s3 cp) and write its s3:// URI",
)

#: A variable of a shell, or of Nextflow, as samplesheets beside a pipeline have them.
_VARIABLE: Final = re.compile(r"\$(?:[A-Za-z_]\w*|\{+[\w.]+\}+)[/\\]|%\w+%[/\\]")
#: A name that is to be replaced, as templates have it: <sample>.bam, {{ sample }}.bam.
_BLANK: Final = re.compile(r"<[A-Za-z_][\w -]*>|\{{1,2} [A-Za-z_][\w.]* \}\}")
_UNFILLED: Final = Doubt(
    WarningKind.PLACEHOLDER,
    "begins with a variable, which nobody fills in",
    "write the whole s3:// URI",
)


def of_place(text: str, company: Company) -> Iterator[Doubt]:
    """Yield doubts about a place, and note its kind for doubts about others of its column.

    The first kind that fits counts: what is misspelt looks like a local path or another URI too.
    """
    if _SOUND.match(text):
        company.s3 = company.files = True
        if left := _OPEN.match(text):
            says = "has a bucket's name that was not filled in"
            yield Doubt(WarningKind.NOT_S3, says, "write the bucket's name", at=left.start(1))
        if text[-1] in _SEPARATORS:
            says = f"has a {_SEPARATORS[text[-1]]} behind it"
            yield Doubt(WarningKind.NOT_S3, says, "remove it", at=len(text))
    elif found := _meant(text):
        company.s3 = company.files = True
        yield found
    elif is_local(text):
        company.files = True
        yield _LOCAL
    elif scheme := _URI.match(text):
        company.files = True
        yield _elsewhere(scheme[1].lower(), company)
    elif is_data(text):
        company.files = True
        yield from _of_file(text, company)


def _of_file(text: str, company: Company) -> Iterator[Doubt]:
    """Yield a doubt about a text that ends as a file of sequencing data."""
    if _VARIABLE.match(text):
        yield _UNFILLED
    elif found := _BLANK.search(text):
        says = f"has {visible(found[0])} in it, which nobody fills in"
        yield Doubt(kind=WarningKind.PLACEHOLDER, says=says, cure="write the whole s3:// URI")
    elif not text.startswith("/"):
        yield _nowhere(text, company)


def _nowhere(text: str, company: Company) -> Doubt:
    """Return a doubt about a file's name, or a relative path."""
    is_name = text[0].isalnum() and "{" not in text and "*" not in text  # and no ending, such as _R1.fastq.gz
    is_input = is_name and company.are_mates and is_reads(text)
    if is_input and "/" in text:
        return _LOCAL
    says, cure = "is a file's name alone", "write the whole s3:// URI"
    if is_input:
        return Doubt(WarningKind.NOT_S3, says, cure)
    return Doubt(WarningKind.NOT_S3, f"{says}, where others are s3:// URIs", cure, holds=lambda: company.s3)


def _meant(text: str) -> Doubt | None:
    """Return a doubt about a misspelt place in S3."""
    if found := _MISWRITTEN.match(text):
        place = text[found.end() :].replace("\\", "/")
        return _s3("is not a valid s3:// URI", place)
    if found := _ARN.fullmatch(text):
        return _s3("is an ARN, not an s3:// URI", found[1])
    if found := _WEB.match(text):
        place = found["path"] or f"{found['host']}/{found['key']}"
        return _s3("is the web address of an object in S3", place)
    return None


def _s3(says: str, place: str) -> Doubt:
    return Doubt(WarningKind.NOT_S3, says, f"write {visible(f's3://{place}')}", cause=says)


def is_local(text: str) -> bool:
    """Report whether a text is a path on somebody's machine."""
    return _PATH.match(text) is not None and not _OWN.match(text)


def _elsewhere(scheme: str, company: Company) -> Doubt:
    cure = "copy it to S3 and write its s3:// URI: HealthOmics reads s3:// and omics://"
    if scheme in _OF_OTHERS:
        return Doubt(WarningKind.NOT_S3, f"is a {scheme}:// URI, and not in S3", cure)
    says = f"is a {scheme}:// URI, where others are in S3"
    return Doubt(WarningKind.NOT_S3, says, cure, holds=lambda: company.s3)
