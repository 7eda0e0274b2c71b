"""The stages of a call: read, count, throttle, check, strike by faults, carry out, answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

from batchrun.clock import Clock
from batchrun.simulator import json_services
from batchrun.simulator.buckets import Buckets
from batchrun.simulator.chance import draw, draw_uuid
from batchrun.simulator.faults import REDIRECT, UNAVAILABLE, Fault, FaultBook, FaultRule, spoilt
from batchrun.simulator.identities import FORM, PORTAL, Identities, PortalCall, StsCall
from batchrun.simulator.record import PATH, Journal, StartCall, State, Tally, introspect
from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.requests import RequestMemory
from batchrun.simulator.s3 import ObjectCall, Storage
from batchrun.simulator.service import HealthOmics
from batchrun.simulator.settings import Settings
from batchrun.simulator.wire import Ending, Inquiry, Manner, Operation, Reply, Signature, Wire

_ENDINGS_BEFORE: Mapping[str, Ending] = {
    Fault.UNAVAILABLE_BEFORE: UNAVAILABLE,
    Fault.REDIRECT_BEFORE: REDIRECT,
    Fault.DROP_BEFORE: Ending(manner=Manner.RESET),
    Fault.CLOSE_BEFORE: Ending(manner=Manner.CLOSE),
    Fault.HANG_BEFORE: Ending(manner=Manner.CLOSE),
}
_BREAKS_AFTER: Mapping[str, Manner] = {
    Fault.DROP_AFTER: Manner.RESET,
    Fault.CLOSE_AFTER: Manner.CLOSE,
    Fault.HANG_AFTER: Manner.CLOSE,
    Fault.CUT_AFTER: Manner.CUT,
    Fault.SLOW_AFTER: Manner.SLOW,
}
_FAULTS = frozenset(Fault)
#: Faults that leave the answer as it is.
_HARMLESS = frozenset({Fault.PASS, Fault.LATE, Fault.FORGET})
#: Parameters that name what a call is about.
_ABOUT = ("requestId", "id", "batchId")
_STARTS = frozenset({"StartRun", "StartRunBatch"})
#: Seconds that a throttled caller is asked to wait.
_THROTTLE_SECONDS = 1.0
#: Seconds that a long poll may take, and between two checks of the queue.
_LONGEST_POLL = 20.0
_POLL_EVERY = 0.25


OtherCall: TypeAlias = StsCall | PortalCall | ObjectCall | json_services.LogsCall | json_services.SqsCall
AnyOperation: TypeAlias = Operation | OtherCall


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A call that was read and is in progress."""

    operation: AnyOperation
    params: dict[str, Any]
    tally: Tally
    start: StartCall | None  #: for StartRun and StartRunBatch only
    access_key: str  #: of the signature; empty if unsigned

    @property
    def key(self) -> str:
        """The id that the call is about; empty if it has none."""
        return str(next((self.params[name] for name in _ABOUT if self.params.get(name)), ""))

    def struck_by(self, fault: str) -> None:
        """Record the fault that strikes."""
        self.tally.struck_by(fault)
        if self.start is not None:
            self.start.outcome = fault


class Simulator:
    """A running service: its address, what happened so far, and which faults strike next."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        identities: Identities | None = None,
        storage: Storage | None = None,
    ) -> None:
        """Set up the service; needs a running event loop.

        *identities*, the keys and roles, and *storage* are given if accounts share them; else *settings* say.
        """
        self.url = ""  #: set once it listens
        self.settings = settings
        self.faults = FaultBook(settings.faults, seed=settings.seed)
        self._clock = clock
        self._origin = clock.utcnow() - timedelta(seconds=clock.monotonic())
        self._buckets = Buckets(settings.limits)
        self._storage = storage or Storage(settings.storage)
        self.service = HealthOmics(
            settings, origin=self._origin, buckets=self._buckets, faults=self.faults, storage=self._storage
        )
        self._wire = Wire(self.service.operations)
        self._identities = identities or Identities(settings)
        self._queues = json_services.Queues(settings)
        self._journal = Journal()
        self._answers = 0

    def state(self) -> State:
        """Return what really happened so far."""
        return self._journal.state(self.service, self._clock.monotonic())

    def script(self, *rules: FaultRule) -> None:
        """Add *rules* after those in force, from the next call on."""
        self.faults.add(*rules)

    def next_request_id(self) -> str:
        """Return a new ``x-amzn-RequestId`` for an answer."""
        self._answers += 1
        return draw_uuid(self.settings.seed, "answer", self._answers)

    def refuse(self, error: RefusalError) -> Ending:
        """Return the error answer for a call that could not be read."""
        return Ending(reply=self._wire.refusal(error))

    async def answer(self, inquiry: Inquiry) -> Ending:
        """Answer one HTTP request."""
        try:
            if inquiry.path.startswith(PATH):
                return Ending(reply=introspect(inquiry, self.faults, self.state))
            if inquiry.target.startswith(json_services.SERVICE_QUOTAS):
                reply = json_services.quota_reply(inquiry.target, inquiry.body, self.settings, self._buckets)
                return Ending(reply=reply)
            if (call := self._other_call(inquiry)) is not None:
                return await self._answer_other(call, inquiry.signature)
            operation, labels = self._wire.route(inquiry.method, inquiry.path)
            parse = partial(operation.parse, labels, inquiry.query, inquiry.body)
            return await self._answer(operation, parse, inquiry.signature)
        except RefusalError as error:
            return self.refuse(error)

    def _other_call(self, inquiry: Inquiry) -> OtherCall | None:
        """Return the call of another service; None if it is for HealthOmics."""
        if inquiry.target.startswith(json_services.SQS):
            return json_services.SqsCall(inquiry)
        if inquiry.target.startswith(json_services.CLOUDWATCH_LOGS):
            return json_services.LogsCall(inquiry)
        if (signed := inquiry.signature) is not None and signed.service == "s3":
            return ObjectCall(inquiry, signed.region, self._storage)
        if inquiry.content_type == FORM:
            return StsCall(inquiry)
        return PortalCall(inquiry) if inquiry.path == PORTAL else None

    async def _answer_other(self, call: OtherCall, signed: Signature | None) -> Ending:
        try:
            if call.name == "ReceiveMessage":
                await self._await_message(call.parse())
            return await self._answer(call, call.parse, signed)
        except RefusalError as error:
            return Ending(reply=call.refusal(error))

    async def _await_message(self, params: dict[str, Any]) -> None:
        """Wait until the queue has a message, as a long poll does."""
        until = self._clock.monotonic() + min(float(params.get("WaitTimeSeconds", 0)), _LONGEST_POLL)
        while self._clock.monotonic() < until:
            if self._queue(params).visible(self._clock.monotonic()):
                return
            await self._clock.sleep(_POLL_EVERY)

    def _queue(self, params: dict[str, Any]) -> json_services.Queue:
        self.service.advance(self._clock.monotonic())
        return self._queues.of(params["QueueUrl"], self.service.timetable.ended, self._wall)

    async def _answer(
        self, operation: AnyOperation, parse: Callable[[], dict[str, Any]], signed: Signature | None
    ) -> Ending:
        tally = self._journal.tallies[operation.name]
        tally.calls += 1
        key = "" if signed is None else signed.access_key
        try:
            params = parse()
            start = self._note_start(operation.name, params) if operation.name in _STARTS else None
            return await self._serve(
                _Call(operation=operation, params=params, tally=tally, start=start, access_key=key)
            )
        except RefusalError as error:
            tally.refused(error.code)
            raise

    def _note_start(self, operation: str, params: dict[str, Any]) -> StartCall:
        start = StartCall(
            at=self._clock.monotonic(),
            request_id=str(params.get("requestId", "")),
            name=str(params.get("name") or params.get("batchName") or ""),
        )
        is_batch = operation == "StartRunBatch"
        (self._journal.batch_calls if is_batch else self._journal.start_calls).append(start)
        return start

    async def _serve(self, call: _Call) -> Ending:
        try:
            self._admit(call)
            if isinstance(call.operation, Operation):
                self._pace(call.operation.name)
                call.operation.check(call.params)
            with self._held(call):
                return await self._carry_out(call)
        except RefusalError as error:
            if call.start is not None and call.start.outcome == "":
                call.start.outcome = error.code
            raise

    def _admit(self, call: _Call) -> None:
        if self._identities.is_over(call.access_key, self._clock.monotonic()):
            is_omics = isinstance(call.operation, Operation)
            code = "ExpiredTokenException" if is_omics else "ExpiredToken"
            raise RefusalError(code, "The security token included in the request is expired")

    def _pace(self, operation: str) -> None:
        now = self._clock.monotonic()
        self.service.advance(now)  # first its own due actions: they take tokens too
        wait = self._buckets.take(operation, now)
        if wait > 0:
            raise self._throttling(wait)

    def _throttling(self, wait: float) -> RefusalError:
        hint = wait if self.settings.retry_after else None
        return RefusalError("ThrottlingException", "Rate exceeded", retry_after=hint)

    def _held(self, call: _Call) -> AbstractContextManager[None]:
        if call.start is None:
            return nullcontext()
        return self._memory(call).in_flight(call.start.request_id)

    def _memory(self, call: _Call) -> RequestMemory[Any]:
        is_run = call.operation.name == "StartRun"
        return self.service.requests if is_run else self.service.batches.requests

    async def _carry_out(self, call: _Call) -> Ending:
        fault = self._choose(call)
        await self._delay(call)
        early = await self._strike_before(fault)
        if early is not None:
            return early
        if fault == Fault.FORGET and call.start is not None:
            self._memory(call).forget(call.start.request_id)
        reply = self._commit(call)
        if fault in _HARMLESS:
            call.tally.answered += 1
            return Ending(reply=reply)
        return await self._strike_after(fault, reply)

    def _choose(self, call: _Call) -> str:
        name = call.params.get("name") or call.params.get("batchName") or self.service.name_of(call.params)
        fault = self.faults.choose(call.operation.name, call.key, name)
        if fault != Fault.PASS:
            call.struck_by(str(fault))
        return fault

    async def _delay(self, call: _Call) -> None:
        lot = draw(self.settings.seed, "latency", call.operation.name, call.key, call.tally.calls)
        latency = self.settings.latency.at(lot)
        if latency > 0:
            await self._clock.sleep(latency)

    async def _strike_before(self, fault: str) -> Ending | None:
        """Strike before the call takes effect; return an ending if it never will."""
        if fault in (Fault.HANG_BEFORE, Fault.LATE):
            await self._clock.sleep(self.settings.hang)
        if fault == Fault.THROTTLE:
            raise self._throttling(_THROTTLE_SECONDS)
        if fault == Fault.ERROR_BEFORE:
            raise _internal_error()
        if fault not in _FAULTS:
            raise RefusalError(fault, f"{fault}, by the simulator's settings")
        return _ENDINGS_BEFORE.get(fault)

    def _commit(self, call: _Call) -> Reply:
        now = self._clock.monotonic()
        match call.operation:
            case StsCall() as asked:
                caller = self._identities.caller(call.access_key, self.settings.account)
                return asked.answer(call.params, self._identities, caller, now, self._wall)
            case PortalCall() as asked:
                return asked.answer(call.params, self._identities, now, self._wall)
            case ObjectCall() as asked:
                self.service.publish(now)
                return asked.answer(call.params)
            case json_services.SqsCall() as asked:
                return asked.answer(self._queue(call.params), call.params, now, self._wall)
            case json_services.LogsCall() as asked:
                lines = self.service.logged(str(call.params.get("logStreamName")), now)
                return asked.answer(lines, self._milliseconds, call.params)
            case asked:
                return asked.answer(self._omics(call, now))

    def _omics(self, call: _Call, now: float) -> dict[str, Any]:
        answer = self.service.call(call.operation.name, call.params, now)
        if call.start is not None:
            call.start.uuid = answer["uuid"]
            call.start.outcome = call.start.outcome or "answered"
        return answer

    def _milliseconds(self, at: float) -> int:
        return int(self._wall(at).timestamp() * 1000)

    def _wall(self, at: float) -> datetime:
        return self._origin + timedelta(seconds=at)

    async def _strike_after(self, fault: str, reply: Reply) -> Ending:
        """Spoil the answer of a call that took effect."""
        if fault == Fault.HANG_AFTER:
            await self._clock.sleep(self.settings.hang)
        if fault == Fault.ERROR_AFTER:
            raise _internal_error()
        if fault == Fault.UNAVAILABLE_AFTER:
            return UNAVAILABLE
        if fault in _BREAKS_AFTER:
            return Ending(reply=reply, manner=_BREAKS_AFTER[fault])
        other = draw_uuid(self.settings.seed, "other", self._answers)
        return Ending(reply=spoilt(fault, reply, other=other, account=self.settings.account))


def _internal_error() -> RefusalError:
    return RefusalError("InternalServerException", "An internal error occurred")
