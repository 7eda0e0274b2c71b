"""
The operations of HealthOmics, over aiobotocore, answered in our own terms.

Belongs here: which operation is called with what. Does not: how a call is paced and repeated (``calls``), or
what an outcome means for an entry (``model``).
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from batchrun.errors import (
    CallError,
    CredentialsError,
    OutcomeUnknownError,
    RefusedError,
    ThrottledError,
)
from batchrun.model.account import account_of
from batchrun.model.foreign import masked
from batchrun.model.states import GOING_STATUSES
from batchrun.ports.service import HealthOmics
from batchrun.service.call_retries import CallRetries, RetrySettings
from batchrun.service.caller import Caller
from batchrun.service.calls import Calls
from batchrun.service.classify import classify, unparsable
from batchrun.service.listing import runs
from batchrun.service.login import profile_of
from batchrun.service.outage import CredentialsWatch, OutageWatch, Patience
from batchrun.service.pacing import AllTurns
from batchrun.service.quota import quotas, start_run_quota
from batchrun.service.tasks import failed_tasks, run_tasks
from batchrun.service.usage import usage
from batchrun.service.wire import sighted, started
from batchrun.service.workflows import workflow

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from types_aiobotocore_omics import OmicsClient

    from batchrun.clock import Clock
    from batchrun.model.costs import Usage
    from batchrun.model.entry import Run, Sighting
    from batchrun.model.listing import Listed
    from batchrun.model.pace import Learned, Rate
    from batchrun.model.quotas import Quotas
    from batchrun.model.spec import Json
    from batchrun.model.tasks import FailedTasks, RunTask
    from batchrun.ports.commons import SharedPaces
    from batchrun.ports.service import CallCounts, Troubles
    from batchrun.ports.workflows import Workflow, WorkflowKey
    from batchrun.service.login import Login
    from batchrun.service.target import Target

T = TypeVar("T")
#: Seconds before its turn at which a start is told of it: a commit to disk takes less.
_EARLY: Final = 0.02
log = structlog.get_logger(__name__)


@asynccontextmanager
async def connect(
    target: Target,
    *,
    rate: Rate,
    read_rate: Rate,
    clock: Clock,
    rng: random.Random,
    retry: RetrySettings | None = None,
    patience: Patience | None = None,
    login: Login | None = None,
) -> AsyncIterator[AwsHealthOmics]:
    """
    Connect to the service.

    Args:
        target: Which service.
        rate: How fast to call StartRun.
        read_rate: How fast to call each other operation.
        clock: The time.
        rng: Where the jitter comes from.
        retry: The numbers of the retry policy.
        patience: How long to put up with silence and with missing credentials.
        login: One that was made of *target* already, to begin with.

    Raises:
        UsageError: No region or no such profile.
        ServiceUnusableError: No credentials.
    """
    async with AsyncExitStack() as stack:
        patience = patience or Patience()
        credentials = CredentialsWatch(target, patience, clock, login)
        stack.push_async_callback(credentials.close)
        client = await credentials.open()
        yield AwsHealthOmics(
            Calls(
                AllTurns(rate=rate, read_rate=read_rate, clock=clock),
                CallRetries(retry or RetrySettings(), clock=clock, rng=rng),
                OutageWatch(patience, masked(client.meta.endpoint_url), clock, is_lane=target.is_lane),
                credentials,
                clock,
                Caller(),
            )
        )


class AwsHealthOmics(HealthOmics):
    """HealthOmics over aiobotocore. Made by :func:`connect`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._account: str | None = None  #: whose the runs are that are asked for
        self._strays: set[str] = set()  #: runs of ours in another account, each warned of once

    def apart(self, *, waits: bool = True) -> AwsHealthOmics:
        """
        Return the same service to a launch that goes on beside others.

        It has a guard, a hurry and troubles of its own; clients, paces and patience are shared. Unless it
        *waits*, credentials that were good and are not any more end it at once.
        """
        return AwsHealthOmics(self._calls.apart(waits=waits))

    @property
    def _client(self) -> OmicsClient:
        return self._calls.client

    @property
    def login(self) -> Login:
        """The login in force, for clients of other services."""
        return self._calls.login

    async def ask_account(self) -> str | None:
        """
        Ask STS whose credentials are in use, once for the same ones; None where nobody can say.

        Raises:
            CredentialsError: They are another account's than those that were used before.
        """
        await self._calls.caller.ask(self.login, self.endpoint)
        return self.number if self._calls.caller.is_known else None

    @property
    def number(self) -> str | None:
        """The account that answers come from, or are expected from; None where nobody knows."""
        return self._calls.caller.account

    def expect(self, account: str | None) -> None:
        """Work from now on for a batch whose runs are in *account*: no other's answers count."""
        self._account = account
        self._calls.caller.expect(account)

    @property
    def is_account_known(self) -> bool:
        """Whether answers are known to come from the account of the batch."""
        return self._calls.caller.is_known and self._account == self._calls.caller.account

    @property
    def endpoint(self) -> str:
        """Where calls go; it may hold a secret."""
        return self._calls.endpoint

    @property
    def region(self) -> str:
        """The region that the client calls."""
        return str(self._client.meta.region_name)

    @property
    def troubles(self) -> Troubles:
        """What went wrong so far."""
        return self._calls.troubles

    @property
    def calls(self) -> Mapping[str, CallCounts]:
        """What was sent so far, by operation."""
        return self._calls.counts

    @property
    def account(self) -> str:
        """What the rate limits belong to: the account goes by the login, since its number costs a call."""
        target = self.login.target
        lane = (target.role, self.region) if target.is_lane else ()
        return " ".join(filter(None, [masked(self.endpoint), profile_of(target), *lane]))

    async def recall(self, learned: Mapping[str, Learned], *, will_start: bool = True) -> None:
        """Go on at a pace learned earlier, or at the account's quota where that may be read."""
        async with self._calls.turns.one_recall:
            self._calls.turns.recall(learned)
            if will_start and "StartRun" not in learned and self._calls.turns.wants_quota("StartRun"):
                quota = await start_run_quota(self.login, self.endpoint)
                self._calls.turns.know_quota("StartRun", quota)

    def share(self, paces: SharedPaces) -> None:
        """Keep to the pace that launchers share."""
        self._calls.turns.share(paces, lambda: (self.region, self.number))

    async def quotas(self) -> Quotas:
        """Ask for the account's quotas, where they may be read."""
        return await quotas(self.login, self.endpoint)

    def learned(self) -> Mapping[str, Learned]:
        """Return what was learned of the pace."""
        return self._calls.turns.learned()

    def known_rate(self, operation: str) -> float:
        """Say how many calls per second can be counted on."""
        return self._calls.turns.known_rate(operation)

    def guard(self, check: Callable[[], Awaitable[None]] | None) -> None:
        """Await *check* right before each request leaves."""
        self._calls.guard(check)

    def heed(self, listener: Callable[[str | None], None]) -> None:
        """Tell *listener* why calls wait, and None when they pass again."""
        self._calls.heed(listener)

    async def start_turn(self) -> float:
        """Wait until a moment before StartRun may be called once."""
        return await self._calls.turns["StartRun"].turn(early=_EARLY)

    async def start_run(
        self, request: Mapping[str, Json], *, turn: float, trusted_until: datetime, is_repeat: bool = False
    ) -> Run:
        """Call StartRun; nothing is sent after the trusted time once an outcome is unknown."""
        parameters: Any = dict(request)
        trusted_for = (trusted_until - self._calls.clock.latest()).total_seconds()
        doubt: CallError | None = _window_passed() if is_repeat else None
        lost: CallError | None = None
        failed: CallError | None = None

        async def send() -> Run:
            nonlocal doubt, lost
            if self._calls.clock.latest() >= trusted_until:
                # The turn came too late, or the machine slept: sent now, it might start the run once more.
                raise doubt or _window_passed()
            self._check_known(request)
            try:
                return await self._identified(await self._client.start_run(**parameters))
            except Exception as raw:
                error = classify(raw, "StartRun")
                if isinstance(error, OutcomeUnknownError):
                    doubt = lost = error
                raise error from raw

        async def attempt() -> Run:
            nonlocal failed
            at = turn if failed is None else await self._turn_after(failed)
            try:
                return await self._calls.at_turn("StartRun", at, send)
            except CallError as error:
                failed = error
                raise

        try:
            return await self._calls.call("StartRun", attempt, trusted_for)
        except CallError as error:
            # The answer that was lost leaves the outcome unknown, not that its repetition was throttled.
            told = lost if lost is not None and isinstance(error, ThrottledError) else error
            told.is_doubtful = doubt is not None
            raise told from error.__cause__

    async def _turn_after(self, failed: CallError) -> float:
        """Wait for the turn of a repetition; where the launch ends before it comes, *failed* stands."""
        turn = await self._calls.unless_hurried(self.start_turn)
        if turn is None:
            raise failed
        return turn

    def _check_known(self, request: Mapping[str, Json]) -> None:
        """Refuse what botocore would leave out without a word: a row may come from a newer one's manifest."""
        if unknown := request.keys() - self._known_fields:
            raise RefusedError(
                f"the installed botocore does not know {', '.join(sorted(unknown))}; add a newer model with "
                "AWS_DATA_PATH, as 'batchrun help manifest' shows",
                operation="StartRun",
                code="UnknownField",
            )

    @cached_property
    def _known_fields(self) -> frozenset[str]:
        model: Any = self._client.meta.service_model.operation_model("StartRun")
        return frozenset(model.input_shape.members)

    async def _identified(self, answer: Mapping[str, Any]) -> Run:
        """Read the answer to StartRun; its ``uuid`` is optional in the model, so ask where it lacks."""
        run = started(answer)
        self._met_new(run)
        if run.uuid:
            return run
        try:
            sighting = await self.get_run(run.id)
        except CallError as error:
            raise unparsable("StartRun", "uuid") from error
        if not sighting.run.uuid:
            raise unparsable("StartRun", "uuid")
        return replace(run, uuid=sighting.run.uuid)

    def _met_new(self, run: Run) -> None:
        """Take note of whose a new run is: where nobody knew, the batch is of that account from now on."""
        try:
            self._calls.met(run.arn, "StartRun")
        except CredentialsError:
            if run.arn not in self._strays:
                self._strays.add(run.arn)
                log.warning("run_in_another_account", arn=run.arn, cure="cancel it there")
            raise
        self._account = self._account or account_of(run.arn)

    async def get_run(self, run_id: str) -> Sighting:
        """Call GetRun."""

        async def send(client: OmicsClient) -> Sighting:
            sighting = sighted(await client.get_run(id=run_id))
            if sighting.run.id != run_id:
                raise unparsable("GetRun", "id")
            self._calls.met(sighting.run.arn, "GetRun")
            return sighting

        return await self._calls.ask("GetRun", send)

    async def cancel_run(self, run_id: str) -> None:
        """Call CancelRun."""
        await self._calls.ask("CancelRun", lambda client: client.cancel_run(id=run_id), trusted_for=0.0)

    async def delete_run(self, run_id: str) -> None:
        """Call DeleteRun."""
        await self._calls.ask("DeleteRun", lambda client: client.delete_run(id=run_id), trusted_for=0.0)

    async def going_runs(self, run_group: str | None = None) -> AsyncGenerator[Sequence[Listed]]:
        """List the runs that have not ended, state by state."""
        group = {} if run_group is None else {"runGroupId": run_group}
        for status in GOING_STATUSES:
            async for page in runs(self._calls, {"status": status, **group}):
                yield page

    async def listed_runs(self, name: str | None) -> AsyncGenerator[Sequence[Listed]]:
        """List the runs of *name*, or all: whether the filter is exact is not documented."""
        async for page in runs(self._calls, {} if name is None else {"name": name}):
            yield [run for run in page if name is None or run.name in {name, ""}]

    async def failed_tasks(self, run: Run, *, limit: int) -> FailedTasks:
        """Call ListRunTasks, and GetRunTask for each."""
        return await failed_tasks(self._calls, run, limit=limit)

    async def tasks(self, run: Run) -> Sequence[RunTask]:
        """Call ListRunTasks, all pages."""
        return await run_tasks(self._calls, run)

    async def usage(self, run: Run) -> Usage:
        """Call GetRun and ListRunTasks."""
        return await usage(self._calls, run)

    async def workflow(self, key: WorkflowKey) -> Workflow:
        """Call GetWorkflow, or GetWorkflowVersion."""
        return await workflow(self._calls, key)

    def hurry(self) -> None:
        """Give up at the first failure from now on."""
        self._calls.hurry()


def _window_passed() -> OutcomeUnknownError:
    """Say that the answer is unknown and came too late to be asked for again: nothing was sent."""
    return OutcomeUnknownError(
        "the requestId is older than --replay-window",
        operation="StartRun",
        code="ReplayWindowPassed",
    )
