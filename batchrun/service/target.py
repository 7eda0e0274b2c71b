"""Which HealthOmics to talk to, as the user said it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchrun.model.lanes import Lane

#: Seconds that a login helper may take to sign the first call: it may have to ask somebody.
_SIGNING: Final = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which HealthOmics to talk to, and how patiently. None means: as the AWS configuration says."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    role: str | None = None  #: ARN of a role to assume, with the profile's credentials
    external_id: str | None = None  #: what the role's trust policy may ask for
    is_lane: bool = False  #: whether a lane says so, and not the options of a command
    connect_timeout: float = 5.0  #: seconds; a connection takes milliseconds or does not come about
    read_timeout: float = 30.0  #: seconds for all of an answer; it takes well under one, so this one is lost
    connections: int = 72  #: in the pool; at least as many as calls in the air

    @property
    def call_timeout(self) -> float:
        """Seconds after which a call is given up, its signature included."""
        return _SIGNING + self.connect_timeout + self.read_timeout

    @property
    def longest_wait(self) -> float:
        """Seconds after which nobody waits any more for a call that was signed, and is repeated meanwhile."""
        return 2 * (self.connect_timeout + self.read_timeout)


#: As the AWS configuration says, in everything.
CONFIGURED: Final = Target()


def target_of(lane: Lane, base: Target) -> Target:
    """Return how *lane* is reached: as it says, with the patience of *base*."""
    return replace(
        base,
        profile=lane.profile or base.profile,
        region=lane.region or base.region,
        endpoint_url=lane.endpoint_url or base.endpoint_url,
        role=lane.role,
        external_id=lane.external_id,
        is_lane=lane.name != "",
    )
