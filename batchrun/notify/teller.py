"""Sends each notice that is due, once, and never disturbs the launch that it is about.

A notice is recorded in the ledger right before it is delivered: if a launch dies before that, the next one
sends it, and no notice is ever sent twice.

Belongs here: the message and the interface of channels; the order of recording and delivering, the time
limit, the log events. Does not: which notices hold (``model.notices``), the text (``report``), delivering
(``command``, ``webhook``, ``topic``).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
import structlog

from batchrun.errors import BatchrunError, NoticeError
from batchrun.model.notices import NOTED, Notice, holding, is_digest_due

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from batchrun.clock import Clock
    from batchrun.model.spec import Json
    from batchrun.model.tally import Tally
    from batchrun.ports.batch import StoredBatch

_GIVEN_BACK: Final = "reappeared"
_ASKED_FOR: Final = frozenset({"retried", _GIVEN_BACK})
#: Seconds between two checks for a first failure.
_LOOK_EVERY: Final = 1.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One notice, for people and for programs."""

    notice: Notice
    batch: str
    title: str  #: one line
    text: str  #: the title, the facts, and what to do
    summary: Mapping[str, Json]  #: for programs; contains no secret

    @property
    def as_json(self) -> str:
        """The summary as one line of JSON, in ASCII."""
        return json.dumps(self.summary)


#: Writes the message of a notice that is due.
Words: TypeAlias = Callable[[Notice], Awaitable[Message]]


class Channel(ABC):
    """One way to send notices."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name in logs; contains no secret."""

    def takes(self, notice: Notice) -> bool:  # noqa: ARG002 (for channels that override it)
        """Return whether *notice* is sent by this channel."""
        return True

    @abstractmethod
    async def deliver(self, message: Message) -> None:
        """Deliver *message*. Raises NoticeError, with a cure; a cancelled call leaves no process behind."""


class Digests:
    """Decides when digests of one launch of one batch are due."""

    def __init__(self, every: timedelta, *, clock: Clock) -> None:
        """Create digests at this interval; none is due before :meth:`begin`."""
        self._every = every
        self._clock = clock
        self._begun: datetime | None = None
        self._changed_at = clock.utcnow()
        self._seen: tuple[object, object] | None = None

    async def begin(self, batch: StoredBatch, begun: datetime, tally: Tally) -> None:
        """Find when the batch last changed; call it before the launch changes anything."""
        now = self._clock.utcnow()
        # The exact time of a change more than an interval ago makes no difference.
        since = max(begun, now - self._every)
        glance = await batch.story.glance(since=since, at=now, limit=1)
        self._changed_at = max(_seen_by_launches(glance.events), default=since)
        self._begun, self._seen = begun, _seen(tally)

    def is_due(self, tally: Tally) -> bool:
        """Return whether a digest is due, given the counts now; each digest is due only once."""
        seen, now = _seen(tally), self._clock.utcnow()
        if self._begun is None or seen == self._seen:
            return False
        before, self._changed_at, self._seen = self._changed_at, now, seen
        return is_digest_due(begun=self._begun, every=self._every, before=before, at=now)


def _seen_by_launches(events: Sequence[tuple[datetime, str]]) -> Iterator[datetime]:
    """Yield the times of changes that a launch recorded, which also sent the digest, if one was due.

    Changes between launches (retries, runs that are found again) are recorded by other commands, which send
    nothing: the next launch sends their digest.
    """
    given_back = {at for at, kind in events if kind == _GIVEN_BACK}
    return (at for at, kind in events if kind not in _ASKED_FOR and at not in given_back)


def _seen(tally: Tally) -> tuple[object, object]:
    return dict(+tally.by_state), dict(+tally.by_status)


@dataclass(slots=True)
class Teller:
    """Sends the notices of one batch.

    No method raises, or takes much longer than the time limit for each notice; errors are logged.
    Cancelling a method does not stop a delivery that has begun.
    """

    batch: StoredBatch
    channels: Sequence[Channel]
    limit: float  #: seconds for each channel
    clock: Clock
    digests: Digests | None = None  #: if given, these are sent too
    _is_cut_short: bool = False
    _deliveries: anyio.CancelScope | None = None

    def cut_short(self) -> None:
        """Cancel the deliveries under way, and leave all other notices to the next launch."""
        self._is_cut_short = True
        if self._deliveries is not None:
            self._deliveries.cancel()

    async def begin(self, tally: Tally, begun: datetime) -> None:
        """Forget, as a launch begins, the notices that no longer hold; the batch was created at *begun*."""
        await self._forget_all_but(holding(tally, needs_somebody=True))
        if self.digests is not None and self.channels:
            try:
                await self.digests.begin(self.batch, begun, tally)
            except BatchrunError as error:
                log.warning("no_digests", batch=self.batch.name, reason=str(error))

    async def watch(self, tally: Callable[[], Tally], words: Words) -> None:
        """Send the first failure, and digests, soon after they are due; runs until cancelled."""
        has_failed = False
        while self.channels and not (has_failed and self.digests is None):
            await self.clock.sleep(_LOOK_EVERY)
            now = tally()
            if not has_failed and Notice.FAILURE in holding(now, needs_somebody=False):
                has_failed = True
                await self._tell(Notice.FAILURE, words)
            if now.open:
                await self._tell_digest(now, words)

    async def end(self, tally: Tally, words: Words, *, needs_somebody: bool = False) -> None:
        """Send the notices that hold at the end of a launch and were not sent before."""
        holds = holding(tally, needs_somebody=needs_somebody)
        await self._forget_all_but(holds)
        for notice in holds:
            await self._tell(notice, words)
        if {Notice.STOPPED, Notice.END}.isdisjoint(holds):
            await self._tell_digest(tally, words)

    async def _tell_digest(self, tally: Tally, words: Words) -> None:
        if self.digests is not None and self.digests.is_due(tally):
            await self._tell(Notice.DIGEST, words)

    async def _forget_all_but(self, holds: Sequence[Notice]) -> None:
        if not self.channels:
            return
        try:
            await self.batch.requests.forget(but=holds)
        except BatchrunError as error:
            log.warning("notice_not_noted", batch=self.batch.name, reason=str(error))

    async def _tell(self, notice: Notice, words: Words) -> None:
        channels = [channel for channel in self.channels if channel.takes(notice)]
        if not channels or self._is_cut_short:
            return
        with anyio.CancelScope(shield=True):
            try:
                if notice in NOTED and not await self.batch.requests.tell(notice, at=self.clock.utcnow()):
                    return
                message = await words(notice)
            except BatchrunError as error:
                log.warning("notice_not_told", batch=self.batch.name, notice=notice.value, reason=str(error))
                return
            async with anyio.create_task_group() as group:
                self._deliveries = group.cancel_scope
                for channel in channels:
                    group.start_soon(self._deliver, channel, message)

    async def _deliver(self, channel: Channel, message: Message) -> None:
        facts = {"batch": self.batch.name, "notice": message.notice.value, "hook": channel.name}
        try:
            with anyio.fail_after(self.limit):
                await channel.deliver(message)
        except NoticeError as error:
            log.warning("hook_failed", **facts, reason=error.reason, cure=error.cure)
        except anyio.get_cancelled_exc_class():
            cure = "nothing, if that was meant; it is not sent again"
            log.warning("hook_failed", **facts, reason="it was cut short by a signal", cure=cure)
            raise
        except TimeoutError:
            cure = "make it faster, or give it longer with --hook-timeout"
            log.warning("hook_failed", **facts, reason=f"no end after {self.limit:g} s", cure=cure)
        except Exception as error:  # noqa: BLE001 (no channel's defect may change a launch's exit code)
            cure = "please report this as a defect of batchrun"
            log.warning("hook_failed", **facts, reason=type(error).__name__, cure=cure)
        else:
            log.info("hook_done", **facts)
