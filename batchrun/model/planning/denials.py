"""Denials: whether a permission is lacking for one entry alone, for all that uses the same, or for a lane.

AWS allows a StartRun by the resources that it names (:data:`Resources`), so where entries are denied in a
row, others that use other resources may still pass. An entry counts as denied by itself only where others
pass, in this launch or since it was first denied.
"""

from __future__ import annotations

import enum
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import History, last_alike
from batchrun.model.lanes import first_request, lanes_of
from batchrun.model.spec import Json

#: Error codes of AWS that mean that a permission is lacking.
CODES: Final = frozenset({"AccessDeniedException", "AccessDenied", "NotAuthorized", "OptInRequired", "403"})
#: Denials in a row, of as many entries, that mean that more than an entry lacks a permission.
SYSTEMIC: Final = 3
#: Denials of the same resources since they were allowed: more than two entries have before they are refused.
_MOST: Final = 3 * SYSTEMIC
#: Different resources denied in a row that mean that the lane may use none: each costs denied calls.
_MANY_KINDS: Final = 10
#: Fields of StartRun that name what the caller must be allowed to use: the resource types of the action
#: omics:StartRun (service authorization reference), and the role of iam:PassRole.
_RESOURCES: Final = (
    *("workflowId", "workflowOwnerId", "workflowVersionName", "runId"),
    *("roleArn", "runGroupId", "cacheId", "configurationName"),
)
#: Names and values of the resources that a StartRun request names.
Resources: TypeAlias = tuple[tuple[str, str], ...]


def resources_of(entry: Entry) -> Resources:
    """Return the resources that the entry's request names, of which a permission may be lacking."""
    return resources_in(json.loads(entry.request))


def resources_in(request: Mapping[str, Json]) -> Resources:
    """Return the resources that a StartRun request names."""
    return tuple((name, str(request[name])) for name in _RESOURCES if name in request)


def waiting_as(entry: Entry) -> tuple[tuple[str, ...], dict[str, str | None]]:
    """Return the lanes that an entry may take, and what it uses in the first, as before it was sent."""
    if not entry.has_choice:
        return entry.may_take, uses_of(entry)
    used = dict(resources_in(json.loads(first_request(entry.asked))))
    return lanes_of(entry.asked), dict.fromkeys(_RESOURCES) | used


def uses_of(entry: Entry) -> dict[str, str | None]:
    """Return each resource that a request may name, with the entry's, None where it names none."""
    return dict.fromkeys(_RESOURCES) | dict(resources_of(entry))


def no_resources(_entry: Entry) -> Resources:
    """Return nothing: an operation that is allowed for all entries or for none."""
    return ()


class Extent(enum.Enum):
    """How far a lack of permission reaches."""

    ENTRY = "entry"
    RESOURCES = "resources"  #: all entries that use the same
    LANE = "lane"


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """What one denial means, for the launch and for its entry."""

    extent: Extent = Extent.ENTRY
    counts: bool = True  #: against the entry: others have passed, so it alone lacks the permission
    may_move: bool = True  #: whether the entry may go to another lane; at once, so not for ever


class Denials:
    """The denials of one operation in one lane."""

    def __init__(
        self, resources: Callable[[Entry], Resources] = resources_of, *, most: float = _MOST
    ) -> None:
        """Begin; *resources* returns what a call for an entry must be allowed to use.

        *most* denials of what uses the same mean that it may not be used, however few the entries are.
        """
        self._resources = resources
        self._most = most
        self._entries: defaultdict[Resources, Counter[str]] = defaultdict(Counter)  #: since their like passed
        self._in_a_row: list[tuple[str, Resources]] = []  #: denied since anything was allowed
        self.has_passed = False  #: whether the operation was ever allowed

    def passed(self, entry: Entry) -> None:
        """Note that the operation was allowed for the entry."""
        self.has_passed = True
        self._in_a_row.clear()
        if self._entries:
            self._entries.pop(self._resources(entry), None)

    def denied(self, entry: Entry) -> Extent:
        """Note a denial; return how far the lack of permission reaches.

        Beyond the entry, if several entries with the same resources were denied since one was allowed, or if
        nothing was ever allowed and the few entries that there are were denied as often. To the whole lane,
        if many resources were denied in a row.
        """
        resources = self._resources(entry)
        alike = self._entries[resources]
        alike[entry.id] += 1
        self._in_a_row.append((entry.id, resources))
        if len({kind for _, kind in self._in_a_row}) >= _MANY_KINDS:
            return Extent.LANE
        most = self._most if self.has_passed else SYSTEMIC
        are_systemic = len(alike) >= SYSTEMIC or alike.total() >= most
        return Extent.RESOURCES if are_systemic else Extent.ENTRY


def judging_lanes(
    entry: Entry, lane: str | None, before: Collection[datetime], history: History
) -> Sequence[str | None]:
    """Return the lanes whose started rows show that an entry, now denied in *lane*, is denied by itself.

    All that it may take, once each has denied it, now or *before*: until then another may start it.
    """
    if not entry.has_choice:
        return (lane,)
    lanes, _ = waiting_as(entry)
    sent_to, denied = lane, {lane}
    for at, _, name, detail in history:
        if name == "intended":
            sent_to = json.loads(detail).get("lane")
        elif name == "deferred" and at in before:
            denied.add(sent_to)
    return lanes if denied.issuperset(lanes) else (lane,)


def denied_at(code: str, history: History) -> list[datetime]:
    """Return when an entry was put off with *code*, in any lanes, since it was last put off otherwise."""
    return last_alike(history, "deferred", code, across=("intended", "moved"))
