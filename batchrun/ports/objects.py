"""Files in S3: those to read, those to write, and the places that runs are to read.

Reading a manifest is synchronous, and finds the files it needs on the way; calling S3 is asynchronous. So a
reader gets an object that makes local copies, and reads these like any file. An output is written whole, once
it is complete.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path


class Objects(ABC):
    """Files in S3 to read, by ``s3://BUCKET/KEY``."""

    @abstractmethod
    def opened(self, uri: str, *, most: int) -> BinaryIO:
        """Open a copy of an object of at most *most* bytes; it is fetched once, however often it is read.

        Raises:
            ManifestError: It is not there, or cannot be a manifest's file.
            UsageError: The AWS configuration cannot be used.
            ServiceUnusableError: It may not be read, or S3 cannot be asked; says what to do.
            OSError: The copy cannot be written.
        """


class ObjectStore(ABC):
    """Places in S3 to write to, by ``s3://BUCKET/KEY``.

    Every method may raise UsageError where the AWS configuration cannot be used, and ServiceUnusableError
    where S3 cannot be asked, or refuses; it says what to do.
    """

    @abstractmethod
    async def mark(self, uri: str) -> str | None:
        """Return the object's mark, "" for none; None where no object can be seen."""

    @abstractmethod
    async def put(self, uri: str, file: Path, *, mark: str, replaces: bool) -> bool:
        """Write *file* as a whole object with *mark*.

        Returns False, without writing, where an object is there and *replaces* is not set.
        """


class SettingsStore(ABC):
    """Places in S3 for the files that have the rows of large submissions."""

    @abstractmethod
    async def keep(self, uri: str, body: bytes) -> None:
        """Write a whole file to *uri*, ``s3://BUCKET/KEY`` with a digest in it; it is there on return.

        Safe to repeat or cancel. An object of the same length is left alone: a batch fails when its file
        changes.

        Raises:
            UsageError: The AWS configuration cannot be used.
            ServiceUnusableError: It cannot be written, or something else is there; says what to do.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPlace:
    """Where the settings files of one lane are kept, and the login that writes them."""

    store: SettingsStore
    prefix: str  #: ``s3://BUCKET/PREFIX/``


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSheet:
    """A sheet for one run."""

    uri: str  #: its place: ``s3://BUCKET/KEY``, with a digest of the content
    content: bytes


class SheetWriter(ABC):
    """Writes sheets to the places where workflows read them."""

    @abstractmethod
    async def write(self, sheet: OwnSheet) -> None:
        """Write a sheet; it is there on return. Safe to repeat or cancel.

        Raises:
            ServiceUnusableError: It cannot be written; says why, and what to do.
        """


class PlaceKind(enum.Enum):
    """What to look for in S3. Values are stored text."""

    OBJECT = "object"
    PREFIX = "prefix"  #: ends with a slash: anything under it
    PATTERN = "pattern"  #: a glob: anything that it matches


class Skip(enum.Enum):
    """Why a text that looks like a place is skipped. Values are shown with --json."""

    OTHER_SCHEME = "other_scheme"  #: ``https://``, ``gs://``
    OMICS = "omics"  #: ``omics://``: read sets and references
    ARN = "arn"  #: of a bucket, an access point, a read set
    WORKFLOW_PATH = "workflow_path"  #: ``/mnt/workflow/``: where runs work
    LOCAL_PATH = "local_path"  #: of a machine that no run can read
    MISSPELT = "misspelt"  #: ``S3://``, ``s3:/``, quotes or white space around it
    PLACEHOLDER = "placeholder"  #: ``${...}``: the workflow's to fill in
    WITHIN_TEXT = "within_text"  #: ``s3://`` in the middle of something else
    OUTPUT = "output"  #: a parameter named like an output: nothing has to be there yet
    OWN_SHEET = "own_sheet"  #: batchrun itself writes it before the run


class Sight(enum.Enum):
    """What was seen at a place. Values are stored text, and shown with --json."""

    THERE = "there"
    MISSING = "missing"  #: no such object
    EMPTY = "empty"  #: nothing under the prefix
    UNMATCHED = "unmatched"  #: nothing that the pattern matches
    NO_BUCKET = "no_bucket"
    ARCHIVED = "archived"  #: there, but unreadable until it is restored
    RESTORING = "restoring"  #: archived, and being restored
    DENIED = "denied"  #: there, but not for the caller to read
    HIDDEN = "hidden"  #: perhaps not there: without permission the two look alike
    TOO_MANY = "too_many"  #: too many objects to compare all with the pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPlace:
    """A place to look for."""

    kind: PlaceKind
    uri: str  #: ``s3://BUCKET/KEY``
    pays: bool = False  #: whether the caller agrees to pay: ``requesterPaysEnabled``

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.uri.removeprefix("s3://").partition("/")[0]

    @property
    def key(self) -> str:
        """The key; empty for a whole bucket."""
        return self.uri.removeprefix("s3://").partition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What is known of a bucket."""

    name: str
    exists: bool = True
    #: Whether the caller may list it; else a missing object looks like a denied one.
    may_list: bool = False
    region: str | None = None  #: None where unknown
