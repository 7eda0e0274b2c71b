"""
The logins of one launch: what leads to the same credentials has the same, found once.

Twenty lanes over one profile ask its helper once, and its person for one code.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import anyio

from batchrun.model.foreign import is_loopback
from batchrun.service.login.credentials import Credentials, Whose
from batchrun.service.login.limits import Limits

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from batchrun.service.target import Target

_USUAL: Final = Limits()


class Logins:
    """Credentials by whose they are; each is made when it is first wanted."""

    def __init__(self, limits: Limits = _USUAL) -> None:
        """Begin with none, each of which may take as long as *limits* say."""
        self.roles: MutableMapping[str, Any] = {}
        self.terminal = anyio.Lock()
        self.has_lanes = False
        self._limits = limits
        self._known: dict[Whose, Credentials] = {}

    def of(self, target: Target) -> Credentials:
        """Return the credentials that *target* is called with."""
        self.has_lanes = self.has_lanes or target.is_lane
        role = target.role
        whose = Whose(
            profile=target.profile,
            role=role,
            external_id=None if role is None else target.external_id,
            sts_url=None if role is None else _local_sts(target),
        )
        return self._of(whose, target.region)

    def of_profile(self, profile: str | None, region: str | None) -> Credentials:
        """Return those of a profile."""
        return self._of(Whose(profile=profile), region)

    def forget(self, used: Credentials) -> None:
        """Look for *used* anew, and for all that it stands on, unless somebody else has done so already."""
        one: Credentials | None = used
        while one is not None:
            if self._known.get(one.whose) is one:
                del self._known[one.whose]
            one = one.source
        if used.roles is self.roles:
            self.roles = {}

    def _of(self, whose: Whose, region: str | None) -> Credentials:
        if whose not in self._known:
            self._known[whose] = Credentials(whose, region, self, self._limits)
        return self._known[whose]


def _local_sts(target: Target) -> str | None:
    """Return the local service that lends the role's keys where the runs are started on one."""
    url = target.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_OMICS")
    return url if url and is_loopback(url) else None
