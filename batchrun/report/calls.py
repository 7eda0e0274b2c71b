"""
What the ledger knows of the calls that submitted a batch: what StartRun was asked and answered.

The ledger keeps what moved an entry, not calls: repeats within one submission, throttled ones among them, and
looks at runs leave no trace there, and so none here. Belongs here: adding up the events. Does not: rows.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from batchrun.ports.ledger import Ledger

#: One event of a history: at, attempt, kind, detail.
_Told = tuple["datetime", int, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """StartRun's answers, as far as they moved an entry; codes are the service's, or ours for lost ones."""

    sent: int = 0  #: submissions begun
    accepted: int = 0  #: of these, runs that StartRun's answer gave
    found: int = 0  #: runs whose answer was lost, and that were found by looking
    deferred: Mapping[str, int] = field(default_factory=dict)  #: "not now", by code
    doubted: Mapping[str, int] = field(default_factory=dict)  #: outcome unknown, by error
    refused: Mapping[str, int] = field(default_factory=dict)  #: for good, by code
    retried: int = 0  #: further attempts asked for by rule or by people
    first_accepted: datetime | None = None
    last_accepted: datetime | None = None
    last_event: datetime | None = None  #: when anything was last recorded


@dataclass(slots=True, kw_only=True)
class _Sum:
    """Calls while they are added up."""

    kinds: Counter[str] = field(default_factory=Counter)
    codes: dict[str, Counter[str]] = field(
        default_factory=lambda: {"deferred": Counter(), "doubted": Counter(), "refused": Counter()}
    )
    found: int = 0
    first: datetime | None = None
    last: datetime | None = None
    newest: datetime | None = None

    def add(self, told: _Told) -> None:
        """Take in one event."""
        at, _, kind, detail = told
        self.kinds[kind] += 1
        self.newest = max(self.newest or at, at)
        if kind in self.codes:
            self.codes[kind][str(json.loads(detail).get("code"))] += 1
        if kind == "accepted":
            self.found += bool(json.loads(detail).get("was_found"))
            self.first = min(self.first or at, at)
            self.last = max(self.last or at, at)

    def calls(self) -> Calls:
        """Return the sum."""
        return Calls(
            sent=self.kinds["intended"],
            accepted=self.kinds["accepted"] - self.found,
            found=self.found,
            **{kind: dict(codes.most_common()) for kind, codes in self.codes.items()},
            retried=self.kinds["retried"] + self.kinds["revised"],
            first_accepted=self.first,
            last_accepted=self.last,
            last_event=self.newest,
        )


async def calls(ledger: Ledger, batch: str, ids: Iterable[str]) -> Calls:
    """Add up the events of the entries called *ids*; one at a time, so memory does not grow with them."""
    total = _Sum()
    for one in ids:
        for told in await ledger.history(batch, one):
            total.add(told)
    return total.calls()
