"""
The right to write to a batch.

Belongs here: what a lease is. Does not: how it is claimed and renewed (``ledger``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write to a batch, until it runs out or another launcher takes it over."""

    batch: str
    holder: str  #: who holds it, for people: ``host:pid``
    fence: int  #: grows by one with each claim; a write with an older fence is refused
    expires_at: datetime
