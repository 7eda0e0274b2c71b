"""Places that runs are to read, and what can be seen of them beforehand."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class PlaceKind(enum.Enum):
    """What is to be looked for in S3. Values are stored text."""

    OBJECT = "object"
    PREFIX = "prefix"  #: ends with a slash: anything under it
    PATTERN = "pattern"  #: a glob: anything that it matches


class Skip(enum.Enum):
    """Why a text that looks like a place is skipped. Values are told with --json."""

    OTHER_SCHEME = "other_scheme"  #: ``https://``, ``gs://``
    OMICS = "omics"  #: ``omics://``: read sets and references
    ARN = "arn"  #: of a bucket, an access point, a read set
    WORKFLOW_PATH = "workflow_path"  #: ``/mnt/workflow/``: where runs work
    LOCAL_PATH = "local_path"  #: of a machine that no run can read
    MISSPELT = "misspelt"  #: ``S3://``, ``s3:/``, quotes or white space around it
    PLACEHOLDER = "placeholder"  #: ``${...}``: the workflow's to fill in
    WITHIN_TEXT = "within_text"  #: ``s3://`` in the middle of something else
    OUTPUT = "output"  #: a parameter that is named like an output: nothing has to be there yet
    OWN_SHEET = "own_sheet"  #: batchrun itself writes it before the run


class Sight(enum.Enum):
    """What was seen of a place. Values are stored text, and told with --json."""

    THERE = "there"
    MISSING = "missing"  #: no such object
    EMPTY = "empty"  #: nothing under the prefix
    UNMATCHED = "unmatched"  #: nothing that the pattern matches
    NO_BUCKET = "no_bucket"
    ARCHIVED = "archived"  #: there, but not to be read before it is restored
    RESTORING = "restoring"  #: the same, and on its way back
    DENIED = "denied"  #: there, but not for the caller to read
    HIDDEN = "hidden"  #: not to be told from what is not there, for want of permission
    TOO_MANY = "too_many"  #: so many objects that not all were held against the pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPlace:
    """Something to look for."""

    kind: PlaceKind
    uri: str  #: ``s3://BUCKET/KEY``
    pays: bool = False  #: whether the caller pays where the bucket asks for that: ``requesterPaysEnabled``

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.uri.removeprefix("s3://").partition("/")[0]

    @property
    def key(self) -> str:
        """What follows the bucket's name and a slash; empty for all of a bucket."""
        return self.uri.removeprefix("s3://").partition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What a bucket says of itself."""

    name: str
    exists: bool = True
    may_list: bool = (
        False  #: whether the caller may; without that, what is not there looks like what is denied
    )
    region: str | None = None  #: None where it does not say
