"""
What messages say of runs, and how far they can be relied on.

EventBridge's word that a run has changed says where to look; ``GetRun`` stays the authority. It is delivered
at best effort, and what brings it may be gone without anybody knowing. So messages are relied on, and looks
and sweeps come less often, only as long as ends are announced: an end that a look has found, and that nobody
has announced by some time after it, takes that back, and the next one that was announced brings it again.

Belongs here: reading a message, and that judgement. Does not: which run is looked at when (``watch``), what
brings messages (``service``), when a message is done with (``engine.lanes.waker``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from batchrun.model.entries.states import GOING_STATUSES
from batchrun.model.spec import Json

#: Times that looks and sweeps are rarer while messages are relied on.
RARER: Final = 15.0
#: Seconds that a message may come after the end that it announces was seen.
_GRACE: Final = 30.0
#: Characters of a message: one of EventBridge's has at most 256 KB.
_LARGEST: Final = 256 * 1024
_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_SOURCE: Final = "aws.omics"
#: The source of messages by which a queue is tried.
OURS: Final = "batchrun"
_KIND: Final = "Run Status Change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A run that is said to have ended."""

    run: str  #: its uuid; its id where the message has none


def read_announcement(body: str) -> Announcement | None:
    """
    Read what a message says; None for whatever is none of a run's end.

    Of a message that came by way of SNS, the one within it counts. Fields that are not needed may be missing.
    """
    event = _event(body)
    detail = event.get("detail")
    if event.get("source") != _SOURCE or event.get("detail-type") != _KIND or not isinstance(detail, dict):
        return None
    if detail.get("status") in GOING_STATUSES:
        return None
    named = (detail.get(name) for name in ("uuid", "runId"))
    run = next((one for one in named if isinstance(one, str) and _ID.fullmatch(one)), None)
    return None if run is None else Announcement(run=run)


def is_of_service(body: str) -> bool:
    """Report whether a message is an event of HealthOmics, or ours that tries the queue."""
    return _event(body).get("source") in {_SOURCE, OURS}


def _event(body: str) -> dict[str, Json]:
    event = _table(body)
    within = event.get("Message")
    if event.get("Type") == "Notification" and isinstance(within, str):
        return _table(within)
    return event


def _table(text: str) -> dict[str, Json]:
    if len(text) > _LARGEST:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class Announcements:
    """The announcements of one lane's runs."""

    def __init__(self) -> None:
        self.is_relied_on = False
        self._told: set[str] = set()  #: uuids whose announced end was not seen yet
        self._late: dict[str, float] = {}  #: ends not announced yet, by uuid: when they were seen

    @property
    def rarer(self) -> float:
        """Times that looks and sweeps are rarer."""
        return RARER if self.is_relied_on else 1.0

    def told(self, uuid: str) -> None:
        """Learn that a run is said to have ended, whether that was seen already or not."""
        if self._late.pop(uuid, None) is None:
            self._told.add(uuid)
        else:
            self.is_relied_on = True

    def is_told(self, uuid: str) -> bool:
        """Report whether a run is said to have ended, and was not looked at since."""
        return uuid in self._told

    def looked(self, uuid: str, *, now: float, has_ended: bool) -> None:
        """Learn what a look has shown."""
        was_told = uuid in self._told
        self._told.discard(uuid)
        if has_ended and was_told:
            self.is_relied_on = True
        elif has_ended and self.is_relied_on:
            self._late[uuid] = now

    def is_lost(self, now: float) -> bool:
        """Report whether messages are not relied on any more as of *now*, and were until now."""
        if not self._late or next(iter(self._late.values())) + _GRACE > now:
            return False
        return self.lose()

    def lose(self) -> bool:
        """Rely on them no more; report whether they were relied on."""
        self._late.clear()
        was, self.is_relied_on = self.is_relied_on, False
        return was
