"""
An HTTP request, read.

What does not belong here: reading it off a socket (``http``), and what it asks for (``server``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchrun.simulator.identities import signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.simulator.identities import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One request."""

    method: str
    path: str  #: as it was sent, escapes and all
    query: str  #: likewise
    body: bytes
    content_type: str
    target: str = ""  #: the operation, where a service puts it into a header
    authorization: str = ""  #: the signature, which says what service and region it is for
    headers: Mapping[str, str] = field(default_factory=dict)  #: all of them, by names in lower case

    @property
    def signature(self) -> Signature | None:
        """Who signed it, for which region and service."""
        return signature(self.authorization)
