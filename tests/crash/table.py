"""
The crash matrices as tables: ``python -m tests.crash.table FILE`` puts them there, between their marks.

``python -m tests.crash.table postgres`` shows those of ledgers in PostgreSQL, and writes nothing.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from batchrun.points import Point
from tests.crash.batches import (
    AUTO_FAULTS,
    BATCH_FAULTS,
    LANE_BATCH_FAULTS,
    attack_auto,
    attack_batches,
    attack_lanes_of_batches,
)
from tests.crash.harness import FAULTS, ROWS, Aftermath, attack_alone, is_of_old
from tests.crash.lanes import LANE_FAULTS, attack_lanes
from tests.nursery import nursery
from tests.postgres.server import Server, shared

BEGIN, END = "<!-- crash matrix: made by scripts/crashes -->", "<!-- end of crash matrix -->"
OVER_LANES = """\
Over two lanes, an account and a region each, with rows for either and rows for both. One row fails in its
lane, and a rule leads it to the other: a run more, its second attempt's."""
BY_BATCHES = """\
With `--engine batch`: the service goes on with what it was given while the launcher is dead. What it does
with a row by itself (refuses it, leaves it out of its list or never starts it) is not counted as a fault."""
OVER_LANES_BY_BATCHES = """\
With `--engine batch` over the same two lanes."""
BOTH_WAYS = """\
With `--engine auto`, of half of the rows by `StartRunBatch` and of the others by `StartRun`."""
WORKERS = 4
#: What one cell is made by.
Attack = Callable[[Path, Point, str], Aftermath]


def matrix(attack: Attack, faults: Collection[str]) -> dict[tuple[Point, str], Aftermath]:
    """Attack at every point under every fault."""
    nursery()  # before there are threads that might each make one
    cells = [(point, fault) for point in Point for fault in faults]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        made = pool.map(
            lambda cell: attack(Path(folder) / f"{cell[0].name}-{[*faults].index(cell[1])}", *cell), cells
        )
        return dict(zip(cells, made, strict=True))


def table(found: dict[tuple[Point, str], Aftermath], faults: Collection[str]) -> str:
    """Show kills, faults and runs for each point; every cell has held the laws, or there is no table."""
    lines = ["| killed at | " + " | ".join(faults) + " |", "|---" * (len(faults) + 1) + "|"]
    for point in Point:
        cells = [found[point, fault] for fault in faults]
        shown = " | ".join(f"{cell.kills} / {cell.faults} / {cell.runs}" for cell in cells)
        lines.append(f"| {point.value} | {shown} |")
    kills = sum(cell.kills for cell in found.values())
    struck = sum(cell.faults for cell in found.values())
    runs = sum(cell.runs for cell in found.values())
    total = (
        f"{kills} kills, {struck} faults, {runs} runs for {len(found) * ROWS} rows; none twice, none lost."
    )
    return "\n".join([*lines, "", total])


def _over_postgres() -> Iterator[str]:
    """Show the matrices over ledgers in PostgreSQL, one for each cell."""
    with tempfile.TemporaryDirectory() as folder, shared(Path(folder) / "postgres") as server:
        for attack, all_faults in ((attack_alone, FAULTS), (attack_auto, AUTO_FAULTS)):
            faults = [fault for fault in all_faults if not is_of_old(fault)]
            yield table(matrix(_in_databases(attack, server), faults), faults)


def _in_databases(attack: Callable[..., Aftermath], server: Server) -> Attack:
    def attack_there(folder: Path, point: Point, fault: str) -> Aftermath:
        return attack(folder, point, fault, "--standby", "--ledger", server.make())

    return attack_there


def main() -> None:
    os.environ |= {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    if sys.argv[1] == "postgres":
        for made in _over_postgres():
            sys.stdout.write(f"{made}\n\n")
        return
    parts = [
        f"Each cell: kills / faults / runs, of {ROWS} rows.",
        table(matrix(attack_alone, FAULTS), FAULTS),
        OVER_LANES,
        table(matrix(attack_lanes, LANE_FAULTS), LANE_FAULTS),
        BY_BATCHES,
        table(matrix(attack_batches, BATCH_FAULTS), BATCH_FAULTS),
        OVER_LANES_BY_BATCHES,
        table(matrix(attack_lanes_of_batches, LANE_BATCH_FAULTS), LANE_BATCH_FAULTS),
        BOTH_WAYS,
        table(matrix(attack_auto, AUTO_FAULTS), AUTO_FAULTS),
    ]
    file = Path(sys.argv[1])
    before, rest = file.read_text(encoding="utf-8").split(BEGIN, 1)
    made = "\n\n".join(parts)
    file.write_text(f"{before}{BEGIN}\n{made}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
