"""The crash matrix as a table: ``python -m tests.crash.table FILE`` puts it there, between its marks."""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from batchrun.points import Point
from tests.crash.harness import FAULTS, ROWS, Aftermath, attack

BEGIN, END = "<!-- crash matrix: made by scripts/crashes -->", "<!-- end of crash matrix -->"
WORKERS = 4


def aftermaths(points: list[Point]) -> dict[tuple[Point, str], Aftermath]:
    """Attack at *points* under every fault."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for point in points:
            for number, fault in enumerate(FAULTS):
                work = Path(folder) / f"{point.name}-{number}"
                found[point, fault] = attack(work, point, fault)
    return found


def table(found: dict[tuple[Point, str], Aftermath]) -> str:
    """Show kills, faults and runs for each point; every cell has held the laws, or there is no table."""
    lines = ["| killed at | " + " | ".join(FAULTS) + " |", "|---" * (len(FAULTS) + 1) + "|"]
    for point in Point:
        cells = [found[point, fault] for fault in FAULTS]
        shown = " | ".join(f"{cell.kills} / {cell.faults} / {cell.runs}" for cell in cells)
        lines.append(f"| {point.value} | {shown} |")
    kills = sum(cell.kills for cell in found.values())
    faults = sum(cell.faults for cell in found.values())
    runs = sum(cell.runs for cell in found.values())
    total = (
        f"{kills} kills, {faults} faults, {runs} runs for {len(found) * ROWS} rows; none twice, none lost."
    )
    return "\n".join([f"Each cell: kills / faults / runs, of {ROWS} rows.", "", *lines, "", total])


def main() -> None:
    os.environ |= {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    shares = [list(Point)[start::WORKERS] for start in range(WORKERS)]
    found: dict[tuple[Point, str], Aftermath] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        for part in pool.map(aftermaths, shares):
            found |= part
    file = Path(sys.argv[1])
    before, rest = file.read_text(encoding="utf-8").split(BEGIN, 1)
    made = f"{before}{BEGIN}\n{table(found)}\n{END}{rest.split(END, 1)[1]}"
    file.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
