"""
Sheets that runs have of their own: what is to be written before a run is started, and who writes it.

Belongs here: the value and the port. Does not: making them (``manifest``), writing them (``service``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


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
