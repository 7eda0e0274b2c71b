"""Wake-ups: messages that say which runs have ended, turned into looks, and deleted once that is recorded.

A message about a run of the batch is deleted only when the run's end is recorded: a launch that dies leaves
it to the next. One about another run may be for another launcher: it is left to come again until it is too
old. Where the queue cannot be read, runs are polled as without one.

A queue that several lanes name is read with the login of the first, and where that is denied, with the next.
One that only a manifest names may be anybody's: only messages about the batch's runs are deleted there, and
once a message shows that it serves something else, it is left alone.

Does not belong here: what a message says and whether it can be relied on (``model.planning.announcing``),
looking (``looker``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import anyio
import structlog

from batchrun.clock import Clock
from batchrun.engine.parts import WakeLink
from batchrun.errors import AccessDeniedError, CallError, CredentialsError, ServiceUnusableError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import State
from batchrun.model.planning.announcing import is_of_service, least_pause, read_announcement
from batchrun.model.planning.stimuli import RunsAnnounced
from batchrun.ports.batch import StoredBatch
from batchrun.ports.service import WakeMessage, WakeQueue
from batchrun.ports.stored import By

#: Seconds for which a message about an unknown run is left for another launcher.
_LEFT_FOR: Final = 300.0
#: Seconds before the next call after a failure; doubles with each in a row.
_AFTER_FAILURE: Final = 5.0
_LONGEST_AFTER_FAILURE: Final = 60.0
#: Seconds in which receipts to delete are gathered, and receipts kept for one run.
_GATHERED: Final = 0.5
_RECEIPTS: Final = 20
log = structlog.get_logger(__name__)


class Waker:
    """Listens to one queue for one launch; :meth:`run` and :meth:`tidy` run beside it."""

    def __init__(
        self, link: WakeLink, batch: StoredBatch, clock: Clock, post: Callable[[RunsAnnounced], None]
    ) -> None:
        self._link = link
        self._queues = deque(link.queues)  #: the one to read next is the first
        self._batch = batch
        self._clock = clock
        self._post = post
        self._waiting: dict[str, list[str]] = {}  #: receipts by the uuid of a run that has not ended
        self._done: list[str] = []  #: receipts to delete
        self._has_done = anyio.Event()
        self._failures = 0
        self._is_of_others = False

    @property
    def _queue(self) -> WakeQueue:
        return self._queues[0]

    async def run(self) -> None:
        """Receive until cancelled, or until the queue turns out to serve something else."""
        useless = 0  #: calls in a row that returned nothing about the batch
        while not self._is_of_others:
            asked = self._clock.monotonic()
            try:
                messages = await self._queue.receive()
            except (CallError, ServiceUnusableError) as error:
                await self._failed(error)
                continue
            if self._failures >= len(self._queues):
                log.info("wake_queue_back", queue=self._queue.name)
            self._failures = 0
            useless = 0 if await self._handle(messages) else useless + 1
            pause = least_pause(useless, is_empty=not messages)
            if pause:
                await self._clock.sleep(max(0.0, asked + pause - self._clock.monotonic()))

    async def _failed(self, error: CallError | ServiceUnusableError) -> None:
        self._failures += 1
        self._queues.rotate(-1)
        rounds, is_tried = divmod(self._failures, len(self._queues))
        if is_tried:
            return  # another lane's login may be allowed
        if rounds == 1:
            instead = "looking at the usual pace until it answers"
            name = self._queue.name
            log.warning("wake_queue_silent", queue=name, why=str(error), instead=instead, cure=_cure(error))
            self._post(RunsAnnounced(is_alive=False, lanes=self._link.lanes))
        wait = min(_AFTER_FAILURE * 2.0 ** min(rounds - 1, 16), _LONGEST_AFTER_FAILURE)
        await self._clock.sleep(wait)

    async def _handle(self, messages: Sequence[WakeMessage]) -> bool:
        """Take messages; report whether any is about the batch."""
        announced: list[str] = []
        for message in messages:
            said = read_announcement(message.body)
            entry = None if said is None else await self._entry(said.run)
            if said is not None and entry is not None:
                announced.append(self._taken(said.run, entry, message.receipt))
            elif self._link.is_given and message.age > _LEFT_FOR:
                self._delete(message.receipt)
            elif not self._link.is_given and not is_of_service(message.body):
                self._leave()
        if announced:
            self._post(RunsAnnounced(uuids=tuple(announced), lanes=self._link.lanes))
        return bool(announced)

    def _leave(self) -> None:
        """Stop receiving: somebody else waits for these messages."""
        if not self._is_of_others:
            self._is_of_others = True
            cure = "give it as --wake, or in a file for --lanes, if it is meant"
            why = "it has messages that are no events of HealthOmics, and a manifest names it"
            log.warning("wake_queue_left", queue=self._queue.name, why=why, cure=cure)
            self._post(RunsAnnounced(is_alive=False, lanes=self._link.lanes))

    def _taken(self, named: str, entry: Entry, receipt: str) -> str:
        """Keep a message about a run of *entry* until its end is recorded; return the run's uuid."""
        run = entry.run
        if run is None or named not in {run.uuid, run.id}:
            self._delete(receipt)  # of an earlier attempt, which is over
            return named
        if _is_end_recorded(entry):
            self._delete(receipt)
        else:
            receipts = self._waiting.setdefault(run.uuid, [])
            receipts.append(receipt)
            del receipts[:-_RECEIPTS]
        return run.uuid

    async def _entry(self, run: str) -> Entry | None:
        """Return the entry that has or had the run of this uuid or id."""
        ids = await self._batch.story.find_ids(run, By.RUN)
        return await self._batch.entry(ids[-1]) if ids else None

    def looked(self, before: Entry, after: Entry) -> None:
        """Note the outcome of a look; messages about a run whose end is recorded are deleted."""
        uuid = "" if before.run is None else before.run.uuid
        is_over = after.run is None or after.run.uuid != uuid or _is_end_recorded(after)
        if is_over and uuid in self._waiting:
            self._delete(*self._waiting.pop(uuid))

    def _delete(self, *receipts: str) -> None:
        self._done += receipts
        self._has_done.set()

    async def tidy(self) -> None:
        """Delete messages that are no longer needed, until cancelled."""
        while True:
            await self._has_done.wait()
            await self._clock.sleep(_GATHERED)
            await self.delete_done()

    async def delete_done(self) -> None:
        """Delete them now; one that cannot be deleted comes again, and is deleted then."""
        receipts, self._done, self._has_done = self._done, [], anyio.Event()
        try:
            await self._queue.delete(receipts)
        except (CallError, ServiceUnusableError) as error:
            log.debug("wake_not_deleted", queue=self._queue.name, why=str(error))


def _cure(error: CallError | ServiceUnusableError) -> str:
    match error:
        case AccessDeniedError():
            return "allow sqs:ReceiveMessage and sqs:DeleteMessage on it"
        case CredentialsError():
            return "log in again: it is asked with each new login"
        case _:
            return "check the queue"


def _is_end_recorded(entry: Entry) -> bool:
    return entry.state is not State.ACTIVE
