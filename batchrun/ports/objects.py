"""
Files in S3, for whoever reads files.

Reading a manifest is synchronous, and finds out on the way which files it needs; calling S3 is not. So
whoever reads is given this, which has a copy made on this machine, and reads that like any file.

Belongs here: the port. Does not: calling S3 (``service``), filling the port (``api``), what is read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import BinaryIO


class Objects(ABC):
    """Files in S3, by ``s3://BUCKET/KEY``."""

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
