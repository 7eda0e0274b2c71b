# ruff: noqa: D102 - what each method promises stands in the contract, ports.paces
"""The paces of accounts: what was learned, and the time that launchers of one ledger share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

from batchrun.errors import InvariantError
from batchrun.ledger.rows import micros, time_of
from batchrun.ledger.store import Row
from batchrun.ledger.worker import StoreVerbs, reads, writes
from batchrun.model.paces.handing_on import Learned, Phase
from batchrun.ports.paces import Paces
from batchrun.ports.stored import Commons, KeptPace, LeftPace, Stretch

_MICROS: Final = 1_000_000
#: Seconds in the past from which time is still given out, since asking for it takes about that long.
_LATE: Final = 0.05
#: Seconds that stretches reach into the future at most, one of a second for each of so many launchers.
_LONGEST_QUEUE: Final = 300


class SqlPaces(StoreVerbs, Paces):
    """The paces that a store keeps."""

    @reads
    def learned(self, account: str, *, since: datetime) -> Mapping[str, Learned]:
        rows = self._store.all("paces", account=account, since=micros(since))
        return {row.operation: _learned(row) for row in rows}

    @reads
    def all(self) -> Sequence[KeptPace]:
        return [
            KeptPace(account=row.account, operation=row.operation, learned=_learned(row), at=time_of(row.at))
            for row in self._store.all("all_paces")
        ]

    @writes
    def keep(self, account: str, learned: Mapping[str, Learned], *, at: datetime) -> None:
        for operation, one in learned.items():
            facts = {**asdict(one), "phase": one.phase.value}
            self._store.run("keep_pace", account=account, operation=operation, **facts, at=micros(at))

    @writes
    def take_stretch(self, commons: Commons, seconds: float, *, at: datetime) -> Stretch:
        span = round(seconds * _MICROS)
        row = self._store.one(
            "take_stretch",
            **_where(commons),
            span=span,
            late=round(_LATE * _MICROS),
            longest=_LONGEST_QUEUE * _MICROS,
            at=micros(at),
        )
        if row is None:
            raise InvariantError(f"no time for {commons.operation} was given out")
        ends_in = row.ends_in / _MICROS
        return Stretch(begins_in=ends_in - seconds, ends_in=ends_in, after=row.until - span, until=row.until)

    @writes
    def leave(self, commons: Commons, state: str, *, until: int, at: datetime) -> None:
        longest = _LONGEST_QUEUE * _MICROS
        self._store.run(
            "leave_pace", **_where(commons), state=state, until=until, longest=longest, at=micros(at)
        )

    @reads
    def left(self, commons: Commons, *, at: datetime) -> LeftPace | None:
        row = self._store.one("left_pace", **_where(commons), at=micros(at))
        return None if row is None else LeftPace(row.state, ago=row.ago / _MICROS, until=row.left_until)


def _learned(row: Row) -> Learned:
    return Learned(
        phase=Phase(row.phase), base=row.base, cut=row.cut, span=row.span, passed=row.passed, burst=row.burst
    )


def _where(commons: Commons) -> dict[str, str]:
    return {**asdict(commons), "account": commons.account or ""}
