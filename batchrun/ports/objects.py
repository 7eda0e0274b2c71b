"""
Files in S3, for whoever reads files or leaves some there, and the sheets that runs have of their own.

Reading a manifest is synchronous, and finds out on the way which files it needs; calling S3 is not. So
whoever reads is given what has a copy made on this machine, and reads that like any file. An output is
written whole, once it is known, by those who can wait for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path


class Objects(ABC):
    """Files in S3 to read, by ``s3://BUCKET/KEY``."""

    @abstractmethod
    def opened(self, uri: str, *, most: int) -> BinaryIO:
        """
        Open a copy of an object, from its beginning; it is fetched once, however often it is read.

        Args:
            uri: A place that can be one.
            most: Bytes; what has more is not read.

        Raises:
            ManifestError: It is not there, or cannot be what is wanted.
            UsageError: The AWS configuration cannot be used.
            ServiceUnusableError: It may not be read, or S3 cannot be asked; says what to do.
            OSError: The copy cannot be written.
        """


class ObjectStore(ABC):
    """
    Places in S3 to write to, by ``s3://BUCKET/KEY``.

    Every method may raise UsageError where the AWS configuration cannot be used, and ServiceUnusableError
    where S3 cannot be asked, or refuses; it says what to do.
    """

    @abstractmethod
    async def mark(self, uri: str) -> str | None:
        """Return what the object was marked as, "" where it is not; None where none is there to be seen."""

    @abstractmethod
    async def put(self, uri: str, file: Path, *, mark: str, replaces: bool) -> bool:
        """
        Write *file* as an object, whole, marked as what it is.

        Without *replaces*, where something is there, nothing is written, and the answer is False.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSheet:
    """A sheet for one run."""

    uri: str  #: where it is to be: ``s3://BUCKET/KEY``, with a digest of the content
    content: bytes


class SheetWriter(ABC):
    """Writes sheets to where workflows read them."""

    @abstractmethod
    async def write(self, sheet: OwnSheet) -> None:
        """
        Write a sheet; it is there when this returns. To repeat it, or to give it up on the way, does no harm.

        Raises:
            ServiceUnusableError: It cannot be written; says why, and what to do.
        """
