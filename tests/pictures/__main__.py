"""Makes the pictures of the README: ``python -m tests.pictures [-o FOLDER]``."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from batchrun.cli.logs import configure
from batchrun.cli.options import PLAIN
from batchrun.clock import VirtualLoop
from tests.pictures.draw import live_view, report
from tests.pictures.launch import launched

ROOT: Final = Path(__file__).resolve().parents[2]
_ROWS: Final = 800


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/pictures", description="Make the pictures of the README.")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / ".github" / "pictures", metavar="FOLDER")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    configure(PLAIN, usual=-1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_CONFIG_FILE": str(folder / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
        }
        with asyncio.Runner(loop_factory=VirtualLoop) as virtual:
            seen = virtual.run(launched(folder, rows=_ROWS))
        for theme, svg in live_view(seen.live, "batchrun run cohort.csv --defaults defaults.yaml").items():
            (output / f"live-{theme}.svg").write_text(svg, encoding="utf-8")
        for scheme, png in asyncio.run(report(seen.report, folder / "cohort.report.html")).items():
            (output / f"report-{scheme}.png").write_bytes(png)
    sys.stdout.writelines(f"{path}: {path.stat().st_size:,} bytes\n" for path in sorted(output.iterdir()))


if __name__ == "__main__":
    main()
