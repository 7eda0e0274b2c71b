"""Which HealthOmics to call, as the user chose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from batchrun.model.lanes import Lane

#: Seconds that a login helper may take to sign the first call: it may ask the user.
_SIGNING: Final = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which HealthOmics to call, with which timeouts. None: as the AWS configuration says."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    role: str | None = None  #: ARN of a role to assume, with the profile's credentials
    external_id: str | None = None  #: for a role whose trust policy asks for one
    is_lane: bool = False  #: whether a lane names it, and not a command's options
    connect_timeout: float = 5.0  #: seconds; a connection takes milliseconds or fails
    read_timeout: float = 30.0  #: seconds for a whole answer, which takes well under one
    connections: int = 72  #: in the pool; at least as many as calls in flight

    @property
    def call_timeout(self) -> float:
        """Seconds after which a call is abandoned, its signature included."""
        return _SIGNING + self.connect_timeout + self.read_timeout

    @property
    def longest_wait(self) -> float:
        """Seconds to wait for a signed call that the client retries itself."""
        return 2 * (self.connect_timeout + self.read_timeout)


#: As the AWS configuration says, in everything.
CONFIGURED: Final = Target()


def target_of(lane: Lane, base: Target) -> Target:
    """Return the target of *lane*; what the lane leaves out is as in *base*."""
    return replace(
        base,
        profile=lane.profile or base.profile,
        region=lane.region or base.region,
        endpoint_url=lane.endpoint_url or base.endpoint_url,
        role=lane.role,
        external_id=lane.external_id,
        is_lane=lane.name != "",
    )
