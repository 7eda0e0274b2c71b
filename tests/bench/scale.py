"""
How much is measured: rows, runs and seconds, at full size, for a quick look, and for the bench's own test.

Belongs here: numbers, and nothing that reads a clock or starts a process.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The size of every group."""

    limited_rows: int = 400  #: under a limit of 8 per second
    unlimited_rows: int = 3_000
    watched_runs: int = 1_500
    watched_spread: float = 70.0  #: seconds over which their ends are spread
    steady_runs: int = 10_000
    steady_ends: float = 100.0  #: that end per minute
    steady_seconds: float = 240.0  #: of watching them; 0 leaves it out
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    finished_rows: int = 5_000
    in_flight: int = 2_000
    in_flight_rows: int = 100_000
    in_flight_seconds: float = 60.0
    resumed_rows: int = 3_000
    lookers: int = 50
    looked_at_rows: int = 20_000
    looked_at_seconds: float = 30.0
    woken_runs: int = 10_000
    engine_rows: tuple[int, ...] = (1_000, 20_000)
    lanes: tuple[int, ...] = (1, 10, 50)
    lane_seconds: float = 20.0  #: that each lane's rows take at its limit


FULL = Scale()
#: Shows that everything works, and where the time goes; its figures are not those that are wanted.
QUICK = Scale(
    limited_rows=100,
    unlimited_rows=1_000,
    watched_runs=300,
    watched_spread=15.0,
    steady_seconds=0.0,
    sizes=(500, 2_000, 8_000),
    finished_rows=1_000,
    in_flight=300,
    in_flight_rows=5_000,
    in_flight_seconds=10.0,
    resumed_rows=600,
    lookers=10,
    looked_at_rows=2_000,
    looked_at_seconds=5.0,
    woken_runs=200,
    engine_rows=(200,),
    lanes=(1, 10),
    lane_seconds=5.0,
)
