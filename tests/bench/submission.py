"""
The groups that submit: under an unannounced limit, and without one.

Belongs here: what is compared about submissions. Does not: submitting (``contenders``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.bench import Bench
from tests.bench.commands import FLAT_OUT
from tests.bench.contenders import (
    ADAPTIVE,
    BARE,
    LEARNER,
    SPRINTER,
    STANDARD,
    Contender,
    Submission,
    at_once,
    in_turn,
)
from tests.bench.scale import Scale
from tests.bench.table import Peer, Section, Wanted, compared

_RATE = 8
_OVER_LEAST = Wanted(least=1.05, aim=1.02)
_THROTTLED = Wanted(least=2, aim=0.5, unit=" %")
_OF_BARE = Wanted(least=0.7, aim=0.9, is_ratio=True, is_more_better=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Contenders and what each came to, again and again; the first is batchrun."""

    contenders: Sequence[Contender]
    rounds: Sequence[Sequence[Submission]]

    def row(
        self,
        what: str,
        of: Callable[[Submission], float],
        peer: Contender,
        unit: str = "",
        wanted: Wanted | None = None,
        *,
        whole: bool = True,
    ) -> tuple[str, ...]:
        """Compare batchrun with one peer in one figure, and in the time of the whole process."""
        at = self.contenders.index(peer)
        wholes = [self._median(one, _whole) if whole else None for one in (0, at)]
        against = Peer(name=peer.name, value=self._median(at, of), whole=wholes[1])
        return compared(what, self._median(0, of), against, unit=unit, whole=wholes[0], wanted=wanted)

    def _median(self, at: int, of: Callable[[Submission], float]) -> float:
        return median(of(submissions[at]) for submissions in self.rounds)


def limited(bench: Bench, scale: Scale) -> list[Section]:
    """Submit under a limit that nobody was told, with and without a burst."""
    rows = scale.limited_rows
    contenders = (LEARNER, STANDARD, ADAPTIVE)
    found = []
    for burst in (_RATE, 1):
        rounds = []
        for number in range(bench.repeats):
            bench.tell(f"submission-limited, {_RATE}/{burst}: {number + 1} of {bench.repeats}")
            limits = f"StartRun={_RATE}/{burst},*=unlimited"
            rounds.append(at_once(bench, contenders, rows, limits))
        found += _limited_rows(Contest(contenders=contenders, rounds=rounds), rows, burst)
    note = (
        f"{rows} rows, a limit of {_RATE} StartRun per second that nobody was told. Time is from the first "
        f"StartRun call at the simulator to the last acceptance, over the least possible, (rows - burst) / "
        f"{_RATE} s. All three at the same time, each with a simulator of its own."
    )
    return [Section(title="submission-limited", note=note, rows=tuple(found))]


def _limited_rows(contest: Contest, rows: int, burst: int) -> list[tuple[str, ...]]:
    least = (rows - burst) / _RATE

    def over_least(one: Submission) -> float:
        return one.seconds / least

    def throttled(one: Submission) -> float:
        return one.throttled

    told = f"{_RATE}/s, burst {burst}: "
    peers = contest.contenders[1:]
    return [
        *(contest.row(f"{told}time over the least", over_least, peer, "", _OVER_LEAST) for peer in peers),
        *(contest.row(f"{told}calls throttled", throttled, peer, " %", _THROTTLED) for peer in peers),
    ]


def unlimited(bench: Bench, scale: Scale) -> list[Section]:
    """Submit as fast as the machine can."""
    rows = scale.unlimited_rows
    contenders = (SPRINTER, BARE, STANDARD)
    rounds = []
    for number in range(bench.repeats):
        bench.tell(f"submission-unlimited: {number + 1} of {bench.repeats}")
        rounds.append(in_turn(bench, contenders, rows))
    note = (
        f"{rows:,} rows, no limit at the simulator, `--detach {' '.join(FLAT_OUT)}`. Runs are durable "
        "in batchrun's ledger; no peer keeps one. Per second: by the span from the first StartRun call to "
        "the last acceptance at the simulator, and over the whole process, imports included."
    )
    contest = Contest(contenders=contenders, rounds=rounds)
    return [Section(title="submission-unlimited", note=note, rows=tuple(_unlimited_rows(contest, rows)))]


def _unlimited_rows(contest: Contest, rows: int) -> list[tuple[str, ...]]:
    def over_whole(one: Submission) -> float:
        return rows / _whole(one)

    def cpu(one: Submission) -> float:
        return 1_000 * one.ran.cpu / rows

    def served_cpu(one: Submission) -> float:
        return 1_000 * one.served_cpu / rows

    bare, threads = contest.contenders[1:]
    return [
        contest.row("runs per second", lambda one: one.per_second, bare, "", _OF_BARE),
        contest.row("runs per second", lambda one: one.per_second, threads),
        contest.row("runs per second, whole process", over_whole, bare, whole=False),
        contest.row("runs per second, whole process", over_whole, threads, whole=False),
        contest.row("CPU per run, whole process", cpu, bare, " ms", whole=False),
        contest.row("CPU per run, whole process", cpu, threads, " ms", whole=False),
        contest.row("the simulator's own CPU per run", served_cpu, bare, " ms", whole=False),
        contest.row("peak memory", lambda one: one.ran.peak, bare, " MiB", whole=False),
    ]


def _whole(one: Submission) -> float:
    return one.ran.seconds
