"""One login to AWS: the region and the credentials that its clients share.

Logins of a launch that lead to the same credentials share them: twenty lanes over one profile run its helper
once, and ask for one code. Does not belong here: finding credentials (``credentials``), making clients
(``service.session``).
"""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from datetime import datetime
from typing import Any, Final

import anyio
from botocore.exceptions import BotoCoreError

from batchrun.errors import BatchrunError, CallError, UsageError
from batchrun.model.texts.foreign import is_loopback
from batchrun.service.classify import CLOCK
from batchrun.service.login.credentials import Credentials, Whose, configured_region
from batchrun.service.login.terminal import LoginTimes
from batchrun.service.login.words import cure, explained, unusable
from batchrun.service.target import Target

_USUAL: Final = LoginTimes()
#: Regions of AWS, and of what stands in for it.
_REGION: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
#: An availability zone such as us-east-1a; no region ends so.
_ZONE: Final = re.compile(r"([a-z]{2}(?:-[a-z]+)+-[0-9])[a-z]")


class Logins:
    """The credentials of a launch by what identifies them, each made on first use."""

    def __init__(self, limits: LoginTimes = _USUAL) -> None:
        self.roles: MutableMapping[str, Any] = {}
        self.terminal = anyio.Lock()
        self.has_lanes = False
        self._limits = limits
        self._known: dict[Whose, Credentials] = {}

    def of(self, target: Target) -> Credentials:
        """Return the credentials for *target*."""
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
        """Forget *used* and what it is based on, so that they are found anew; others' newer ones stay."""
        found: Credentials | None = used
        while found is not None:
            if self._known.get(found.whose) is found:
                del self._known[found.whose]
            found = found.source
        if used.roles is self.roles:
            self.roles = {}

    def _of(self, whose: Whose, region: str | None) -> Credentials:
        if whose not in self._known:
            self._known[whose] = Credentials(whose, region, self, self._limits)
        return self._known[whose]


def _local_sts(target: Target) -> str | None:
    """Return the local service that provides the role's keys where the runs are started on one."""
    url = target.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_OMICS")
    return url if url and is_loopback(url) else None


class Login:
    """One login, as options, environment and AWS's own files describe it.

    Its credentials are found once; :meth:`renewed` picks up a later login. Whatever needs credentials raises
    UsageError where the configuration cannot work, and ServiceUnusableError where there are none now.
    """

    def __init__(self, target: Target, *, limits: LoginTimes = _USUAL, among: Logins | None = None) -> None:
        """Describe the login; nothing is looked for yet. *limits* apply unless it is *among* others."""
        self.target = target
        self._among = among or Logins(limits)
        self._credentials = self._among.of(target)

    @property
    def session(self) -> Any:
        """The session to make clients with, shared by logins with the same credentials."""
        return self._credentials.session

    def renewed(self) -> Login:
        """Return a login for the same target whose credentials are found anew."""
        self._among.forget(self._credentials)
        return Login(self.target, among=self._among)

    def latest(self) -> Login:
        """Return the login for the same target that was found last: somebody else may have renewed it."""
        is_this = self._among.of(self.target) is self._credentials
        return self if is_this else Login(self.target, among=self._among)

    @property
    def has_worked(self) -> bool:
        """Whether there were keys to sign with at any time."""
        guard = self._credentials.guard
        return guard is not None and guard.has_keys

    def beside(self, target: Target) -> Login:
        """Return the login of another target, sharing credentials with this one where they are the same."""
        return self if target == self.target else Login(target, among=self._among)

    @property
    def region(self) -> str | None:
        """The region in use; AWS_REGION counts, as for every AWS tool but botocore.

        Raises:
            UsageError: There is no such profile, a file cannot be read, or it is no region's name.
        """
        try:
            region = self.target.region or configured_region(self.session)
        except BotoCoreError as error:
            raise explained(error, None, self._credentials.origin) from error
        zone = _ZONE.fullmatch(region or "")
        if region and (zone or not _REGION.fullmatch(region)):
            place, one = self._region_place(region), "us-east-1" if zone is None else zone[1]
            raise UsageError(f"{place}: {region!r} is not a region; give one such as {one}")
        return region

    def _region_place(self, region: str) -> str:
        if self.target.region is None:
            return self.named_by(region, "AWS_REGION", "AWS_DEFAULT_REGION")
        return "the lane's region" if self.target.is_lane else "--region"

    def named_by(self, value: str, *variables: str) -> str:
        """Return where *value* is set: a variable that begins with one of *variables*, or the profile."""
        found = (name for name, known in os.environ.items() if name.startswith(variables) and known == value)
        return next(found, self._credentials.origin.place(None))

    @property
    def place(self) -> str:
        """Where its credentials are configured, in words."""
        return self._credentials.origin.place(self._credentials.provider)

    @property
    def kind(self) -> str | None:
        """Botocore's name of the provider that has its credentials; None where none has."""
        return self._credentials.provider

    @property
    def is_nobodys(self) -> bool:
        """Whether there are no credentials, and no profile is named: only a local service is called so."""
        return self.kind is None and not self._credentials.origin.is_named

    @property
    def expires(self) -> datetime | None:
        """When the keys in use expire, aware; None for never or unknown."""
        guard = self._credentials.guard
        return None if guard is None else guard.expires

    @property
    def cure(self) -> str:
        """What to do where a service rejects its credentials."""
        return cure(self._credentials.provider, self._credentials.origin)

    def unusable(self, error: Exception) -> BatchrunError:
        """Return the error for a client that cannot be made because of *error*, botocore's."""
        return unusable(error, self._credentials.origin)

    def rejected(self, error: CallError) -> str:
        """Return why a service rejects what is signed with it, where that is configured, and the cure."""
        if error.status is None:  # the login's own error says all of it
            return error.message.removesuffix("; nothing is lost")
        if error.code == CLOCK:
            return error.message
        return f"the service does not accept the AWS credentials of {self.place} ({error.code}); {self.cure}"

    async def has_credentials(self, *, is_local: bool) -> bool:
        """Find keys to sign with, and report whether there are any; there must be unless *is_local*."""
        _ = self.region  # read first, for our own error: roles are assumed there
        return await self._credentials.find(is_local=is_local)

    async def keep(self) -> None:
        """Check that the keys are still valid, and renew them where they are not."""
        await self._credentials.keep()

    async def access_key(self) -> str | None:
        """Return the access key in use, which tells credentials apart, or None."""
        guard = self._credentials.guard
        return None if guard is None else str((await guard.get_frozen_credentials()).access_key)


def profile_of(target: Target) -> str:
    """Return the name of the profile in use, or an empty text."""
    return target.profile or os.environ.get("AWS_DEFAULT_PROFILE") or os.environ.get("AWS_PROFILE", "")
