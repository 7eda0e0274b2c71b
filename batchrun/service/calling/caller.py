"""Which account's credentials calls are made with: it must stay the same for a whole session.

STS is asked whenever the keys are new, and the ARN in each answer of HealthOmics confirms it. Does not belong
here: whether it is a batch's account (``api.session``).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

import anyio
import structlog

from batchrun.errors import CredentialsError
from batchrun.model.lanes import account_of
from batchrun.model.texts.foreign import is_loopback, masked
from batchrun.service.login import Login
from batchrun.service.session import identity_client, own_endpoint
from batchrun.service.wire import table

#: Seconds to wait for an answer, which is not essential.
_PATIENCE: Final = 3.0
#: Its own host names, and those of VPC endpoints that lead to it.
_AWS: Final = re.compile(
    r"(vpce-[a-z0-9-]+\.)?(workflows-)?omics(-fips)?\.[a-z0-9-]+\.((vpce\.)?amazonaws\.com(\.cn)?|api\.aws)"
)
_ACCOUNT: Final = re.compile("[0-9]{12}")
#: Stands for whichever start comes first.
_ANY: Final = object()
log = structlog.get_logger(__name__)


class Caller:
    """The account of the credentials in use, shared by the launches of a session."""

    def __init__(self) -> None:
        #: The only account that answers may come from; None while unknown.
        self.account: str | None = None
        self.logins = 0  #: how many access keys were in use so far
        self._is_told = False  #: whether an answer to the keys in use confirmed it
        #: The account of the last answer where it is another one, until an answer from the right one comes.
        self._elsewhere: str | None = None
        #: The start that may be sent meanwhile to find out, since its run exists already; None: no start.
        self._asker: object = None
        self._asked: tuple[str | None, str | None] | None = None  #: an access key, and its account by STS
        self._one_at_a_time = anyio.Lock()

    @property
    def is_known(self) -> bool:
        """Whether the keys in use are known to be the account's."""
        return self._is_told and self._elsewhere is None

    @property
    def is_elsewhere(self) -> bool:
        """Whether the last answer came from another account."""
        return self._elsewhere is not None

    def expect(self, account: str | None) -> None:
        """Accept only answers from *account*, unless the account is known already."""
        self.account = self.account or account

    async def ask(self, login: Login, endpoint: str) -> None:
        """Ask STS for the account of *login*, unless it was asked about these keys before.

        Raises:
            CredentialsError: It is another account than before.
        """
        key = await login.access_key()
        if not self._has_asked(key):  # no lock in the usual case, since each call comes here
            async with self._one_at_a_time:
                if not self._has_asked(key):
                    self._asked = key, await _asked(login, endpoint)
                    self.logins += 1
                    # Answers to older keys say nothing about these: one start may find out.
                    self._is_told, self._asker = False, self._asker or _ANY
                    self._check(self._asked[1], login, "GetCallerIdentity")
        # STS answered before: that takes back nothing of what answers have shown since.
        if self._asked is not None and self._asked[1] not in {None, self.account}:
            raise self._other_account(str(self._asked[1]), login, "GetCallerIdentity")

    def _has_asked(self, key: str | None) -> bool:
        return self._asked is not None and self._asked[0] == key

    async def ask_again(self, login: Login, endpoint: str) -> None:
        """Ask about keys that are new since :meth:`ask`; does nothing where that was never called."""
        if self._asked is not None:
            await self.ask(login, endpoint)

    def check_arn(self, arn: object, login: Login, operation: str) -> None:
        """Check the ARN in an answer.

        Raises:
            CredentialsError: It is in another account than those of earlier answers.
        """
        self._check(account_of(arn) if isinstance(arn, str) else None, login, operation)

    def check_start(self, start: object, login: Login, operation: str) -> None:
        """Check that *start* may be sent: in another account it would start a second run.

        Only one that has a run there already may find out, by the same bytes, whether it is still that
        account.

        Raises:
            CredentialsError: The last answer came from another account.
        """
        if self._elsewhere is None:
            return
        if self._asker is _ANY:
            self._asker = start
        if self._asker is not start:
            raise self._other_account(self._elsewhere, login, operation)

    def started_elsewhere(self, start: object) -> None:
        """Let *start*, whose answer came from another account, be the one that finds out."""
        if self._elsewhere is not None and self._asker is None:
            self._asker = start

    def finished(self, start: object) -> None:
        """Note that *start* is not retried any more: the next one finds out."""
        if self._asker is start:
            self._asker = _ANY

    def check_missing(self, login: Login, operation: str) -> None:
        """Raise CredentialsError where a run may be missing because another account was asked."""
        if self._elsewhere is not None:
            raise self._other_account(self._elsewhere, login, operation)

    def _check(self, account: str | None, login: Login, operation: str) -> None:
        if account is None:
            return
        if self.account not in {None, account}:
            self._elsewhere = account
            raise self._other_account(account, login, operation)
        self.account, self._is_told = account, True
        self._elsewhere = self._asker = None

    def _other_account(self, account: str, login: Login, operation: str) -> CredentialsError:
        return CredentialsError(
            f"{login.place}: its credentials are of account {account}, and the runs are in account "
            f"{self.account}; {login.cure}, then run the same command again; nothing is lost",
            operation=operation,
            code="OtherAccount",
        )


async def _asked(login: Login, omics_endpoint: str) -> str | None:
    own = own_endpoint(login, "sts")
    endpoint = omics_endpoint if is_loopback(omics_endpoint) and own is None else None
    if endpoint is None and own is None and not is_aws(omics_endpoint):
        return None  # a HealthOmics other than AWS's need not have an STS
    try:
        async with identity_client(login, endpoint_url=endpoint, patience=_PATIENCE) as client:
            with anyio.move_on_after(_PATIENCE):  # making a client does not count
                account = table(await client.get_caller_identity()).get("Account")
                return account if isinstance(account, str) and _ACCOUNT.fullmatch(account) else None
    except Exception as error:  # noqa: BLE001 (whatever is wrong with the keys, HealthOmics will say)
        log.debug("account_not_told", error=masked(str(error)))
    return None


def is_aws(omics_endpoint: str) -> bool:
    """Report whether the endpoint is AWS's own HealthOmics, in any region."""
    return _AWS.fullmatch(urlsplit(omics_endpoint).hostname or "") is not None
