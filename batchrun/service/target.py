"""
Which HealthOmics to talk to, as the user said it.

Belongs here: the values, and nothing that takes long to import: a batch that has ended is told again without
a client. Does not: making a client of them (``session``).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which HealthOmics to talk to, and how patiently. None means: as the AWS configuration says."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    connect_timeout: float = 5.0  #: seconds; a connection takes milliseconds or does not come about
    read_timeout: float = 30.0  #: seconds; an answer takes well under a second, so this one is lost
    connections: int = 72  #: in the pool; at least as many as calls in the air
