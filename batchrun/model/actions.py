"""
What the planner may tell the engine to do: instructions, in the imperative.

Belongs here: the instructions. Does not: when each is due (``planner``, ``watch``), carrying them out
(``engine``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from batchrun.model.entry import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Wait for a turn, record the intent, send."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Send the same bytes again: while the entry's proof holds, the service remembers the requestId."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Look for the run before sending again: the service may have forgotten the requestId."""

    entry: Entry
    is_proof: bool  #: whether not finding the run means that no call of ours made one
    may_send: bool  #: whether the attempt may be sent again where no run is found


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Ask how the run is."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Ask how the run is, and ask the service to cancel it where it goes on."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """List the runs that are going, to learn which of ours are not."""

    begun: float  #: loop time; runs accepted later may be missing
    seconds: float  #: after which it is given up: to look at each run would have been cheaper
    run_group: str | None = None  #: the one that all of our runs are in, where there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Look for runs that other ledgers may have started of what is to be sent."""

    begun: float  #: loop time
    is_waited_for: bool = False  #: entries wait for it that could not be looked for one by one


#: What is done for one entry.
Action: TypeAlias = Submit | Replay | Settle | Look | Cancel
