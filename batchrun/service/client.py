# ruff: noqa: D102 - what each method promises stands in the contract, ports.service
"""The operations of HealthOmics over aiobotocore, with answers as our own types.

Belongs here: which operation is called with what. Does not: how a call is paced and retried
(``calling.calls``), what an outcome means for an entry (``model``).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from batchrun.clock import Clock
from batchrun.errors import CallError
from batchrun.model.costs import Usage
from batchrun.model.entries.entry import Run, Sighting
from batchrun.model.entries.states import GOING_STATUSES
from batchrun.model.paces.quotas import Quotas
from batchrun.model.paces.rates import Rate
from batchrun.model.planning.listing import Listed
from batchrun.model.spec import Json
from batchrun.model.tasks import FailedTasks, RunTask
from batchrun.model.texts.foreign import masked
from batchrun.ports.call_paces import CallPaces
from batchrun.ports.service import CallCounts, HealthOmics, RunBatches, Troubles
from batchrun.ports.workflows import Workflow, WorkflowKey
from batchrun.service.call_paces import AwsCallPaces
from batchrun.service.calling.call_retries import CallRetries, RetrySettings
from batchrun.service.calling.caller import Caller, is_aws
from batchrun.service.calling.calls import Calls
from batchrun.service.calling.outage import CredentialsWatch, OutageWatch, Patience
from batchrun.service.calling.pacing import AllTurns
from batchrun.service.calling.paging import runs
from batchrun.service.classify import unparsable
from batchrun.service.login import Login, profile_of
from batchrun.service.quota import quotas
from batchrun.service.run_batches import AwsRunBatches
from batchrun.service.run_tasks import failed_tasks, run_tasks, usage
from batchrun.service.session import proxy_of, region_doubt
from batchrun.service.starting import Start, check_known, start_turn
from batchrun.service.target import Target
from batchrun.service.wire import sighted, started
from batchrun.service.workflows import workflow

if TYPE_CHECKING:
    import random

    from types_aiobotocore_omics import OmicsClient


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
    """Connect to the service; *login* is one that was made for *target* already.

    *rate* is how fast to call StartRun, *read_rate* each other operation, *rng* the source of jitter.

    Raises:
        UsageError: There is no region, or no such profile.
        ServiceUnusableError: There are no credentials.
    """
    async with AsyncExitStack() as stack:
        patience = patience or Patience()
        credentials = CredentialsWatch(target, patience, clock, login)
        stack.push_async_callback(credentials.close)
        client = await credentials.open()
        endpoint = client.meta.endpoint_url
        region, is_of_aws = client.meta.region_name, is_aws(endpoint)
        doubt = await region_doubt(credentials.login, region, endpoint) if is_of_aws else None
        yield AwsHealthOmics(
            Calls(
                AllTurns(rate=rate, read_rate=read_rate, clock=clock),
                CallRetries(retry or RetrySettings(), clock=clock, rng=rng),
                OutageWatch(
                    patience,
                    masked(endpoint),
                    clock,
                    is_lane=target.is_lane,
                    doubt=doubt,
                    proxy=proxy_of(endpoint),
                ),
                credentials,
                clock,
                Caller(),
            )
        )


class AwsHealthOmics(HealthOmics):
    """HealthOmics over aiobotocore. Made by :func:`connect`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._run_batches = AwsRunBatches(calls)
        self._paces = AwsCallPaces(calls)

    def apart(self, *, waits: bool = True) -> AwsHealthOmics:
        """Return the same service for a launch that runs beside others.

        It has its own guard, hurry and troubles; clients, paces and patience are shared. Unless it *waits*,
        credentials that stop working end it at once.
        """
        return AwsHealthOmics(self._calls.apart(waits=waits))

    @property
    def login(self) -> Login:
        """The login in use, for clients of other services."""
        return self._calls.login

    async def ask_account(self) -> str | None:
        """Return the account of the credentials in use, by STS, asked once for each; None where unknown.

        Raises:
            CredentialsError: It is another account than before.
        """
        await self._calls.caller.ask(self.login, self.endpoint)
        return self.number if self._calls.caller.is_known else None

    @property
    def number(self) -> str | None:
        """The account that answers come from, or are expected from; None where unknown."""
        return self._calls.caller.account

    def expect(self, account: str | None) -> None:
        """Work from now on for a batch in *account*: answers from other accounts are refused."""
        self._calls.expect(account)

    @property
    def is_account_known(self) -> bool:
        return self._calls.is_account_known

    @property
    def logins(self) -> int:
        return self._calls.caller.logins

    @property
    def endpoint(self) -> str:
        """The URL that calls go to; it may contain a secret."""
        return self._calls.endpoint

    @property
    def region(self) -> str:
        """The region that the client calls."""
        return self._calls.place[0]

    @property
    def troubles(self) -> Troubles:
        return self._calls.troubles

    @property
    def calls(self) -> Mapping[str, CallCounts]:
        return self._calls.counts

    @property
    def place(self) -> tuple[str, str | None]:
        return self._calls.place

    @property
    def account(self) -> str:
        """What the rate limits belong to; the login stands for the account, whose number costs a call."""
        target = self.login.target
        lane = (target.role, self.region) if target.is_lane else ()
        return " ".join(filter(None, [masked(self.endpoint), profile_of(target), *lane]))

    async def quotas(self) -> Quotas:
        return await quotas(self.login, self.endpoint)

    @property
    def paces(self) -> CallPaces:
        return self._paces

    def guard(self, check: Callable[[], Awaitable[None]] | None) -> None:
        self._calls.guard(check)

    def on_wait(self, listener: Callable[[str | None], None]) -> None:
        self._calls.on_wait(listener)

    async def start_turn(self) -> float:
        return await start_turn(self._calls, "StartRun")

    async def start_run(
        self, request: Mapping[str, Json], *, turn: float, trusted_until: datetime, is_repeat: bool = False
    ) -> Run:
        parameters: Any = dict(request)

        async def send() -> Run:
            check_known(self._calls.client, "StartRun", request)
            return await self._identified(await self._calls.client.start_run(**parameters))

        start = Start(
            self._calls,
            "StartRun",
            send,
            trusted_until=trusted_until,
            remembered_until=trusted_until,
            is_repeat=is_repeat,
        )
        return await start.at(turn)

    async def _identified(self, answer: Mapping[str, Any]) -> Run:
        """Read the answer to StartRun; call GetRun for the ``uuid``, optional in the model, if it lacks."""
        run = started(answer)
        self._calls.check_new_arn(run.arn, "StartRun", event="run_in_another_account")
        if run.uuid:
            return run
        try:
            sighting = await self.get_run(run.id)
        except CallError as error:
            raise unparsable("StartRun", "uuid") from error
        if not sighting.run.uuid:
            raise unparsable("StartRun", "uuid")
        return replace(run, uuid=sighting.run.uuid)

    async def get_run(self, run_id: str) -> Sighting:
        async def send(client: OmicsClient) -> Sighting:
            sighting = sighted(await client.get_run(id=run_id))
            if sighting.run.id != run_id:
                raise unparsable("GetRun", "id")
            self._calls.check_arn(sighting.run.arn, "GetRun")
            return sighting

        return await self._calls.ask("GetRun", send)

    async def cancel_run(self, run_id: str) -> None:
        await self._calls.ask("CancelRun", lambda client: client.cancel_run(id=run_id), trusted_for=0.0)

    async def delete_run(self, run_id: str) -> None:
        await self._calls.ask("DeleteRun", lambda client: client.delete_run(id=run_id), trusted_for=0.0)

    @property
    def run_batches(self) -> RunBatches:
        return self._run_batches

    async def going_runs(
        self, run_group: str | None = None, batch_id: str | None = None
    ) -> AsyncGenerator[Sequence[Listed]]:
        """List the runs that have not ended, state by state."""
        asked = {"runGroupId": run_group, "batchId": batch_id}
        filters = {name: value for name, value in asked.items() if value is not None}
        for status in GOING_STATUSES:
            async for page in runs(self._calls, {"status": status, **filters}):
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
        self._calls.hurry()
