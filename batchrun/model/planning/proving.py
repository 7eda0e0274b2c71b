"""When to look for runs that other ledgers may have started for the entries to send.

A *survey*, one pass of ListRuns, proves all entries at once. While it is under way a few entries at a time
are looked for by name, so that sending can begin; if only few are to be sent, all are looked for by name.
Entries that could not be looked for, or may have a run, are set *aside* until the next survey.

Does not belong here: how long a proof is valid (``proofs``), looking (``engine.proof.prover``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from batchrun.model.entries.entry import Entry
from batchrun.model.planning.actions import Survey
from batchrun.model.planning.limits import Limits, Mode

#: Entries looked for by name at the same time in the same lanes, while a survey is to prove the rest.
_AT_ONCE: Final = 4
#: Seconds from a survey's start without looks by name: mostly it is over by then.
_HEAD_START: Final = 1.0
#: Seconds after which rows sent together do not wait for a survey any more: another lane may never finish it.
_LATE: Final = 30.0
#: Seconds of waiting after a failed survey; doubles with each.
_AGAIN: Final = 5.0
_LONGEST: Final = 300.0


class Proving:
    """The surveys of one launch."""

    def __init__(self, limits: Limits) -> None:
        self._trust = limits.trust
        self._trusts_ledger = limits.trusts_ledger
        self._is_once = limits.mode is not Mode.WATCH
        self._is_worth_it = self._trust.is_seamless  #: whether a survey's proofs last until they are used
        self._is_over = False  #: whether this launch makes no more surveys
        self._are_few = False  #: whether so few are to be sent that looks by name replace the survey
        self._is_wanted = False
        self._begun: float | None = None  #: loop time at which the survey under way began
        self._look_at: float | None = None  #: loop time from which looks by name are allowed beside it
        self._due = float("-inf")
        self._failed = 0
        self._looking: dict[str, tuple[str, ...]] = {}  #: entries being looked for by name, and their lanes
        self.aside: set[str] = set()  #: entries that wait for a survey

    def may_send(self, entry: Entry, now: float, at: datetime) -> bool:
        """Report whether the entry may be sent now: it is proven, or may be looked for by name first.

        *now* is loop time, *at* the clock's latest time.
        """
        if self._trusts_ledger:
            return True
        may_survey = self._is_worth_it and not self._is_over
        if self._trust.holds(entry, at):
            is_fresh = entry.proven_at is not None and at < entry.proven_at + self._trust.freshness
            self._is_wanted = self._is_wanted or (may_survey and not is_fresh)
            return True
        may_look = not may_survey or self._may_look(entry, now)
        if may_look:
            self._looking[entry.id] = entry.may_be_in
        return may_look

    def _may_look(self, entry: Entry, now: float) -> bool:
        """Report whether one more entry may be looked for by name, beside the survey or instead of it.

        Counted by lanes, so that a slow lane does not block entries of others.
        """
        places = entry.may_be_in
        has_room = sum(lanes == places for lanes in self._looking.values()) < _AT_ONCE
        if self._are_few and has_room:
            return True
        self._are_few = False
        self._is_wanted = True
        if self._begun is not None and now < self._begun + _HEAD_START:
            return False
        return self._begun is not None and has_room

    def may_send_together(self, entries: Sequence[Entry], at: datetime) -> bool:
        """Report whether entries may be sent in one call: all are proven, except a few to look for by name.

        *at* is the clock's latest time.
        """
        if self._trusts_ledger:
            return True
        may_survey = self._is_worth_it and not self._is_over
        unproven = sum(not self._trust.holds(entry, at) for entry in entries)
        if not may_survey or unproven <= (_AT_ONCE if self._are_few else 0):
            return True
        self._are_few = False
        self._is_wanted = True
        return False

    def is_late(self, now: float) -> bool:
        """Report whether the survey under way takes too long to wait for it."""
        return self._begun is not None and now >= self._begun + _LATE

    def looked(self, entry_id: str) -> None:
        """Note that the entry is not being looked for any more."""
        self._looking.pop(entry_id, None)

    def could_not_look(self, entry_id: str) -> None:
        """Set an entry aside that could not be looked for, or may have a run."""
        self.aside.add(entry_id)
        self._is_wanted = not self._is_over

    def set_aside(self, entry_ids: Collection[str]) -> None:
        """Set entries aside until the survey is over."""
        self.aside |= set(entry_ids)

    def plan(self, now: float) -> list[Survey]:
        """Return the survey to make now, if any."""
        if self._begun is not None and self._look_at is not None and now >= self._look_at:
            late_at = self._begun + _LATE
            self._look_at = late_at if now < late_at else None
        if not self._is_wanted or self._begun is not None or now < self._due:
            return []
        self._begun = now
        self._look_at = now + _HEAD_START
        return [Survey(begun=now, is_waited_for=bool(self.aside))]

    def concluded(
        self,
        survey: Survey,
        now: float,
        *,
        are_few: bool = False,
        is_partial: bool = False,
        again_at: float | None = None,
    ) -> None:
        """Note that the survey is over.

        *are_few*: looks by name replace it; *is_partial*: another one is to follow, as after a failure,
        except in a launch of one pass; *again_at*: another one, to be made then, is to prove the entries.
        """
        self._over(survey, now)
        self._are_few = are_few
        if again_at is not None:
            self._due = again_at
        elif is_partial:
            self._wait(now)
            self._is_over = self._is_once
        else:
            self._failed = 0
        self.aside.clear()
        self._is_wanted = False

    def failed(self, survey: Survey, now: float, *, has_stopped: bool = False) -> None:
        """Note that the survey failed; in a launch of one pass there is no other.

        *has_stopped*: a lane has stopped, so that no survey may ever prove the entries set aside.
        """
        self._over(survey, now)
        if has_stopped:
            self.aside.clear()
        self._wait(now)
        self._is_over = self._is_once
        self._is_wanted = bool(self.aside) and not self._is_over

    def _wait(self, now: float) -> None:
        self._due = now + min(_AGAIN * 2.0 ** min(self._failed, 16), _LONGEST)
        self._failed += 1

    def _over(self, survey: Survey, now: float) -> None:
        self._begun = self._look_at = None
        self._are_few = False
        self._is_worth_it = self._is_worth_it and now - survey.begun < self._trust.life.total_seconds()

    @property
    def wake_at(self) -> float | None:
        """When a survey is due or looks by name may begin, in loop time; None if neither is."""
        return self._due if self._is_wanted and self._begun is None else self._look_at

    @property
    def is_waited_for(self) -> bool:
        """Whether entries wait for a survey."""
        return bool(self.aside) and (self._begun is not None or self._is_wanted)
