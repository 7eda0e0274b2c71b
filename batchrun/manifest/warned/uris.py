"""
Values that are written like a place, and will not be read from there: miswritten S3, other clouds, paths.

HealthOmics reads ``s3://`` and ``omics://``. A path below ``/mnt/workflow/`` is one of its own, and those of
a container image (``/opt/``, ``/usr/``) are there when a task runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from batchrun.manifest.recognised.kinds import is_data
from batchrun.manifest.warned.kinds import Doubt, Kind
from batchrun.manifest.warned.shown import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrun.manifest.warned.columns import Company

_SOUND: Final = re.compile(r"(?:s3|omics)://[^/]")
#: What was meant to begin with s3://.
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
_WINDOWS: Final = re.compile(r"[A-Za-z]:[\\/]\S|\\\\[^\\\s]+\\\S")
_PATH: Final = re.compile(r"/[^/\s]+/+[^/\s]|~[^/\s]*/\S|\.\.?/\S|file:/", re.IGNORECASE)
_OWN: Final = re.compile(r"/(?:mnt/workflow|opt|usr|bin|etc|dev|proc|sys|lib)(?:/|\Z)")
_LOCAL: Final = Doubt(
    kind=Kind.LOCAL_PATH,
    says="is a path on a computer, where HealthOmics cannot read",
    cure="copy it to S3 (aws s3 cp) and write its s3:// URI",
)


def doubts(text: str, company: Company) -> Iterator[Doubt]:
    """Doubt a place, and note it for those that are doubted where others are of another kind."""
    if _SOUND.match(text):
        company.s3 = True
        company.files = True
    elif found := _meant(text):
        company.s3 = True
        company.files = True
        yield found
    elif _WINDOWS.match(text) or _is_local(text):
        company.files = True
        yield _LOCAL
    elif scheme := _URI.match(text):
        company.files = True
        yield _elsewhere(scheme[1].lower(), company)
    elif is_data(text):
        company.files = True
        if not text.startswith("/"):
            cure = "write the whole s3:// URI"
            says = "is a file's name alone, where others are s3:// URIs"
            yield Doubt(kind=Kind.NOT_S3, says=says, cure=cure, holds=company.has_s3)


def _meant(text: str) -> Doubt | None:
    """Doubt what means a place in S3, and is written otherwise; None for anything else."""
    if found := _MISWRITTEN.match(text):
        place = text[found.end() :].replace("\\", "/")
        return _s3("is no s3:// URI as it is written", place)
    if found := _ARN.fullmatch(text):
        return _s3("is an ARN, not an s3:// URI", found[1])
    if found := _WEB.match(text):
        place = found["path"] or f"{found['host']}/{found['key']}"
        return _s3("is the web address of an object in S3", place)
    return None


def _s3(says: str, place: str) -> Doubt:
    return Doubt(kind=Kind.NOT_S3, says=says, cure=f"write {visible(f's3://{place}')}", cause=says)


def _is_local(text: str) -> bool:
    return _PATH.match(text) is not None and not _OWN.match(text)


def _elsewhere(scheme: str, company: Company) -> Doubt:
    says = f"is a {scheme}:// URI, where others are in S3"
    cure = "copy it to S3 and write its s3:// URI: HealthOmics reads s3:// and omics://"
    return Doubt(kind=Kind.NOT_S3, says=says, cure=cure, holds=company.has_s3)
