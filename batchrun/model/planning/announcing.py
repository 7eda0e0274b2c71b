"""Messages about runs (EventBridge), and whether they can be relied on.

A message says where to look; ``GetRun`` stays the authority. Delivery is best effort, and may stop unnoticed.
While messages are relied on, looks and sweeps are rarer. An end that a look found, and that was not announced
within a grace period, ends that; the next end that was announced restores it.

A queue that is full of other messages is asked less often, until it has one about the batch.

Does not belong here: which run to look at (``watch``), receiving messages (``service``), deleting them
(``engine.lanes.waker``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from batchrun.model.entries.states import GOING_STATUSES
from batchrun.model.spec import Json

#: The factor by which looks and sweeps are rarer while messages are relied on.
RARER: Final = 15.0
#: Seconds by which a message may come later than the look that saw the run's end.
_GRACE: Final = 30.0
#: Most characters of a message: EventBridge allows 256 KB.
_LARGEST: Final = 256 * 1024
_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_SOURCE: Final = "aws.omics"
#: The source of our own test messages.
OURS: Final = "batchrun"
_KIND: Final = "Run Status Change"
#: Seconds between two calls of a queue, at least, where the first returned nothing.
_AFTER_NOTHING: Final = 1.0
#: Seconds for each call in a row that returned nothing about the batch, and for as many as there may be.
_FOR_EACH_USELESS: Final = 0.01
_AFTER_USELESS: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A run that a message says has ended."""

    run: str  #: its uuid, or its id if the message has none


def read_announcement(body: str) -> Announcement | None:
    """Parse a message; None if it does not announce a run's end.

    A message by way of SNS is unwrapped. Fields that are not needed may be missing.
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


def least_pause(useless: int, *, is_empty: bool) -> float:
    """Return the seconds from one call of a queue to the next, at least.

    *useless* calls in a row, the last among them, returned nothing about the batch; *is_empty*: the last
    returned nothing at all, as where a queue ignores the long poll.
    """
    return _AFTER_NOTHING if is_empty else min(useless * _FOR_EACH_USELESS, _AFTER_USELESS)


def is_of_service(body: str) -> bool:
    """Report whether a message is an event of HealthOmics, or our own test message."""
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
        self._announced: set[str] = set()  #: uuids whose announced end was not seen yet
        self._late: dict[str, float] = {}  #: ends seen but not announced yet: uuid to loop time

    @property
    def rarer(self) -> float:
        """The factor by which looks and sweeps are rarer."""
        return RARER if self.is_relied_on else 1.0

    def told(self, uuid: str) -> None:
        """Note that a message says that a run has ended, seen already or not."""
        if self._late.pop(uuid, None) is None:
            self._announced.add(uuid)
        else:
            self.is_relied_on = True

    def is_told(self, uuid: str) -> bool:
        """Report whether a run's end was announced, and the run not looked at since."""
        return uuid in self._announced

    def looked(self, uuid: str, *, now: float, has_ended: bool) -> None:
        """Note what a look has shown."""
        was_announced = uuid in self._announced
        self._announced.discard(uuid)
        if has_ended and was_announced:
            self.is_relied_on = True
        elif has_ended and self.is_relied_on:
            self._late[uuid] = now

    def is_lost(self, now: float) -> bool:
        """Stop relying on messages if one is overdue at *now*; report whether that is a change."""
        if not self._late or next(iter(self._late.values())) + _GRACE > now:
            return False
        return self.lose()

    def lose(self) -> bool:
        """Stop relying on messages; report whether that is a change."""
        self._late.clear()
        was, self.is_relied_on = self.is_relied_on, False
        return was
