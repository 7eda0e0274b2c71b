# ruff: noqa: D102 - what each method promises stands in the contract, ports.proofs
"""A held batch's proofs, and the surveys that they come from.

Does not belong here: when a proof is wanted, or made (``engine.proof``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from batchrun.clock import ClockOrigin
from batchrun.ledger.rows import listed, micros, time_of
from batchrun.ledger.worker import HeldVerbs, reads, writes
from batchrun.ports.proofs import Proofs
from batchrun.ports.stored import Unproven

#: Stands for "no lane" where a lane is part of a key.
_NO_LANE: Final = ""


class SqlProofs(HeldVerbs, Proofs):
    """The proofs of a batch of a store."""

    @writes
    def bind(self, origin: ClockOrigin) -> None:
        key = self._fenced()
        kept = self._store.one("proof_clock", batch=key)
        if kept is not None and origin.is_same(ClockOrigin(boot=kept.boot, at=time_of(kept.origin))):
            return
        self._store.run("forget_proofs", batch=key)
        self._store.run("forget_when_sent", batch=key)
        self._store.run("keep_proof_clock", batch=key, boot=origin.boot, origin=micros(origin.at))

    @writes
    def forget(self) -> None:
        self._store.run("forget_proofs", batch=self._fenced())

    @reads
    def has_found(self, *, since: datetime) -> bool:
        return bool(self._store.value("has_found", batch=self._key, since=micros(since)))

    @writes
    def begin_survey(self, *, since: datetime, at: datetime) -> Mapping[str | None, Unproven]:
        key = self._fenced()
        self._store.run("forget_sought", batch=key, ids=None)
        self._store.run("begin_survey", batch=key, since=micros(since), at=micros(at))
        names: defaultdict[str | None, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for row in self._store.all("sought_names", batch=key):
            if (name := row.name) is not None:
                there = names[row.lane]
                there[name] = (*there.get(name, ()), row.id)
        calls = {row.lane: row.calls for row in self._store.all("survey_calls", batch=key)}
        return {
            lane: Unproven(names=there, last_calls=calls.get(lane or _NO_LANE))
            for lane, there in names.items()
        }

    @writes
    def end_survey(
        self,
        *,
        at: datetime,
        calls: Mapping[str | None, int],
        besides: Collection[str] = (),
        unreached: Collection[str | None] = (),
    ) -> None:
        key = self._fenced()
        if besides:
            self._store.run("forget_sought", batch=key, ids=listed(besides))
        if unreached:
            lanes = listed(lane or _NO_LANE for lane in unreached)
            self._store.run("forget_unreached", batch=key, lanes=lanes)
        self._store.run("end_survey", batch=key, at=micros(at))
        for lane, count in calls.items():
            self._store.run("keep_survey", batch=key, lane=lane or _NO_LANE, at=micros(at), calls=count)
