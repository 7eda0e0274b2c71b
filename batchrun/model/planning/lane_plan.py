"""
What is in flight in one lane: what it sends and settles, and the runs that it watches.

Belongs here: filing an entry where it goes next. Does not: sending (``sending``), watching (``watch``), what
is common to all lanes (``planner``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.errors import InvariantError
from batchrun.model.entries.states import State
from batchrun.model.planning.actions import Cancel, Look
from batchrun.model.planning.batching import Batching
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.sending import Sending, is_quota_full
from batchrun.model.planning.verdicts import QUOTA_FULL
from batchrun.model.planning.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchrun.model.entries.entry import Entry
    from batchrun.model.moment import Moment
    from batchrun.model.planning.actions import HoldBack, Sweep
    from batchrun.model.planning.cancelling import Cancelling
    from batchrun.model.planning.limits import LaneLimits, Limits
    from batchrun.model.planning.proving import Proving
    from batchrun.model.planning.queues import Queues
    from batchrun.model.planning.sending import Slots
    from batchrun.model.planning.sharing import Sharing
    from batchrun.model.planning.stimuli import Acted, RatesLearned


class LanePlan:
    """One lane of a launch."""

    def __init__(
        self,
        limits: Limits,
        lane: LaneLimits,
        queues: Queues,
        proving: Proving,
        slots: Slots,
        sharing: Sharing,
        cancelling: Cancelling,
    ) -> None:
        self.name = lane.name
        self._limits = limits
        self._cancelling = cancelling
        self.sending = Sending(limits, lane, queues, proving, slots)
        sharing.join(lane.name, self.sending)
        self.batching = Batching(limits, lane.name, queues, proving, self.sending, sharing, cancelling)
        self.watch = Watch(
            limits.watch,
            limits.way,
            listing_lag=limits.listing_lag,
            is_once=limits.mode is Mode.ONCE,
            lane=lane.name,
        )
        self.is_stopped = False

    # -- filing

    def acted(self, acted: Acted, now: float) -> Sequence[HoldBack]:
        """File the entry of an action that is over."""
        action, entry = acted.action, acted.entry
        if isinstance(action, Look | Cancel):
            self._looked(acted, action, now)
        else:
            self.sending.acted(acted, now)
            if entry.state is State.ACTIVE:
                self.sending.accepted()
                self.accepted(entry, now)
        return self.sending.quota_full(entry, now) if is_quota_full(acted) else []

    def accepted(self, entry: Entry, now: float) -> None:
        """Watch the run of an entry that has one now, where this launch does."""
        if self._limits.mode not in {Mode.ONCE, Mode.DETACH}:
            self._watch_run(entry, since=now)

    def settled(self, entry: Entry, now: float) -> None:
        """Watch the run of an entry whose submission was asked about; in a pass it is looked at at once."""
        if self._limits.mode is Mode.ONCE:
            self._watch_run(entry, since=now, due=now)
        elif self._limits.mode is not Mode.CANCEL or entry.id in self._cancelling:
            self.accepted(entry, now)

    def put_off(self, entries: Sequence[Entry], now: float) -> Sequence[HoldBack]:
        """Learn whether a submission was put off for a quota that is full."""
        full = next((one for one in entries if one.state is State.BACKOFF and one.code == QUOTA_FULL), None)
        return [] if full is None else self.sending.quota_full(full, now)

    def _looked(self, acted: Acted, action: Look | Cancel, now: float) -> None:
        entry, failed = acted.entry, not acted.is_answered
        is_going = entry.state is State.ACTIVE
        self.watch.looked(entry, now=now, failed=failed, is_going=is_going)
        if not is_going or entry.id not in self._cancelling:
            return
        if isinstance(action, Cancel) and not failed:
            self._cancelling.asked(entry.id, now)
        if isinstance(action, Cancel) or failed:
            self.watch.quicken(entry.id, now)  # an old run's next look may be an hour away
        elif self._cancelling.is_due(entry.id, now):
            self.watch.hasten(entry.id)  # it was asked for while this look was in the air

    def file(self, entry: Entry, moment: Moment) -> None:
        """File an entry in flight that was read from the ledger."""
        self.sending.slots.take(entry.id)
        match entry.state:
            case State.SUBMITTING:
                self.sending.add_unsettled(entry, moment.now)
            case State.ACTIVE:
                age = (moment.at - entry.accepted_at).total_seconds() if entry.accepted_at else 0.0
                if self._limits.mode is not Mode.DETACH:
                    self._watch_run(entry, since=moment.now - max(0.0, age), due=moment.now)
            case _:
                raise InvariantError(f"entry '{entry.id}' is {entry.state.value}: it is not in flight")

    def _watch_run(self, entry: Entry, *, since: float, due: float | None = None) -> None:
        self.watch.add(entry, since=since, due=due)
        if entry.id in self._cancelling:
            self.watch.hasten(entry.id)

    def rates_learned(self, rates: RatesLearned) -> None:
        """Learn how many calls per second can be counted on."""
        self.watch.rates_learned(rates)
        self.sending.rate_learned(rates.start)
        self.batching.rate_learned(rates.list)

    # -- what is due

    def looks(self, now: float) -> Iterator[Look | Cancel | Sweep]:
        """Go through what is to be looked at now; what is to be cancelled too is cancelled."""
        for look in self.watch.plan(now=now, room=self._limits.concurrency):
            if isinstance(look, Look) and self._cancelling.is_due(look.entry.id, now):
                yield Cancel(entry=look.entry)
            else:
                yield look

    @property
    def wake_at(self) -> float | None:
        """When something becomes due by time alone, in loop time; None if nothing does."""
        dues = (
            self.watch.wake_at(self._limits.concurrency),
            self.sending.wake_at,
            self.batching.wake_at,
        )
        return min((due for due in dues if due is not None), default=None)

    # -- how it stands

    @property
    def in_air(self) -> int:
        """Calls for entries under way, and sweeps that have something left to show."""
        return self.sending.in_air_count + self.batching.in_air_count + self.watch.in_air

    @property
    def being_sent(self) -> frozenset[str]:
        """Ids of the entries that are being sent or settled, alone or together."""
        return self.sending.in_air | self.batching.in_air

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, to be settled, watched, or could be sent."""
        if self.is_stopped:
            return self.in_air == 0
        return not self.watch and self.sending.is_idle and self.batching.is_idle

    @property
    def ids(self) -> list[str]:
        """Ids of the entries in flight."""
        return [*self.sending.ids, *self.batching.ids, *self.watch.ids]

    def validate(self) -> None:
        """Raise InvariantError where the lane contradicts itself."""
        self.sending.validate()
        if unslotted := [one for one in self.ids if one not in self.sending.slots]:
            raise InvariantError(f"in flight without a slot: {sorted(unslotted)}")
