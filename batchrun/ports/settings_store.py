"""Files of run settings, which the service reads where the rows of a batch are too many for one request."""

from __future__ import annotations

from abc import ABC, abstractmethod


class SettingsStore(ABC):
    """Places in S3 where such files are kept."""

    @abstractmethod
    async def keep(self, uri: str, body: bytes) -> None:
        """
        Write a file, whole; it is there when this returns. To repeat it, or to give it up, does no harm.

        What is there already, as long as *body*, is left alone: a batch fails when its file changes.

        Args:
            uri: Where it is to be: ``s3://BUCKET/KEY``, with a digest of the content.
            body: The content.

        Raises:
            UsageError: The AWS configuration cannot be used.
            ServiceUnusableError: It cannot be written, or something else is there; says what to do.
        """
